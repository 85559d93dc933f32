"""Wheels to order: valid by default, and each part can be replaced."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from strongroom.core.names import Filename
from tests.archives.zips import ZipEntry, build_zip

MODULE = b"def main() -> None:\n    print('hello')\n"
WHEEL = b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def metadata_of(name: str, version: str, *lines: str, metadata_version: str = "2.4") -> bytes:
    """Return core metadata with further header lines."""
    head = (f"Metadata-Version: {metadata_version}", f"Name: {name}", f"Version: {version}", *lines)
    return "\n".join((*head, "", "A description.", "")).encode()


def record_line(path: str, data: bytes, *, algorithm: str = "sha256") -> str:
    """Return the line of RECORD for a file."""
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).rstrip(b"=").decode()
    quoted = f'"{path}"' if "," in path else path
    return f"{quoted},{algorithm}={digest},{len(data)}\n"


def same(text: str) -> str:
    """Return RECORD as it should be."""
    return text


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel. A value of None in `files` leaves that file out; `record` rewrites RECORD's text."""

    name: str = "demo"
    version: str = "1.0"
    tag: str = "py3-none-any"
    files: Mapping[str, bytes | None] = field(default_factory=dict)
    metadata: bytes | None = None
    dist_info: str | None = None
    record: Callable[[str], str] = same

    @property
    def filename(self) -> Filename:
        """The filename; whether it is a good one is the caller's business."""
        return Filename(f"{self.name.replace('-', '_')}-{self.version}-{self.tag}.whl")

    @property
    def directory(self) -> str:
        """The `.dist-info` directory."""
        return self.dist_info or f"{self.name.replace('-', '_')}-{self.version}.dist-info"

    def contents(self) -> dict[str, bytes]:
        """Return all files with RECORD as the last."""
        told = self.metadata if self.metadata is not None else metadata_of(self.name, self.version)
        wanted: dict[str, bytes | None] = {
            "demo/__init__.py": b"",
            "demo/app.py": MODULE,
            f"{self.directory}/METADATA": told,
            f"{self.directory}/WHEEL": WHEEL,
            **self.files,
        }
        files = {path: data for path, data in wanted.items() if data is not None}
        listing = "".join(record_line(path, data) for path, data in files.items() if not path.endswith("/"))
        own = f"{self.directory}/RECORD"
        if own not in self.files:
            files[own] = self.record(f"{listing}{own},,\n").encode("utf-8", "surrogateescape")
        return files

    def entries(self) -> list[ZipEntry]:
        """Return the files as entries of a ZIP file."""
        return [ZipEntry(path, data) for path, data in self.contents().items()]

    def build(self) -> bytes:
        """Return the wheel."""
        return build_zip(self.entries())
