"""Room for copies of upstream files: the least used leave first, and only they."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from strongroom.adapters.blobs.memory import MemoryBlobs
from strongroom.adapters.inspector.pages import InlinePages
from strongroom.adapters.upstream.memory import MemoryUpstreams
from strongroom.core.errors import StorageFault, Unavailable
from strongroom.core.mirrored import Copy
from strongroom.core.model import Lease
from strongroom.core.names import Sha256
from strongroom.core.removals import REMOVAL_SECONDS
from strongroom.ports import Transaction
from strongroom.services.mirror.eviction import Eviction, EvictionReport
from strongroom.services.mirror.files import STILL_IN_USE, FileMirror
from strongroom.services.mirror.parts import Parts
from strongroom.services.removing import Removing
from tests.factories import a_copy, a_file, a_name_list, a_project, an_index, an_upstream_file, sha256_of
from tests.fakes import START, join
from tests.replacing import replace
from tests.services.house import House, wait
from tests.services.mirror.arriving import PlainSeals

MINUTE = timedelta(minutes=1)


class Store(House):
    """A house with copies of ten bytes each, used a minute apart, the first one first."""

    def __init__(self, copies: int = 0) -> None:
        super().__init__()
        self.blobs = MemoryBlobs()
        self.eviction = self.eviction_of(self.blobs)
        self.clock.advance(timedelta(days=1))
        self.add_index(an_index())
        for number in range(copies):
            self.add_copy(f"demo-{number}.tar.gz", f"bytes {number:4}", used=number * MINUTE)

    def eviction_of(self, blobs: MemoryBlobs, *, removal_seconds: float = REMOVAL_SECONDS) -> Eviction:
        """Return what evicts copies from these blobs, which are the catalog's from now on."""
        wait(join(self.catalog, blobs))
        return Eviction(self.catalog, self.clock, Removing(self.catalog, blobs, self.clock, removal_seconds))

    def add_copy(self, filename: str, text: str, *, used: timedelta = timedelta(0)) -> Copy:
        """Store a copy of these bytes."""
        copy = replace(
            a_copy(filename, last_used_at=START + used),
            sha256=wait(self.blobs.put(text.encode())),
            size_bytes=len(text),
        )
        self.change(lambda tx: tx.copies.save(copy))
        return copy

    def left(self) -> list[str]:
        """Return the filenames of the stored copies."""
        return sorted(copy.filename for copy in self.look(lambda tx: list(tx.copies.scan())) if copy.stored_at)


def blobs_of(store: Store) -> set[Sha256]:
    """Return all blobs."""

    async def collect() -> set[Sha256]:
        return {info.sha256 async for info in store.blobs.list()}

    return wait(collect())


def test_within_the_limit_nothing_goes() -> None:
    """Not even when it is reached exactly."""
    store = Store(3)
    assert wait(store.eviction.evict(30)) == EvictionReport(copies=0, freed_bytes=0, stored_bytes=30)
    assert len(store.left()) == len(blobs_of(store)) == 3


def test_the_least_used_go_first_and_no_more_than_needed() -> None:
    """Their rows stay, for what lies beside them."""
    store = Store(5)
    first = store.look(lambda tx: tx.copies.list_least_used(1))[0]
    sidecars = replace(first, metadata_sha256=wait(store.blobs.put(b"METADATA")), licence="MIT")
    store.change(lambda tx: tx.copies.save(sidecars))
    assert wait(store.eviction.evict(29)) == EvictionReport(copies=3, freed_bytes=30, stored_bytes=20)
    assert store.left() == ["demo-3.tar.gz", "demo-4.tar.gz"]
    left = store.look(lambda tx: tx.copies.find(first.index, first.filename))
    assert left == replace(sidecars, stored_at=None, size_bytes=0)
    assert len(blobs_of(store)) == 3
    assert sha256_of("METADATA") in blobs_of(store)
    assert store.events() == []


def test_many_go_in_several_transactions() -> None:
    """Others may write in between."""
    store = Store(250)
    mark = store.catalog.change_mark()
    assert wait(store.eviction.evict(0)).copies == 250
    assert store.left() == []
    assert blobs_of(store) == set()
    assert store.catalog.change_mark() > mark + 5


def test_what_was_used_a_moment_ago_stays() -> None:
    """Somebody may be reading it: the limit is kept by the next turn."""
    store = Store(1)
    store.add_copy("demo-9.tar.gz", "used now..", used=timedelta(days=1))
    assert wait(store.eviction.evict(0, unused_for=MINUTE)) == EvictionReport(1, 10, stored_bytes=10)
    assert store.left() == ["demo-9.tar.gz"]


def test_blobs_that_are_needed_otherwise_stay() -> None:
    """By an own file, by what lies beside one, by another copy, by a list of names, by bytes on their way."""
    store = Store()
    texts = ["own file", "own metadata", "other copy", "beside another", "names", "leased", "nobody's"]
    for number, text in enumerate(texts):
        store.add_copy(f"demo-{number}.tar.gz", text)
    file = replace(a_file(), sha256=sha256_of("own file"), metadata_sha256=sha256_of("own metadata"))
    beside = replace(a_copy("demo-8.tar.gz", is_stored=False), metadata_sha256=sha256_of("beside another"))
    kept = store.add_copy("demo-9.tar.gz", "other copy", used=timedelta(days=1))

    def change(tx: Transaction) -> None:
        tx.projects.save(a_project())
        tx.files.add(file)
        tx.copies.save(beside)
        tx.name_lists.save(a_name_list(sha256=sha256_of("names")))
        tx.leases.add(Lease("running", START + timedelta(days=9), (sha256_of("leased"),)))

    store.change(change)
    report = wait(store.eviction.evict(len("other copy")))
    assert report == EvictionReport(len(texts), freed_bytes=len("nobody's"), stored_bytes=len("other copy"))
    assert store.left() == [kept.filename]
    assert blobs_of(store) == {sha256_of(text) for text in texts if text != "nobody's"}
    assert store.look(lambda tx: tx.files.find(file.index, file.filename)) == file


