"""A place to publish in: the use case on memory stores, and what of it can be seen afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import pytest

from strongroom.adapters.blobs.memory import MemoryBlobs
from strongroom.adapters.inspector.inline import InlineInspector
from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.core.access import Grant, Token
from strongroom.core.caller import Caller
from strongroom.core.errors import StrongroomError
from strongroom.core.events import Event
from strongroom.core.model import File, Index, Lease, Project, User
from strongroom.core.names import Filename, IndexName, Sha256
from strongroom.core.policies.declaration import NOTHING_DECLARED, Declaration
from strongroom.core.upload import Published, UploadForm
from strongroom.ports import Blobs, Catalog, Incoming, Inspector, Secrets, Transaction
from strongroom.services.publish import Publish
from tests.archives.wheels import Wheel
from tests.factories import MAIN, an_index
from tests.fakes import FrozenClock, SeededSecrets

T = TypeVar("T")

LIMIT_BYTES = 1_000_000
WHEEL = Wheel()
CONTENT = WHEEL.build()
OTHER_CONTENT = Wheel(files={"demo/app.py": b"other = True\n"}).build()


class WatchedBlobs(MemoryBlobs):
    """Memory blobs that remember their temporary files, and fail at `keep` when told to."""

    def __init__(self, *, keep_fails: Exception | None = None, capacity_bytes: int = 10_000_000) -> None:
        super().__init__(capacity_bytes)
        self._keep_fails = keep_fails
        self.temporary: list[Path] = []

    async def receive(self, *, is_short: bool = False) -> Incoming:
        """Open a temporary file and remember it."""
        incoming = await super().receive(is_short=is_short)
        self.temporary.append(incoming.path)
        return incoming

    async def keep(self, incoming: Incoming) -> Sha256:
        """Keep, or fail."""
        if self._keep_fails is not None:
            raise self._keep_fails
        return await super().keep(incoming)


@dataclass(frozen=True, slots=True)
class Seen:
    """All that an upload may leave behind."""

    files: tuple[File, ...]
    projects: tuple[Project, ...]
    events: tuple[Event, ...]
    leases: tuple[Lease, ...]
    blobs: int
    temporary: int


NOTHING = Seen((), (), (), (), blobs=0, temporary=0)


@dataclass(slots=True)
class Place:
    """Stores with one index, and the use case on them."""

    catalog: Catalog = field(default_factory=MemoryCatalog)
    blobs: Blobs = field(default_factory=WatchedBlobs)
    inspector: Inspector = field(default_factory=InlineInspector)
    clock: FrozenClock = field(default_factory=FrozenClock)
    limit_bytes: int = LIMIT_BYTES

    secrets: Secrets = field(default_factory=SeededSecrets)

    @property
    def publish(self) -> Publish:
        """The use case."""
        return Publish(self.catalog, self.blobs, self.inspector, self.clock, self.secrets, self.limit_bytes)

    async def prepare(self, index: Index | None = None) -> None:
        """Make an index."""
        made = index or an_index()
        await self.catalog.write(lambda tx: tx.indexes.add(made))

    async def admit(self, user: User, *grants: Grant, token: Token | None = None) -> None:
        """Make a user with grants, and perhaps a token."""

        def fill(tx: Transaction) -> None:
            tx.users.add(user)
            for grant in grants:
                tx.users.add_grant(user.name, grant)
            if token is not None:
                tx.tokens.add(token)

        await self.catalog.write(fill)

    async def see(self, index: IndexName = MAIN) -> Seen:
        """Look at everything that an upload could have changed."""

        def look(tx: Transaction) -> Seen:
            return Seen(
                files=tuple(tx.files.scan()),
                projects=tx.projects.list(index),
                events=tuple(entry.event for entry in tx.events.since(0)),
                leases=tx.leases.list(),
                blobs=stored,
                temporary=temporary,
            )

        stored = len([info async for info in self.blobs.list()])
        temporary = 0
        if isinstance(self.blobs, WatchedBlobs):
            temporary = sum(path.exists() for path in self.blobs.temporary)
        return await self.catalog.read(look)


async def upload(
    publish: Publish,
    caller: Caller,
    *,
    content: bytes = CONTENT,
    form: UploadForm | None = None,
    uploaded_at: datetime | None = None,
) -> Published:
    """Publish the content to `main`, in small pieces."""
    async with publish.begin(caller, MAIN, uploaded_at=uploaded_at) as opened:
        for start in range(0, len(content), 700):
            await opened.write(content[start : start + 700])
        return await opened.finish(form or a_form())


def play(scene: Callable[[Place], Coroutine[None, None, T]], place: Place | None = None) -> T:
    """Run the scene at a place with the index `main`."""

    async def prepared() -> T:
        stage = place or Place()
        await stage.prepare()
        return await scene(stage)

    return asyncio.run(prepared())


def refused(scene: Callable[[Place], Coroutine[None, None, object]], place: Place | None = None) -> StrongroomError:
    """Run a scene that must end in an error, check that it left nothing, and return the error."""

    async def failing(stage: Place) -> StrongroomError:
        before = await stage.see()
        with pytest.raises(StrongroomError) as caught:
            await scene(stage)
        assert await stage.see() == before
        return caught.value

    return play(failing, place)


def a_form(
    filename: str = WHEEL.filename, *, declared: Declaration = NOTHING_DECLARED, attestations: str | None = None
) -> UploadForm:
    """Make the form of the usual wheel."""
    return UploadForm(Filename(filename), declared, attestations)
