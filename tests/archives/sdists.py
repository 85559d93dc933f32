"""Sdists to order: valid by default, and each part can be replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from strongroom.core.names import Filename
from tests.archives.tars import TarEntry, build_tar_gz
from tests.archives.wheels import MODULE, metadata_of
from tests.archives.zips import ZipEntry, build_zip


@dataclass(frozen=True, slots=True)
class Sdist:
    """An sdist. A value of None in `files` leaves that file out; paths are below the top directory."""

    name: str = "demo"
    version: str = "1.0"
    files: Mapping[str, bytes | None] = field(default_factory=dict)
    metadata: bytes | None = None
    ending: str = ".tar.gz"

    @property
    def filename(self) -> Filename:
        """The filename; whether it is a good one is the caller's business."""
        return Filename(f"{self.name}-{self.version}{self.ending}")

    @property
    def top(self) -> str:
        """The top directory."""
        return f"{self.name}-{self.version}"

    def contents(self) -> dict[str, bytes]:
        """Return all files by their whole path."""
        told = self.metadata if self.metadata is not None else metadata_of(self.name, self.version)
        wanted: dict[str, bytes | None] = {
            "PKG-INFO": told,
            "pyproject.toml": b"[project]\n",
            "src/demo.py": MODULE,
            **self.files,
        }
        return {f"{self.top}/{path}": data for path, data in wanted.items() if data is not None}

    def entries(self) -> list[TarEntry]:
        """Return the files as entries of a tar archive."""
        return [TarEntry(path, data) for path, data in self.contents().items()]

    def build(self) -> bytes:
        """Return the sdist."""
        if self.ending == ".zip":
            return build_zip([ZipEntry(path, data) for path, data in self.contents().items()])
        return build_tar_gz(self.entries())
