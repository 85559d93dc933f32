"""The client that a server starts with: it costs nothing until the first upstream is asked.

aiohttp takes half a second to load, and a start must not. Also the client of a server
that is offline, which never asks anybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from strongroom.adapters.upstream import faults
from strongroom.adapters.upstream.guard import Network
from strongroom.core.names import ProjectName
from strongroom.ports import Body, Missing, Origin, PageBody, Part, Unchanged, UpstreamClient

if TYPE_CHECKING:
    from strongroom.adapters.upstream.client import AiohttpClient


class LateClient:
    """`ports.UpstreamClient` that loads the real one when it is first needed."""

    def __init__(self, *, networks: tuple[Network, ...], seconds: float, is_offline: bool = False) -> None:
        """Remember how the client is to be made; offline, it never is."""
        self._networks = networks
        self._seconds = seconds
        self._is_offline = is_offline
        self._client: AiohttpClient | None = None

    async def get_page(
        self, origin: Origin, project: ProjectName, *, etag: str | None
    ) -> PageBody | Unchanged | Missing:
        """Fetch a project's page."""
        return await (await self._get()).get_page(origin, project, etag=etag)

    @asynccontextmanager
    async def open_list(self, origin: Origin, *, etag: str | None) -> AsyncIterator[Body | Unchanged | Missing]:
        """Open the project list."""
        async with (await self._get()).open_list(origin, etag=etag) as answer:
            yield answer

    @asynccontextmanager
    async def open_file(self, origin: Origin, url: str) -> AsyncIterator[Body | Missing]:
        """Open a file."""
        async with (await self._get()).open_file(origin, url) as answer:
            yield answer

    async def get_small(self, origin: Origin, url: str, *, limit_bytes: int) -> bytes | Missing:
        """Fetch something small whole."""
        return await (await self._get()).get_small(origin, url, limit_bytes=limit_bytes)

    async def get_part(self, origin: Origin, url: str, *, start: int, length: int) -> Part | None:
        """Fetch a byte range."""
        return await (await self._get()).get_part(origin, url, start=start, length=length)

    async def close(self) -> None:
        """Close what was opened."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _get(self) -> UpstreamClient:
        if self._is_offline:
            raise faults.offline()
        if self._client is None:
            client_class = await asyncio.to_thread(_load)
            self._client = self._client or client_class(networks=self._networks, seconds=self._seconds)
        return self._client


def _load() -> type[AiohttpClient]:
    from strongroom.adapters.upstream.client import AiohttpClient

    return AiohttpClient
