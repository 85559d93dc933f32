"""A mirror whose upstreams are dictionaries, and a counter of names that were asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from strongroom.adapters.inspector.pages import InlinePages
from strongroom.adapters.upstream.memory import MemoryUpstreams
from strongroom.core.access import not_found
from strongroom.core.errors import UpstreamFault
from strongroom.core.mirrored import Copy, UpstreamFile, UpstreamPage
from strongroom.core.model import Index
from strongroom.core.names import Filename, IndexName, ProjectName
from strongroom.ports import Blobs, Catalog, Clock, Secrets
from strongroom.services.mirror.asked import AskedCounter
from strongroom.services.mirror.mirror import Mirroring, Passage
from strongroom.services.mirror.name_lists import NameLists
from strongroom.services.mirror.names import UpstreamNames
from strongroom.services.mirror.parts import Parts
from strongroom.services.removing import Removing
from tests.fakes import START, FakeSeals


@dataclass(slots=True)
class FakeArriving:
    """A file on its way: pieces that are given out as soon as `released` allows, and a fault at its end."""

    pieces: list[bytes]
    size_bytes: int | None
    copy: Copy
    fault: UpstreamFault | None = None
    released: asyncio.Event = field(default_factory=asyncio.Event)
    readers: int = 0

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield all pieces but the last; the last one once it is released."""
        self.readers += 1
        try:
            for piece in self.pieces[:-1]:
                yield piece
            await self.verified()
            yield self.pieces[-1]
        finally:
            self.readers -= 1

    async def verified(self) -> None:
        """Wait until it is released."""
        await self.released.wait()
        if self.fault is not None:
            raise self.fault

    async def stored(self) -> Copy:
        """Return the copy once it is released."""
        await self.verified()
        return self.copy


class FakeMirror:
    """`ports.Mirror` on dictionaries. `asked` lists each page that was asked for; `fault` is raised instead of it."""

    def __init__(self) -> None:
        """Know nothing."""
        self.pages: dict[tuple[IndexName, ProjectName], UpstreamPage] = {}
        self.copies: dict[tuple[IndexName, Filename], Copy] = {}
        self.arriving: dict[Filename, FakeArriving] = {}
        self.metadata: dict[Filename, bytes] = {}
        self.provenance: dict[Filename, bytes] = {}
        self.asked: list[tuple[IndexName, ProjectName]] = []
        self.fault: UpstreamFault | None = None

    def add_page(self, page: UpstreamPage) -> UpstreamPage:
        """Let an upstream have the page."""
        self.pages[page.index, page.project] = page
        return page

    async def get_page(self, index: Index, project: ProjectName, *, may_be_stale: bool = False) -> UpstreamPage:
        """Return the page, or a missing one."""
        self.asked.append((index.name, project))
        if self.fault is not None:
            raise self.fault
        missing = UpstreamPage(index.name, project, fetched_at=START, is_missing=True)
        return self.pages.get((index.name, project), missing)

    async def get_page_with(self, index: Index, project: ProjectName, *, filename: Filename) -> UpstreamPage:
        """Return the page."""
        return await self.get_page(index, project)

    async def find_copy(self, file: UpstreamFile) -> Copy | None:
        """Return the copy."""
        return self.copies.get((file.index, file.filename))

    async def open_file(self, index: Index, file: UpstreamFile) -> Copy | FakeArriving:
        """Return the file on its way, or the stored copy."""
        copy = self.copies.get((file.index, file.filename))
        return copy if copy is not None and copy.stored_at is not None else self.arriving[file.filename]

    async def get_metadata(self, index: Index, file: UpstreamFile) -> bytes:
        """Return METADATA."""
        if file.filename not in self.metadata:
            raise not_found()
        return self.metadata[file.filename]

    async def get_provenance(self, index: Index, file: UpstreamFile) -> bytes:
        """Return the provenance."""
        if file.filename not in self.provenance:
            raise not_found()
        return self.provenance[file.filename]


class FakeAsked:
    """`ports.AskedFor` as a list."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self.names: list[tuple[IndexName, ProjectName]] = []

    def note(self, index: IndexName, project: ProjectName) -> None:
        """Remember the name."""
        self.names.append((index, project))


def a_passage(catalog: Catalog, blobs: Blobs, *, clock: Clock, secrets: Secrets) -> Passage:
    """Make what deals with upstreams, of which there is none."""
    parts = Parts(
        catalog,
        blobs,
        MemoryUpstreams(),
        FakeSeals(),
        clock,
        secrets,
        Removing(catalog, blobs, clock),
        InlinePages(),
    )
    return Passage(
        parts=parts,
        mirror=Mirroring.of(parts),
        names=UpstreamNames(catalog, blobs),
        lists=NameLists(parts),
        asked=AskedCounter(catalog, clock),
    )
