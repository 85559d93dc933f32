"""Large uploads and downloads, several at once, with nothing held in memory on this side either."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urljoin

from tests.crash.form import basic_auth, twine_form
from tests.load.big_wheel import BigWheel

_TIMEOUT_SECONDS = 600.0
_JSON = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True, slots=True)
class Place:
    """A server's port on the loopback address, and a token for it."""

    port: int
    token: str


def upload_all(place: Place, wheels: Sequence[BigWheel]) -> list[str]:
    """Upload them at the same time; return a sentence for each that was not answered 200."""
    with ThreadPoolExecutor(len(wheels)) as pool:
        answers = list(pool.map(lambda wheel: _upload(place, wheel), wheels))
    return [answer for answer in answers if not answer.startswith("HTTP/1.1 200")]


def download_all(place: Place, wheels: Sequence[BigWheel]) -> list[str]:
    """Download what the project's page lists for them, at the same time; return what is wrong."""
    with ThreadPoolExecutor(len(wheels)) as pool:
        return [fault for fault in pool.map(lambda wheel: _find_fault(place, wheel), wheels) if fault]


def _upload(place: Place, wheel: BigWheel) -> str:
    form = twine_form(wheel.project, wheel.version, filename=wheel.filename, sha256=wheel.sha256())
    length = len(form.head) + wheel.size_bytes + len(form.tail)
    head = (
        f"POST /legacy/ HTTP/1.1\r\nHost: 127.0.0.1:{place.port}\r\nAuthorization: {basic_auth(place.token)}\r\n"
        f"Content-Type: {form.content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", place.port), timeout=_TIMEOUT_SECONDS) as connection:
        connection.sendall(head.encode() + form.head)
        for chunk in wheel.chunks():
            connection.sendall(chunk)
        connection.sendall(form.tail)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer.decode(errors="replace")


def _find_fault(place: Place, wheel: BigWheel) -> str | None:
    connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=_TIMEOUT_SECONDS)
    headers = {"Authorization": basic_auth(place.token)}
    page = f"/simple/{wheel.project}/"
    try:
        connection.request("GET", page, headers=headers | {"Accept": _JSON})
        listed = {file["filename"]: file for file in json.loads(connection.getresponse().read())["files"]}
        file = listed[wheel.filename]
        connection.request("GET", urljoin(page, file["url"]), headers=headers)
        response, digest = connection.getresponse(), hashlib.sha256()
        while chunk := response.read(1024 * 1024):
            digest.update(chunk)
        is_right = digest.hexdigest() == file["hashes"]["sha256"] == wheel.sha256()
        return None if is_right and response.status == 200 else f"{wheel.filename}: {response.status}, other bytes"
    finally:
        connection.close()
