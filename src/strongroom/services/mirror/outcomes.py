"""Counts what comes of asking upstreams: an `UpstreamClient` around another.

Decides which outcome an answer is, and changes none. A file that breaks off on its way
counts as found: its headers came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

from strongroom.core.errors import UpstreamFault, UpstreamTimeout
from strongroom.core.names import ProjectName
from strongroom.ports import Body, Missing, Origin, PageBody, Part, Unchanged, UpstreamClient

T = TypeVar("T")


class CountingClient:
    """`ports.UpstreamClient` that hands on, and counts outcomes in `counts`."""

    def __init__(self, client: UpstreamClient) -> None:
        self._client = client
        self.counts: Counter[str] = Counter()
        """found, unchanged, missing, timeout, failed."""

    async def get_page(
        self, origin: Origin, project: ProjectName, *, etag: str | None
    ) -> PageBody | Unchanged | Missing:
        """Fetch a project's page."""
        async with self._counted(_waited(self._client.get_page(origin, project, etag=etag))) as answer:
            return answer

    def open_list(self, origin: Origin, *, etag: str | None) -> AbstractAsyncContextManager[Body | Unchanged | Missing]:
        """Open the project list."""
        return self._counted(self._client.open_list(origin, etag=etag))

    def open_file(self, origin: Origin, url: str) -> AbstractAsyncContextManager[Body | Missing]:
        """Open a file."""
        return self._counted(self._client.open_file(origin, url))

    async def get_small(self, origin: Origin, url: str, *, limit_bytes: int) -> bytes | Missing:
        """Fetch something small whole."""
        async with self._counted(_waited(self._client.get_small(origin, url, limit_bytes=limit_bytes))) as answer:
            return answer

    async def get_part(self, origin: Origin, url: str, *, start: int, length: int) -> Part | None:
        """Fetch a byte range."""
        async with self._counted(_waited(self._client.get_part(origin, url, start=start, length=length))) as answer:
            return answer

    async def close(self) -> None:
        """Close the client inside."""
        await self._client.close()

    @asynccontextmanager
    async def _counted(self, opening: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
        has_answered = False
        try:
            async with opening as answer:
                has_answered = True
                self.counts[_outcome(answer)] += 1
                yield answer
        except UpstreamFault as fault:
            if not has_answered:
                self.counts["timeout" if isinstance(fault, UpstreamTimeout) else "failed"] += 1
            raise


@asynccontextmanager
async def _waited(coming: Awaitable[T]) -> AsyncIterator[T]:
    yield await coming


def _outcome(answer: object) -> str:
    match answer:
        case Missing():
            return "missing"
        case Unchanged():
            return "unchanged"
        case _:
            return "found"
