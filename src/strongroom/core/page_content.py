"""What stands on an upstream's page, as one compressed value: some pages have forty thousand files.

Decides the stored form: JSON with the names of the fields, compressed. So a field that
comes later needs a default, and one that is renamed needs a migration.
"""

from __future__ import annotations

import sys
from functools import lru_cache

import msgspec
from packaging.version import Version

from strongroom.core.mirrored import Skipped, UpstreamFile, UpstreamPage
from strongroom.core.model import ProjectStatus

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_ZSTD_LEVEL = 1
_MOST_VERSIONS = 16_384


class PageContent(msgspec.Struct, frozen=True):
    """What `UpstreamPage` says beyond the columns of its row."""

    status: ProjectStatus
    status_reason: str | None
    files: tuple[UpstreamFile, ...]
    skipped: tuple[Skipped, ...]


def encode_content(page: UpstreamPage) -> bytes:
    """Return the stored form of what stands on the page."""
    fields = page.status, page.status_reason, page.files, page.skipped
    if page.packed is not None and page.packed.made_of == fields:
        return page.packed.content
    content = PageContent(*fields)
    return zstd.compress(msgspec.json.encode(content, enc_hook=_VersionWriter()), _ZSTD_LEVEL)


def decode_content(stored: bytes) -> PageContent:
    """Return what `encode_content` was given."""
    return _DECODER.decode(zstd.decompress(stored))


class _VersionWriter:
    """Writes each version once: the files of a release share one, and its text is slow to make."""

    def __init__(self) -> None:
        self._written: dict[int, str] = {}

    def __call__(self, value: object) -> str:
        """Versions are the only values that msgspec does not know by itself."""
        written = self._written.get(id(value))
        if written is None:
            if not isinstance(value, Version):
                raise TypeError(f"a page holds no {type(value).__name__}")
            written = self._written[id(value)] = str(value)
        return written


@lru_cache(_MOST_VERSIONS)
def _read_version(_: type, raw: str) -> Version:
    """Read a version once, since the wheels of a release share theirs."""
    return Version(raw)


_DECODER = msgspec.json.Decoder(PageContent, dec_hook=_read_version)
