"""A mirror index, its upstream in memory, and what the parts of the mirror work with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from strongroom.adapters.blobs.memory import MemoryBlobs
from strongroom.adapters.inspector.pages import InlinePages
from strongroom.adapters.upstream.memory import MemoryUpstreams
from strongroom.adapters.upstream.site import Site, SiteFile
from strongroom.core.mirrored import UpstreamPage
from strongroom.core.model import Index
from strongroom.core.names import ProjectName
from strongroom.services.mirror.pages import PageMirror
from strongroom.services.mirror.parts import Parts
from strongroom.services.removing import Removing
from tests.factories import DEMO, a_mirror
from tests.replacing import replace
from tests.services.house import House

T = TypeVar("T")


class PlainSeals:
    """Seals that anybody can open."""

    def seal(self, text: str) -> bytes:
        """Return the text as bytes."""
        return text.encode()

    def unseal(self, sealed: bytes) -> str:
        """Return the bytes as text."""
        return sealed.decode()


class Town:
    """A house whose index `public` has an upstream with one release of one project."""

    def __init__(self, *sites: Site) -> None:
        self.house = House()
        self.client = MemoryUpstreams(*sites)
        self.blobs = MemoryBlobs()
        self.public = self.house.add_index(a_mirror())
        remover = Removing(self.house.catalog, self.blobs, self.house.clock)
        self.parts = Parts(
            self.house.catalog,
            self.blobs,
            self.client,
            PlainSeals(),
            self.house.clock,
            self.house.secrets,
            remover,
            InlinePages(),
        )
        self.add_file("demo-1.0-py3-none-any.whl")

    @property
    def site(self) -> Site:
        """Return the upstream."""
        return self.client.site

    def add_file(self, filename: str, *, project: ProjectName = DEMO) -> str:
        """Let the upstream have a file; return its URL."""
        return self.site.add(SiteFile(project, filename, content=f"the bytes of {filename}".encode()))

    def offline(self) -> Index:
        """Return the index as one that is never to ask."""
        upstream = self.public.upstream
        assert upstream is not None
        return replace(self.public, upstream=replace(upstream, is_offline=True))

    def pass_time(self, seconds: float) -> datetime:
        """Let time pass, and return what time it is."""
        self.house.clock.advance(timedelta(seconds=seconds))
        return self.house.clock.now()

    def stored(self, project: ProjectName = DEMO) -> UpstreamPage | None:
        """Return the page that the catalog holds."""
        return self.house.look(lambda tx: tx.upstream_pages.find(self.public.name, project))


def at_mirror(town: Town, scene: Callable[[PageMirror], Coroutine[Any, Any, T]]) -> T:
    """Run a scene with one process's pages, and end that process."""

    async def run() -> T:
        pages = PageMirror(town.parts)
        try:
            return await asyncio.wait_for(scene(pages), 10)
        finally:
            await pages.close()

    return asyncio.run(run())
