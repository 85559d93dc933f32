"""The smallest wheels that an index accepts, made in memory: thousands a second."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from dataclasses import dataclass

_EPOCH = (2020, 2, 2, 0, 0, 0)
WHEEL_FILE = b"Wheel-Version: 1.0\nGenerator: strongroom-proof\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel and what an index must say about it."""

    project: str
    version: str
    filename: str
    content: bytes
    sha256: str
    metadata_sha256: str


def make_wheel(project: str, version: str, *, payload: bytes = b"") -> Wheel:
    """Make a pure wheel of one module; the payload is stored, so it sets the size."""
    module = project.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n".encode()
    members = {
        f"{module}.py": f'VERSION = "{version}"\n'.encode(),
        f"{module}_data.bin": payload,
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": WHEEL_FILE,
    }
    rows = {path: (hashlib.sha256(data).digest(), len(data)) for path, data in members.items()}
    members[f"{info}/RECORD"] = render_record(rows, info)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in members.items():
            archive.writestr(member(path), data)
    content = buffer.getvalue()
    return Wheel(
        project=project,
        version=version,
        filename=f"{module}-{version}-py3-none-any.whl",
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        metadata_sha256=hashlib.sha256(metadata).hexdigest(),
    )


def member(path: str) -> zipfile.ZipInfo:
    """Return the entry of a stored, ordinary file."""
    info = zipfile.ZipInfo(path, _EPOCH)
    info.external_attr = 0o100644 << 16
    return info


def render_record(rows: dict[str, tuple[bytes, int]], info: str) -> bytes:
    """Return RECORD for digests and sizes."""
    lines = [
        f"{path},sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()},{size_bytes}\n"
        for path, (digest, size_bytes) in rows.items()
    ]
    return "".join([*lines, f"{info}/RECORD,,\n"]).encode()
