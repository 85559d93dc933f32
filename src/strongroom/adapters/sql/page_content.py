"""What stands on an upstream's page, as one compressed value: some pages have forty thousand files.

Decides the stored form: JSON arrays in a fixed order, compressed. A field that comes
later is added at the end, with a default, so that older values can still be read.
"""

from __future__ import annotations

import sys
from datetime import datetime

import msgspec
from packaging.version import Version

from strongroom.core.mirrored import Skipped, UpstreamFile, UpstreamPage
from strongroom.core.model import PackageType, ProjectStatus, Yank
from strongroom.core.names import Filename, IndexName, ProjectName, Sha256

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_ZSTD_LEVEL = 1


class _File(msgspec.Struct, array_like=True, frozen=True):
    """A file without what its page says already; `yank_reason` is as in the table of files."""

    filename: Filename
    version: str
    package_type: PackageType
    python_tag: str
    url: str
    sha256: Sha256
    first_seen_at: datetime
    size_bytes: int | None
    uploaded_at: datetime | None
    requires_python: str | None
    yank_reason: str | None
    has_upstream_metadata: bool
    metadata_sha256: Sha256 | None
    provenance_url: str | None
    vanished_at: datetime | None


class PageContent(msgspec.Struct, array_like=True, frozen=True):
    """What `UpstreamPage` says beyond the columns of its row."""

    status: ProjectStatus
    status_reason: str | None
    files: tuple[_File, ...]
    skipped: tuple[tuple[str, str], ...]

    def files_of(self, index: IndexName, project: ProjectName) -> tuple[UpstreamFile, ...]:
        """Return the files of the page."""
        versions = {raw: Version(raw) for raw in {file.version for file in self.files}}
        return tuple(_restore(file, index, project=project, version=versions[file.version]) for file in self.files)

    @property
    def skipped_lines(self) -> tuple[Skipped, ...]:
        """Return the lines that are not offered."""
        return tuple(Skipped(filename, reason) for filename, reason in self.skipped)


def encode_content(page: UpstreamPage) -> bytes:
    """Return the stored form; the files have the page's own index and project."""
    content = PageContent(
        status=page.status,
        status_reason=page.status_reason,
        files=tuple(map(_strip, page.files)),
        skipped=tuple((line.filename, line.reason) for line in page.skipped),
    )
    return zstd.compress(msgspec.json.encode(content), _ZSTD_LEVEL)


def decode_content(stored: bytes) -> PageContent:
    """Return what `encode_content` was given."""
    return msgspec.json.decode(zstd.decompress(stored), type=PageContent)


def _strip(file: UpstreamFile) -> _File:
    return _File(
        filename=file.filename,
        version=str(file.version),
        package_type=file.package_type,
        python_tag=file.python_tag,
        url=file.url,
        sha256=file.sha256,
        first_seen_at=file.first_seen_at,
        size_bytes=file.size_bytes,
        uploaded_at=file.uploaded_at,
        requires_python=file.requires_python,
        yank_reason=None if file.yank is None else file.yank.reason,
        has_upstream_metadata=file.has_upstream_metadata,
        metadata_sha256=file.metadata_sha256,
        provenance_url=file.provenance_url,
        vanished_at=file.vanished_at,
    )


def _restore(file: _File, index: IndexName, *, project: ProjectName, version: Version) -> UpstreamFile:
    return UpstreamFile(
        index=index,
        project=project,
        filename=file.filename,
        version=version,
        package_type=file.package_type,
        python_tag=file.python_tag,
        url=file.url,
        sha256=file.sha256,
        first_seen_at=file.first_seen_at,
        size_bytes=file.size_bytes,
        uploaded_at=file.uploaded_at,
        requires_python=file.requires_python,
        yank=None if file.yank_reason is None else Yank(file.yank_reason),
        has_upstream_metadata=file.has_upstream_metadata,
        metadata_sha256=file.metadata_sha256,
        provenance_url=file.provenance_url,
        vanished_at=file.vanished_at,
    )
