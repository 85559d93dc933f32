"""Upstreams without a network: `ports.UpstreamClient` on sites in memory, for tests of all above it.

It counts each request, and can be down, slow, held, or give what it must not give
(the switches of `Site`). It knows nothing of redirects and addresses.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from strongroom.adapters.upstream import faults
from strongroom.adapters.upstream.site import Held, Site, etag_of
from strongroom.core.names import ProjectName
from strongroom.ports import Body, Missing, Origin, PageBody, Part, Unchanged

_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was made: `kind` is page, list, file, small or part."""

    kind: str
    url: str
    username: str | None = None


class MemoryUpstreams:
    """`ports.UpstreamClient` on any number of sites.

    `asked` is every request, in order. `is_down`: none answers. `delay_seconds` come before
    each answer and each chunk of a file. `gate`, if set, is waited for before each answer,
    `chunk_gate` after the first chunk of each file, so that a test can look at the middle.
    """

    def __init__(self, *sites: Site) -> None:
        """Serve these sites; without any, an empty one at `https://upstream.example/simple/`."""
        self.sites = {site.url: site for site in sites or (Site(),)}
        self.asked: list[Asked] = []
        self.is_down = False
        self.is_timing_out = False
        self.delay_seconds = 0.0
        self.gate: asyncio.Event | None = None
        self.chunk_gate: asyncio.Event | None = None

    @property
    def site(self) -> Site:
        """Return the first site."""
        return next(iter(self.sites.values()))

    def count(self, kind: str | None = None, *, containing: str = "") -> int:
        """Return how many requests of this kind were made for URLs that contain the text."""
        return sum(1 for item in self.asked if kind in (None, item.kind) and containing in item.url)

    async def get_page(
        self, origin: Origin, project: ProjectName, *, etag: str | None
    ) -> PageBody | Unchanged | Missing:
        """Return the site's page of the project."""
        url = f"{origin.url}{project}/"
        await self._ask("page", origin, url=url)
        site = self.sites.get(origin.url)
        page = site.find_page(project) if site else None
        if site is None or page is None:
            return Missing()
        current = etag_of(page.content) if site.has_etags else None
        if etag is not None and etag == current:
            return Unchanged()
        return PageBody(page.content, page.content_type, url, current)

    @asynccontextmanager
    async def open_list(self, origin: Origin, *, etag: str | None) -> AsyncIterator[Body | Unchanged | Missing]:
        """Give the site's list of projects."""
        await self._ask("list", origin, url=origin.url)
        site = self.sites.get(origin.url)
        if site is None:
            yield Missing()
            return
        page = site.render_list()
        current = etag_of(page.content) if site.has_etags else None
        if etag is not None and etag == current:
            yield Unchanged()
            return
        yield _MemoryBody(self, page.content, url=origin.url, content_type=page.content_type, etag=current)

    @asynccontextmanager
    async def open_file(self, origin: Origin, url: str) -> AsyncIterator[Body | Missing]:
        """Give the file's bytes, cut short if the site says so."""
        await self._ask("file", origin, url=url)
        site, held = self._find(url)
        if site is None or held is None:
            yield Missing()
            return
        yield _MemoryBody(self, held.content, url=url, etag=held.etag if site.has_etags else None)

    async def get_small(self, origin: Origin, url: str, *, limit_bytes: int) -> bytes | Missing:
        """Return the bytes under the URL."""
        await self._ask("small", origin, url=url)
        site, held = self._find(url)
        if site is None or held is None:
            return Missing()
        content = held.content
        if len(content) > limit_bytes:
            raise faults.too_large(site.host, limit_bytes)
        if url in site.cut_after:
            raise faults.cut(site.host, site.cut_after[url], announced_bytes=len(content))
        return content

    async def get_part(self, origin: Origin, url: str, *, start: int, length: int) -> Part | None:
        """Return the range; None where the site has no ranges or no such thing."""
        await self._ask("part", origin, url=url)
        site, held = self._find(url)
        if site is None or held is None or not site.has_ranges:
            return None
        content = held.content
        first = max(len(content) + start, 0) if start < 0 else start
        part = content[first : first + length]
        return Part(part, first, len(content)) if part else None

    async def close(self) -> None:
        """Do nothing: nothing is open."""

    def find_site(self, url: str) -> Site | None:
        """Return the site that has something under this URL."""
        return self._find(url)[0]

    async def wait(self) -> None:
        """Let the delay pass."""
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)

    async def _ask(self, kind: str, origin: Origin, *, url: str) -> None:
        self.asked.append(Asked(kind, url, origin.username))
        if self.gate is not None:
            await self.gate.wait()
        await self.wait()
        host = url.split("/")[2]
        if self.is_timing_out:
            raise faults.timed_out(host, "sent nothing in time")
        if self.is_down:
            raise faults.unreachable(host, "it is down")

    def _find(self, url: str) -> tuple[Site | None, Held | None]:
        for site in self.sites.values():
            held = site.find(url)
            if held is not None:
                return site, held
        return None, None


class _MemoryBody:
    """`ports.Body` of bytes in memory."""

    def __init__(
        self,
        client: MemoryUpstreams,
        content: bytes,
        *,
        url: str,
        content_type: str = "application/octet-stream",
        etag: str | None = None,
    ) -> None:
        self._client = client
        self._content = content
        self.url = url
        self.content_type = content_type
        self.etag = etag

    @property
    def size_bytes(self) -> int | None:
        site = self._client.find_site(self.url)
        return None if site is not None and not site.has_lengths else len(self._content)

    async def chunks(self) -> AsyncIterator[bytes]:
        site = self._client.find_site(self.url)
        ends = site.cut_after.get(self.url, len(self._content)) if site else len(self._content)
        for offset in range(0, ends, _CHUNK_BYTES):
            yield self._content[offset : min(offset + _CHUNK_BYTES, ends)]
            await self._client.wait()
            if self._client.chunk_gate is not None:
                await self._client.chunk_gate.wait()
        if site is not None and ends < len(self._content):
            raise faults.cut(site.host, ends, announced_bytes=len(self._content))
