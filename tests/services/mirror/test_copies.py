"""Rows about copies, and how they are written: together, in order, and never half."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import pytest

from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.core.errors import Conflict, StorageFault, Unavailable
from strongroom.core.mirrored import Copy
from strongroom.core.model import Lease
from strongroom.core.names import Sha256
from strongroom.ports import Transaction
from strongroom.services.mirror import copies as copies_module
from strongroom.services.mirror.copies import Keeping, KeptCopies
from strongroom.services.mirror.writes import Writes
from tests.factories import a_copy, an_upstream_file, sha256_of
from tests.fakes import START
from tests.replacing import replace
from tests.services.house import wait
from tests.services.mirror.arriving import WHEEL, Passage, begin, settle

T = TypeVar("T")
LATER = START + timedelta(days=1)


class SlowCatalog(MemoryCatalog):
    """A catalog whose transactions take longer than a test twice waits, and may be refused."""

    def __init__(self) -> None:
        super().__init__()
        self.transactions = 0
        self.refuses: Exception | None = None

    async def write(self, fn: Callable[[Transaction], T]) -> T:
        """Write, after others had a turn."""
        self.transactions += 1
        await settle()
        await settle()
        await settle()
        if self.refuses is not None:
            raise self.refuses
        return await super().write(fn)


def add_lease(name: str, at: datetime = LATER) -> Callable[[Transaction], str]:
    """Return a change that adds a lease, and returns its name."""

    def change(tx: Transaction) -> str:
        tx.leases.add(Lease(name, at))
        return name

    return change


async def lease_names(catalog: MemoryCatalog) -> list[str]:
    """Return the names of all leases, in the order in which they were added."""
    return [lease.lease_id for lease in await catalog.read(lambda tx: tx.leases.list())]


def test_changes_that_come_at_once_share_transactions() -> None:
    """Five hundred: the first goes alone, then as many as may at once; each gets its own result."""

    async def scene() -> None:
        catalog = SlowCatalog()
        writes = Writes(catalog)
        names = [f"{number:03}" for number in range(500)]
        first = begin(writes.write(add_lease("first")))
        await settle()
        assert await asyncio.gather(*[writes.write(add_lease(name)) for name in names]) == names
        assert await first == "first"
        assert sorted(await lease_names(catalog)) == [*names, "first"]
        assert catalog.transactions == 4

    wait(scene())


def test_only_the_culprit_fails() -> None:
    """The others' changes are made, though the transaction that they shared was rolled back."""

    def fail(tx: Transaction) -> None:
        raise Conflict("conflict", "No")

    async def scene() -> None:
        catalog = SlowCatalog()
        writes = Writes(catalog)
        given = [begin(writes.write(change)) for change in (add_lease("a"), fail, add_lease("b"))]
        results = await asyncio.gather(*given, return_exceptions=True)
        assert [results[0], results[2]] == ["a", "b"]
        assert isinstance(results[1], Conflict)
        assert await lease_names(catalog) == ["a", "b"]

    wait(scene())


def test_a_catalog_that_does_not_answer_is_not_asked_for_each() -> None:
    """It would take its time for each of them."""

    async def scene() -> None:
        catalog = SlowCatalog()
        catalog.refuses = Unavailable("catalog-busy", "Busy")
        writes = Writes(catalog)
        given = [begin(writes.write(add_lease(name))) for name in "abc"]
        results = await asyncio.gather(*given, return_exceptions=True)
        assert all(isinstance(result, Unavailable) for result in results)
        assert catalog.transactions == 1

    wait(scene())


@pytest.mark.parametrize("catalog_is", ["well", "busy"])
def test_a_change_is_made_though_its_giver_left(catalog_is: str) -> None:
    """So what he gives next, to take it back, comes after it."""

    async def scene() -> None:
        catalog = SlowCatalog()
        writes = Writes(catalog)
        leaving = begin(writes.write(add_lease("a")))
        await settle()
        leaving.cancel()
        await settle()
        catalog.refuses = Unavailable("catalog-busy", "Busy") if catalog_is == "busy" else None
        await writes.close()
        assert leaving.cancelled()
        assert await lease_names(catalog) == (["a"] if catalog_is == "well" else [])

    wait(scene())


def test_whoever_waits_is_released_when_the_loop_ends() -> None:
    """Nobody hangs, and later changes are made all the same."""

    async def scene() -> None:
        catalog = SlowCatalog()
        writes = Writes(catalog)
        waiting = begin(writes.write(add_lease("a")))
        await settle()
        (work,) = [task for task in asyncio.all_tasks() if "Writes._run" in str(task.get_coro())]
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await writes.write(add_lease("b")) == "b"
        assert await lease_names(catalog) == ["b"]

    wait(scene())


