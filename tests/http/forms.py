"""The request bodies of the six uploaders, as they were recorded (clients.md 6.2), and malformed ones."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

_OCTETS = "application/octet-stream"
_CLASSIFIERS = [f"Private :: Classifier :: {number}" for number in range(120)]
_REQUIREMENTS = [f"dependency-{number}>={number}" for number in range(180)]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body."""

    name: str
    value: bytes
    filename: str | None = None
    content_type: str | None = None

    def render(self) -> bytes:
        """Return headers and value."""
        disposition = f'Content-Disposition: form-data; name="{self.name}"'
        if self.filename is not None:
            disposition += f'; filename="{self.filename}"'
        kind = "" if self.content_type is None else f"Content-Type: {self.content_type}\r\n"
        return f"{disposition}\r\n{kind}\r\n".encode() + self.value + b"\r\n"


@dataclass(frozen=True, slots=True)
class Body:
    """A request body and its Content-Type."""

    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Upload:
    """A distribution as an uploader knows it."""

    name: str
    version: str
    filename: str
    content: bytes
    attestations: str | None = None

    @property
    def filetype(self) -> str:
        """The form's filetype."""
        return "bdist_wheel" if self.filename.endswith(".whl") else "sdist"

    def digests(self, *kinds: str) -> list[Part]:
        """Return the digest fields."""
        values = {
            "md5": hashlib.md5(self.content).hexdigest(),
            "sha256": hashlib.sha256(self.content).hexdigest(),
            "blake2_256": hashlib.blake2b(self.content, digest_size=32).hexdigest(),
        }
        return [text(f"{kind}_digest", values[kind]) for kind in kinds]

    def identity(self, *, metadata_version: str = "2.4") -> list[Part]:
        """Return the fields that all of them send."""
        return [
            text(":action", "file_upload"),
            text("protocol_version", "1"),
            text("metadata_version", metadata_version),
            text("name", self.name),
            text("version", self.version),
            text("filetype", self.filetype),
        ]

    def file(self, content_type: str | None = _OCTETS) -> Part:
        """Return the file part."""
        return Part("content", self.content, self.filename, content_type)


def text(name: str, value: str) -> Part:
    """Make a field."""
    return Part(name, value.encode())


def build(parts: list[Part], boundary: str = "0123456789abcdef0123456789abcdef") -> Body:
    """Put the parts together."""
    delimiter = f"--{boundary}\r\n".encode()
    content = b"".join(delimiter + part.render() for part in parts) + f"--{boundary}--\r\n".encode()
    return Body(f"multipart/form-data; boundary={boundary}", content)


def twine(upload: Upload) -> Body:
    """Send twine 7: hundreds of repeated parts, the safe name, a signature, attestations."""
    parts = [
        *upload.identity(),
        text("pyversion", "py3" if upload.filetype == "bdist_wheel" else "source"),
        text("summary", "Zoë's package"),
        text("description", "word " * 50_000),
        *(text("classifiers", classifier) for classifier in _CLASSIFIERS),
        *(text("requires_dist", requirement) for requirement in _REQUIREMENTS),
        *upload.digests("sha256", "blake2_256"),
        text("comment", ""),
        Part("gpg_signature", b"-----BEGIN PGP SIGNATURE-----", f"{upload.filename}.asc"),
    ]
    if upload.attestations is not None:
        parts.append(text("attestations", upload.attestations))
    return build([*parts, upload.file()])


def uv(upload: Upload) -> Body:
    """Send uv: no Content-Type on the file, attestations behind it, a boundary of 67 characters."""
    parts = [
        *upload.identity(),
        text("pyversion", "py3" if upload.filetype == "bdist_wheel" else "source"),
        text("requires_python", ""),
        text("import_names", "demo"),
        text("import_namespaces", ""),
        *upload.digests("sha256", "blake2_256"),
        upload.file(content_type=None),
    ]
    if upload.attestations is not None:
        parts.append(text("attestations", upload.attestations))
    return build(parts, boundary="a1b2c3d4e5f60718-293a4b5c6d7e8f90-a1b2c3d4e5f60718-293a4b5c6d7e8f90")


def poetry(upload: Upload) -> Body:
    """Send poetry: three digests, md5 in hexadecimal."""
    parts = [*upload.identity(), text("pyversion", "source"), *upload.digests("md5", "sha256", "blake2_256")]
    return build([*parts, text("import_names", "demo"), upload.file()])


def pdm(upload: Upload) -> Body:
    """Send pdm: parts of length 0, a misspelt field, md5, a signature."""
    empty = [text(name, "") for name in ("license", "author", "comment", "home_page", "requires_python")]
    signature = Part("gpg_signature", b"signature", f"{upload.filename}.asc", _OCTETS)
    parts = [
        *upload.identity(),
        *empty,
        text("provides_extras", "test"),
        *upload.digests("md5", "sha256", "blake2_256"),
    ]
    return build([*parts, signature, upload.file()])


def hatch(upload: Upload) -> Body:
    """Send hatch: the description first, a field of a wrong name."""
    parts = [text("description", "# Demo\n"), text("import_name", "demo"), *upload.identity()]
    return build([*parts, *upload.digests("md5", "sha256", "blake2_256"), upload.file()])


def flit(upload: Upload) -> Body:
    """Send flit: another metadata version than the archive's, no pyversion, no Content-Type on the file."""
    digest = base64.urlsafe_b64encode(hashlib.md5(upload.content).digest()).rstrip(b"=").decode()
    parts = [upload.file(content_type=None), *upload.identity(metadata_version="2.3"), text("md5_digest", digest)]
    return build([*parts, *upload.digests("sha256")])


CLIENTS: dict[str, Callable[[Upload], Body]] = {
    "twine 7.0.0": twine,
    "uv 0.13.9": uv,
    "poetry 2.5.1": poetry,
    "pdm 2.29.3": pdm,
    "hatch 1.18.2": hatch,
    "flit 4.2.0": flit,
}
