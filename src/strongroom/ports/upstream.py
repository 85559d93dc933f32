"""Another server's simple API, over the network: what is asked of it and how it answers.

The adapter keeps to public addresses and to the networks that the settings allow, at
each connection and each redirect (OWASP's SSRF advice), bounds the time and the size
of each answer, and sends credentials to the upstream's own origin only. It does not
understand what it fetches: `core/simpleapi/parse.py` reads pages.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from strongroom.core.mirrored import UpstreamPage
from strongroom.core.names import IndexName, ProjectName


@dataclass(frozen=True, slots=True)
class Origin:
    """An upstream's address, with a slash at its end, and the credentials for it."""

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class PageBody:
    """A page as it came: decoded from its transfer coding, its URL after all redirects."""

    content: bytes
    content_type: str
    url: str
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The upstream says that its ETag still holds (304)."""


@dataclass(frozen=True, slots=True)
class Missing:
    """The upstream has no such thing (404, 410)."""


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `start` to `start + len(content)` of something that has `total_bytes` in all."""

    content: bytes
    start: int
    total_bytes: int


class PageReader(Protocol):
    """Reads pages: `core/simpleapi/parse.py`, where it keeps nobody waiting."""

    async def read(self, body: PageBody, *, index: IndexName, project: ProjectName, now: datetime) -> UpstreamPage:
        """Return what the page says; raises `UpstreamFault` for what is no project page."""
        ...

    async def close(self) -> None: ...


class Body(Protocol):
    """A body that arrives. `size_bytes` is the announced length, None where none is announced."""

    @property
    def size_bytes(self) -> int | None: ...
    @property
    def url(self) -> str: ...
    @property
    def content_type(self) -> str: ...
    @property
    def etag(self) -> str | None: ...
    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the bytes; raises `UpstreamFault` when they end before the announced length."""
        ...


class UpstreamClient(Protocol):
    """The network towards upstreams. All methods raise `UpstreamFault` or `UpstreamTimeout`."""

    async def get_page(
        self, origin: Origin, project: ProjectName, *, etag: str | None
    ) -> PageBody | Unchanged | Missing:
        """Fetch a project's page, JSON preferred."""
        ...

    def open_list(self, origin: Origin, *, etag: str | None) -> AbstractAsyncContextManager[Body | Unchanged | Missing]:
        """Open the project list, tens of megabytes."""
        ...

    def open_file(self, origin: Origin, url: str) -> AbstractAsyncContextManager[Body | Missing]:
        """Open a file; `url` may lie on another host than the upstream."""
        ...

    async def get_small(self, origin: Origin, url: str, *, limit_bytes: int) -> bytes | Missing:
        """Fetch something small whole: METADATA, provenance."""
        ...

    async def get_part(self, origin: Origin, url: str, *, start: int, length: int) -> Part | None:
        """Fetch a byte range; a negative start counts from the end. None where the upstream has no ranges."""
        ...

    async def close(self) -> None: ...