def make_copies(passage: Passage) -> tuple[KeptCopies, Writes]:
    """Make the rows' keeper on the passage's stores."""
    writes = Writes(passage.catalog)
    return KeptCopies(passage.parts, writes), writes


def keeping(passage: Passage, content: bytes, *, named: str) -> Keeping:
    """Say that these bytes are to be kept as METADATA, under the digest of that text."""
    sha256 = sha256_of(named)
    return Keeping(sha256, lambda: passage.blobs.put(content), lambda copy: replace(copy, metadata_sha256=sha256))


def test_a_row_of_other_bytes_does_not_count_and_is_replaced() -> None:
    """The upstream was exchanged: nothing of the old file goes into the new one's row."""

    async def scene() -> None:
        passage = Passage()
        copies, _ = make_copies(passage)
        old = replace(a_copy(WHEEL, sha256=sha256_of("old")), licence="MIT", provenance_sha256=sha256_of("p"))
        await passage.catalog.write(lambda tx: tx.copies.save(old))
        file = an_upstream_file(WHEEL)
        assert await copies.find(file) is None
        await copies.keep(file, keeping(passage, b"METADATA", named="METADATA"))
        new = Copy(file.index, file.project, file.filename, file.sha256, metadata_sha256=sha256_of("METADATA"))
        assert await passage.copies() == (new,)
        await passage.assert_tidy()

    wait(scene())


def test_a_store_that_keeps_other_bytes_changes_no_row() -> None:
    """Its digest is compared once more."""

    async def scene() -> None:
        passage = Passage()
        copies, _ = make_copies(passage)
        with pytest.raises(StorageFault, match="other bytes"):
            await copies.keep(an_upstream_file(WHEEL), keeping(passage, b"other", named="METADATA"))
        assert await passage.copies() == ()
        await passage.assert_tidy()

    wait(scene())


def test_a_lease_that_cannot_be_removed_is_left_to_expire(caplog: pytest.LogCaptureFixture) -> None:
    """The first fault is the one that is raised."""

    async def scene() -> None:
        passage = Passage()
        copies, _ = make_copies(passage)

        async def store() -> Sha256:
            await passage.catalog.close()
            raise StorageFault("blob-fault", "The disk is broken")

        wanted = Keeping(sha256_of("METADATA"), store, lambda copy: copy)
        with pytest.raises(StorageFault, match="broken"):
            await copies.keep(an_upstream_file(WHEEL), wanted)

    wait(scene())
    assert caplog.messages == ["a lease is left to expire"]


def test_several_things_are_shown_before_they_are_written() -> None:
    """Each as long as it is on its way, and no longer where that fails."""

    async def scene() -> None:
        passage = Passage()
        copies, _ = make_copies(passage)
        file = an_upstream_file(WHEEL)
        metadata = keeping(passage, b"METADATA", named="METADATA")
        provenance = Keeping(
            sha256_of("other"),
            lambda: passage.blobs.put(b"provenance"),
            lambda copy: replace(copy, provenance_sha256=sha256_of("provenance")),
        )
        copies.expect(file, metadata)
        copies.expect(file, provenance)
        shown = await copies.find(file)
        assert shown is not None
        assert (shown.metadata_sha256, shown.provenance_sha256) == (sha256_of("METADATA"), sha256_of("provenance"))
        with pytest.raises(StorageFault):
            await copies.keep(file, provenance)
        await copies.keep(file, metadata)
        assert (await copies.find(file),) == await passage.copies()
        assert (await passage.copies())[0].provenance_sha256 is None

    wait(scene())


def test_times_of_last_use_are_written_together_and_kept_until_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only stored bytes are used; there is a bound on how many are remembered."""
    monkeypatch.setattr(copies_module, "_MOST_USES", 2)

    async def scene() -> None:
        passage = Passage()
        names = ["demo-1.tar.gz", "demo-2.tar.gz", "demo-3.tar.gz"]
        for name in names:
            await passage.catalog.write(partial(save, copy=a_copy(name)))
        catalog = passage.catalog
        copies, writes = make_copies(passage)
        await copies.flush_uses()
        mark = catalog.change_mark()
        passage.clock.advance(timedelta(hours=1))
        for name in (*names, names[0]):
            await copies.find(an_upstream_file(name))
        writes.write = refuse  # type: ignore[method-assign]  # the catalog is busy
        with pytest.raises(Unavailable):
            await copies.flush_uses()
        del writes.write
        await copies.flush_uses()
        await copies.flush_uses()
        assert catalog.change_mark() == mark + 1
        now = passage.clock.now()
        assert [copy.last_used_at for copy in await passage.copies()] == [now, now, None]

    wait(scene())


def save(tx: Transaction, copy: Copy) -> None:
    """Store the row."""
    tx.copies.save(copy)


async def refuse(fn: Callable[[Transaction], T]) -> T:
    """Be busy."""
    raise Unavailable("catalog-busy", "The catalog is busy")