def test_a_copy_whose_bytes_somebody_else_needs_makes_no_room() -> None:
    """Its row changes all the same, nothing is removed, and no removal is written down."""
    store = Store()
    copy = store.add_copy("demo-1.tar.gz", "bytes")
    names = a_name_list(sha256=copy.sha256)
    store.change(lambda tx: tx.name_lists.save(names))
    assert wait(store.eviction.evict(0)) == EvictionReport(copies=1, freed_bytes=0, stored_bytes=0)
    assert store.left() == []
    assert blobs_of(store) == {copy.sha256}
    assert store.look(lambda tx: tx.leases.list()) == ()


class WatchedBlobs(MemoryBlobs):
    """Blobs whose removal can be kept waiting or fail, and during which something may be tried."""

    def __init__(self, meanwhile: Callable[[], Awaitable[None]] | None = None) -> None:
        super().__init__()
        self.let_go = asyncio.Event()
        self.let_go.set()
        self.fails = False
        self._meanwhile = meanwhile

    async def remove(self, sha256: Sha256) -> None:
        """Let it happen, wait, then remove or fail."""
        if self._meanwhile is not None:
            await self._meanwhile()
        await self.let_go.wait()
        if self.fails:
            raise StorageFault("blob-fault", "Removing a blob failed")
        await super().remove(sha256)


def keep(tx: Transaction, sha256: Sha256) -> None:
    """Do what a fetch of these bytes does before it relies on any that are there."""
    tx.demand_not_removed((sha256,), now=START + timedelta(days=1))
    tx.leases.add(Lease(f"fetch of {sha256}", START + timedelta(days=9), (sha256,)))


def test_the_catalog_is_free_while_the_store_removes() -> None:
    """Others write meanwhile; a fetch of the same bytes is told to come back, one of other bytes is not."""

    async def meanwhile() -> None:
        async with asyncio.timeout(5):
            await store.catalog.write(lambda tx: keep(tx, sha256_of("other bytes")))
            with pytest.raises(Unavailable) as raised:
                await store.catalog.write(lambda tx: keep(tx, copy.sha256))
        codes.append(raised.value.code)

    codes: list[str] = []
    store = Store()
    store.blobs = WatchedBlobs(meanwhile)
    copy = store.add_copy("demo-1.tar.gz", "bytes")
    report = wait(store.eviction_of(store.blobs).evict(0))
    assert report == EvictionReport(copies=1, freed_bytes=5, stored_bytes=0)
    assert codes == ["being-removed"]
    assert blobs_of(store) == set()
    (lease,) = store.look(lambda tx: tx.leases.list())
    assert lease.sha256 == (sha256_of("other bytes"),)
    store.change(lambda tx: keep(tx, copy.sha256))


def test_a_removal_that_takes_too_long_is_broken_off_and_stays_written_down() -> None:
    """Nobody relies on the blob before it expires; the sweep will remove it."""

    async def scene() -> None:
        with pytest.raises(Unavailable, match="remove"):
            await eviction.evict(0)
        blobs.let_go.set()
        await asyncio.sleep(0.01)

    store, blobs = Store(), WatchedBlobs()
    blobs.let_go = asyncio.Event()
    store.blobs = blobs
    copy = store.add_copy("demo-1.tar.gz", "bytes")
    eviction = store.eviction_of(blobs, removal_seconds=0.05)
    wait(scene())
    assert blobs_of(store) == {copy.sha256}
    assert store.left() == []
    with pytest.raises(Unavailable, match="being removed"):
        store.change(lambda tx: keep(tx, copy.sha256))


def test_a_removal_that_fails_stays_written_down_too() -> None:
    """Who knows what the store has done: until it expires, nobody relies on these bytes."""
    store, blobs = Store(), WatchedBlobs()
    blobs.fails = True
    store.blobs = blobs
    copies = [store.add_copy(f"demo-{number}.tar.gz", f"bytes {number}") for number in range(2)]
    with pytest.raises(StorageFault):
        wait(store.eviction_of(blobs).evict(0))
    (removal,) = store.look(lambda tx: tx.leases.list_removals())
    assert set(removal.sha256) == {copy.sha256 for copy in copies}


def test_what_a_process_has_given_out_counts_as_used() -> None:
    """Its memory of uses is written down first, and what may be read still is spared."""
    store = Store(3)
    remover = Removing(store.catalog, store.blobs, store.clock)
    parts = Parts(
        store.catalog,
        store.blobs,
        MemoryUpstreams(),
        PlainSeals(),
        store.clock,
        store.secrets,
        remover,
        InlinePages(),
    )
    mirror = FileMirror(parts)
    first = replace(an_upstream_file("demo-0.tar.gz"), sha256=sha256_of("bytes    0"))

    async def scene() -> None:
        assert await mirror.find_copy(first) is not None
        assert (await mirror.make_room(0)).copies == 2

    wait(scene())
    assert store.left() == ["demo-0.tar.gz"]
    store.clock.advance(STILL_IN_USE)
    assert wait(mirror.make_room(0)).copies == 1
    assert store.left() == []
