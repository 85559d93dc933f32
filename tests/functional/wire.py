"""The least of an HTTP client: what a test sends when the question is the server's answer, not a client's."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

JSON = "application/vnd.pypi.simple.v1+json"
_BOUNDARY = "strongroom-functional-test"
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers by lower-case name, and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:  # Any: whatever the server sent
        """Return the body read as JSON."""
        return json.loads(self.body)


def request(
    method: str, url: str, *, token: str | None = None, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> Answer:
    """Send one request on its own connection, without following redirects."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
    sent = dict(headers or {}) | ({} if token is None else {"Authorization": basic(token)})
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body=body or None, headers=sent)
        response = connection.getresponse()
        received = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, received, response.read())
    finally:
        connection.close()


def basic(token: str, *, user: str = "__token__") -> str:
    """Return the Authorization header of a user name and a token."""
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()


def upload_form(path: Path, *, name: str, version: str) -> tuple[dict[str, str], bytes]:
    """Return headers and body of the upload that a client sends for the file."""
    content = path.read_bytes()
    is_wheel = path.name.endswith(".whl")
    fields = {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.2",
        "name": name,
        "version": version,
        "filetype": "bdist_wheel" if is_wheel else "sdist",
        "pyversion": "py3" if is_wheel else "source",
        "sha256_digest": sha256(content).hexdigest(),
    }
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    parts.append(
        f"--{_BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="content"; filename="{path.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode()
    )
    body = b"".join(parts) + content + f"\r\n--{_BOUNDARY}--\r\n".encode()
    return {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}", "Content-Length": str(len(body))}, body


def upload(url: str, path: Path, *, token: str, name: str, version: str = "1.0") -> Answer:
    """Publish one file to an upload URL."""
    headers, body = upload_form(path, name=name, version=version)
    return request("POST", url, token=token, headers=headers, body=body)
