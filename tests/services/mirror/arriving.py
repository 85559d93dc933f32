"""A mirror's file side to test: memory stores, an upstream in memory, and a look at what stays behind."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from strongroom.adapters.blobs.memory import MemoryBlobs
from strongroom.adapters.inspector.pages import InlinePages
from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.adapters.upstream.memory import MemoryUpstreams
from strongroom.core.mirrored import Copy, UpstreamFile
from strongroom.core.model import Lease
from strongroom.core.names import Sha256
from strongroom.ports import Arriving, Blobs, Incoming, Transaction
from strongroom.services.mirror.files import FileMirror
from strongroom.services.mirror.parts import Parts
from strongroom.services.removing import Removing
from tests.archives.wheels import Wheel, metadata_of
from tests.factories import a_mirror, an_upstream_file
from tests.fakes import FrozenClock, SeededSecrets
from tests.replacing import replace

T = TypeVar("T")

INDEX = a_mirror()
WHEEL = "demo-1.0-py3-none-any.whl"
SDIST = "demo-1.0.tar.gz"
METADATA = metadata_of("demo", "1.0", "License-Expression: mit", "X-Odd: \u00fc\r")
LONG = bytes(range(256)) * 4096 * 3
"""Three megabytes: more than stays in memory while it arrives."""


class WatchedBlobs(MemoryBlobs):
    """Memory blobs that remember their temporary files, and fail or wait at `keep` when told to."""

    def __init__(self, *, capacity_bytes: int = 100_000_000) -> None:
        super().__init__(capacity_bytes)
        self.keep_fails: Exception | None = None
        self.keep_gate: asyncio.Event | None = None
        self.receive_gate: asyncio.Event | None = None
        self.temporary: list[Path] = []
        self.short: list[bool] = []

    async def receive(self, *, is_short: bool = False) -> Incoming:
        """Open a temporary file and remember it."""
        if self.receive_gate is not None:
            await self.receive_gate.wait()
        incoming = await super().receive(is_short=is_short)
        self.temporary.append(incoming.path)
        self.short.append(is_short)
        return incoming

    async def keep(self, incoming: Incoming) -> Sha256:
        """Keep, or fail."""
        if self.keep_gate is not None:
            await self.keep_gate.wait()
        if self.keep_fails is not None:
            raise self.keep_fails
        return await super().keep(incoming)

    def digests(self) -> set[Sha256]:
        """Return what is stored."""
        return set(self._blobs)


class PlainSeals:
    """Seals that hide nothing."""

    def seal(self, text: str) -> bytes:
        """Return the text as bytes."""
        return text.encode()

    def unseal(self, sealed: bytes) -> str:
        """Return the bytes as text."""
        return sealed.decode()


class Passage:
    """A mirror of one upstream, on memory stores. Made and used within one event loop."""

    def __init__(
        self,
        *,
        capacity_bytes: int = 100_000_000,
        limit_bytes: int = 10_000_000,
        store: Blobs | None = None,
        client: MemoryUpstreams | None = None,
    ) -> None:
        self.clock = FrozenClock()
        self.catalog = MemoryCatalog()
        self.blobs = WatchedBlobs(capacity_bytes=capacity_bytes)
        self.client = client or MemoryUpstreams()
        store = store or self.blobs
        remover = Removing(self.catalog, store, self.clock)
        self.parts = Parts(
            self.catalog,
            store,
            self.client,
            PlainSeals(),
            self.clock,
            SeededSecrets(),
            remover,
            InlinePages(),
        )
        self.mirror = FileMirror(self.parts, limit_bytes=limit_bytes)

    def restarted(self) -> Passage:
        """Return it with a new mirror on the same stores."""
        self.mirror = FileMirror(self.parts)
        return self

    def offer(self, filename: str, content: bytes, *, promised: bytes | None = None) -> UpstreamFile:
        """Put the bytes on the upstream, and return the file as its page promises it."""
        promised = content if promised is None else promised
        url = f"https://files.upstream.example/{filename}"
        self.client.site.bytes_instead[url] = content
        return replace(an_upstream_file(filename, sha256=digest_of(promised), url=url), size_bytes=len(promised))

    async def arriving(self, file: UpstreamFile) -> Arriving:
        """Open a file that is not here yet."""
        opened = await self.mirror.open_file(INDEX, file)
        assert not isinstance(opened, Copy)
        return opened

    async def fetch(self, file: UpstreamFile) -> Copy:
        """Open a file, and wait until it is stored."""
        opened = await self.mirror.open_file(INDEX, file)
        return opened if isinstance(opened, Copy) else await opened.stored()

    async def look(self, fn: Callable[[Transaction], T]) -> T:
        """Read the catalog."""
        return await self.catalog.read(fn)

    async def copies(self) -> tuple[Copy, ...]:
        """Return all rows about copies."""
        return await self.look(lambda tx: tuple(tx.copies.scan()))

    async def leases(self) -> tuple[Lease, ...]:
        """Return all leases."""
        return await self.look(lambda tx: tx.leases.list())

    async def assert_tidy(self) -> None:
        """Neither a lease nor a temporary file is left."""
        assert await self.leases() == ()
        assert not [path for path in self.blobs.temporary if path.exists()]

    async def assert_nothing_stored(self) -> None:
        """No bytes, no row, nothing left behind."""
        assert self.blobs.digests() == set()
        assert await self.copies() == ()
        await self.assert_tidy()


def digest_of(content: bytes) -> Sha256:
    """Return the digest of the bytes."""
    return Sha256(hashlib.sha256(content).hexdigest())


async def read_all(arriving: Arriving) -> bytes:
    """Follow a file to its end."""
    return b"".join([chunk async for chunk in arriving.chunks()])


# Any: what a task returns that is only waited for.
def begin(work: Awaitable[Any]) -> asyncio.Task[Any]:
    """Do the work beside the test, and let it come as far as it can."""

    async def run() -> object:
        return await work

    return asyncio.create_task(run())


async def settle() -> None:
    """Let all that can run have its turn."""
    for _ in range(20):
        await asyncio.sleep(0)


def offer_wheel(passage: Passage, *, relayed: bytes | None = None, promised: bytes | None = None) -> UpstreamFile:
    """Offer a wheel; with `promised`, its page advertises METADATA of that digest, and `relayed` is what comes."""
    file = passage.offer(WHEEL, Wheel(metadata=METADATA).build())
    if relayed is not None:
        passage.client.site.bytes_instead[f"{file.url}.metadata"] = relayed
    if promised is not None:
        file = replace(file, has_upstream_metadata=True, metadata_sha256=digest_of(promised))
    return file


def kinds(passage: Passage) -> list[str]:
    """Return what the upstream was asked for, in order."""
    return [asked.kind for asked in passage.client.asked]
