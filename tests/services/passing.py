"""`main` over `public`, whose upstream is a dictionary, and everything that reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta

from strongroom.adapters.blobs.memory import MemoryBlobs
from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.core.access import ProjectTarget
from strongroom.core.explanation import Explanation
from strongroom.core.model import File, Index
from strongroom.core.names import Filename, parse_index_name
from strongroom.core.reservations import Reservation
from strongroom.core.rules import Rules
from strongroom.ports import Transaction
from strongroom.services.browse import Browse
from strongroom.services.download import Download
from strongroom.services.explain import Explain
from tests.factories import (
    DEMO,
    MAIN,
    OPERATOR,
    a_mirror,
    a_project,
    an_index,
    an_upstream_file,
)
from tests.fake_mirror import FakeAsked, FakeMirror
from tests.fakes import START, FrozenClock

TARGET = ProjectTarget(MAIN, DEMO)
PUBLIC = parse_index_name("public")
OLD = an_upstream_file("demo-1.0-py3-none-any.whl")
YOUNG = an_upstream_file("demo-2.0-py3-none-any.whl", uploaded_at=START - timedelta(hours=1))
COOLDOWN = Rules(cooldown=timedelta(days=3))


@dataclass
class Place:
    """`main` over `public`, whose upstream is a dictionary, and everything that reads them."""

    catalog: MemoryCatalog
    mirror: FakeMirror
    asked: FakeAsked
    clock: FrozenClock
    browse: Browse
    download: Download
    explainer: Explain

    async def add(self, change: Callable[[Transaction], object]) -> None:
        """Change the catalog."""
        await self.catalog.write(change)

    async def own(self, file: File) -> None:
        """Give an index a file of its own."""

        def fill(tx: Transaction) -> None:
            tx.projects.save(a_project(file.project, index=file.index, serial=3))
            tx.files.add(file)

        await self.add(fill)

    async def hold(self, reservation: Reservation) -> None:
        """Let an index hold a name."""
        await self.add(lambda tx: tx.reservations.save(reservation))

    async def page(self, target: ProjectTarget = TARGET) -> list[Filename]:
        """Return the names of the files that the page shows."""
        return [file.filename for file in (await self.browse.get_project_page(target)).files]

    async def explain(self, target: ProjectTarget = TARGET) -> Explanation:
        """Explain as whoever runs the server."""
        return await self.explainer.explain(OPERATOR, target)


def play(scene: Callable[[Place], Coroutine[None, None, None]], *indexes: Index, rules: Rules = COOLDOWN) -> None:
    """Run the scene on `main` over `public`, with more indexes."""

    async def prepared() -> None:
        catalog, mirror, asked, clock, blobs = MemoryCatalog(), FakeMirror(), FakeAsked(), FrozenClock(), MemoryBlobs()
        browse = Browse(catalog, blobs, mirror, asked, clock)
        download = Download(catalog, blobs, mirror, clock)
        place = Place(catalog, mirror, asked, clock, browse, download, Explain(catalog, mirror, clock))
        for index in (a_mirror(rules=rules), an_index(bases=("public",)), *indexes):
            await place.add(lambda tx, index=index: tx.indexes.add(index))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        await scene(place)

    asyncio.run(prepared())
