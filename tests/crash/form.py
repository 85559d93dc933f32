"""The multipart body that twine sends, split around the file's bytes so that a large file need not be held."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from tests.crash.wheel import Wheel

_BOUNDARY = "a1b2c3d4e5f60718293a4b5c6d7e8f90"


@dataclass(frozen=True, slots=True)
class UploadForm:
    """Everything of an upload request's body but the file's bytes, which go between head and tail."""

    content_type: str
    head: bytes
    tail: bytes


def twine_form(project: str, version: str, *, filename: str, sha256: str) -> UploadForm:
    """Return the form of a wheel in twine's order of parts."""
    fields = {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.1",
        "name": project,
        "version": version,
        "filetype": "bdist_wheel",
        "pyversion": "py3",
        "sha256_digest": sha256,
    }
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    content = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="content"; filename="{filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return UploadForm(
        content_type=f"multipart/form-data; boundary={_BOUNDARY}",
        head="".join([*parts, content]).encode(),
        tail=f"\r\n--{_BOUNDARY}--\r\n".encode(),
    )


def wheel_body(wheel: Wheel, sha256: str | None = None) -> tuple[str, bytes]:
    """Return content type and whole body for a wheel in memory."""
    form = twine_form(wheel.project, wheel.version, filename=wheel.filename, sha256=sha256 or wheel.sha256)
    return form.content_type, form.head + wheel.content + form.tail


def basic_auth(token: str, *, user: str = "__token__") -> str:
    """Return the Authorization header that pip and twine send for a token."""
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()
