"""The sweep: what nobody needs goes, and nothing else, whoever comes in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from strongroom.core.access import Right
from strongroom.core.caller import Caller
from strongroom.core.errors import Forbidden, StorageFault, StrongroomError, Unauthenticated, Unavailable
from strongroom.core.events import Uploaded
from strongroom.core.mirrored import Copy, NameList
from strongroom.core.model import File, Lease
from strongroom.core.names import Sha256
from strongroom.core.removals import REMOVAL_LIFETIME
from strongroom.ports import BlobInfo, Transaction
from strongroom.services import removing as removing_module
from strongroom.services import sweep as sweep_module
from strongroom.services.sweep import Sweep, SweepReport
from tests.factories import (
    NOBODY,
    OPERATOR,
    a_caller,
    a_copy,
    a_file,
    a_grant,
    a_name_list,
    a_project,
    sha256_of,
)
from tests.services.house import wait
from tests.services.stored import DAY, SDIST, DamagedBlobs, StoredHouse

T = TypeVar("T")


def test_the_sweep_leaves_what_is_kept_of_upstreams() -> None:
    """Only when the row is gone do the bytes go."""
    house = StoredHouse()
    copy = house.add_copy(SDIST, metadata="Name: demo", provenance="{}")
    names = a_name_list(sha256=house.put("demo\n"))
    house.change(lambda tx: tx.name_lists.save(names))
    blobs = (copy.sha256, sha256_of("Name: demo"), sha256_of("{}"), names.sha256)
    assert wait(house.sweep.sweep(OPERATOR)).blobs == 0
    assert all(map(house.blobs.has, blobs))
    house.change(lambda tx: tx.copies.remove(copy.index, copy.filename))
    house.change(lambda tx: tx.name_lists.remove(names.index))
    assert wait(house.sweep.sweep(OPERATOR)).blobs == 4
    assert not any(map(house.blobs.has, blobs))


def test_the_sweep_removes_only_what_nobody_needs() -> None:
    """Files and their sidecars stay; temporary files are purged; nothing is recorded."""
    house = StoredHouse()
    kept = house.add_file(SDIST, metadata="Name: demo", provenance="{}")
    orphans = [house.put("orphan"), house.put("another")]
    report = wait(house.sweep.sweep(OPERATOR))
    assert report == SweepReport(blobs=2, freed_bytes=len("orphananother"), leases=0, incoming=3, is_dry_run=False)
    assert not any(map(house.blobs.has, orphans))
    assert all(map(house.blobs.has, (kept.sha256, sha256_of("Name: demo"), sha256_of("{}"))))
    assert house.incoming.asked == [house.clock.now() - DAY]
    assert wait(house.upkeep.verify(OPERATOR)).faults == ()
    assert wait(house.sweep.sweep(OPERATOR)).blobs == 0
    assert house.events() == []


def test_an_impatient_sweep_leaves_uploads_in_flight_alone() -> None:
    """Their blobs are leased, but nothing names their temporary files: those keep their day."""
    house = StoredHouse()
    orphan = house.put("orphan")
    report = wait(house.sweep.sweep(OPERATOR, grace=timedelta(0)))
    assert report.blobs == 1
    assert not house.blobs.has(orphan)
    wait(house.sweep.sweep(OPERATOR, grace=3 * DAY))
    assert house.incoming.asked == [house.clock.now() - DAY, house.clock.now() - 3 * DAY]


def test_a_dry_run_removes_nothing() -> None:
    """It only says what would go."""
    house = StoredHouse()
    orphan = house.put("orphan")
    house.change(lambda tx: tx.leases.add(Lease("old", house.clock.now() - 2 * DAY)))
    report = wait(house.sweep.sweep(OPERATOR, dry_run=True))
    assert report == SweepReport(blobs=1, freed_bytes=6, leases=1, incoming=0, is_dry_run=True)
    assert house.blobs.has(orphan)
    assert len(house.look(lambda tx: tx.leases.list())) == 1
    assert house.incoming.asked == []


def test_young_bytes_stay() -> None:
    """They may belong to an upload that has not committed yet."""
    house = StoredHouse()
    orphan = house.put("orphan")
    assert wait(house.sweep.sweep(OPERATOR, grace=2 * DAY)).blobs == 0
    assert house.blobs.has(orphan)


def test_leased_bytes_stay_and_old_leases_go() -> None:
    """A lease that ended within the grace period still counts."""
    house = StoredHouse()
    now = house.clock.now()
    running, ended = house.put("running"), house.put("ended")
    house.change(lambda tx: tx.leases.add(Lease("running", now + DAY, (running,))))
    house.change(lambda tx: tx.leases.add(Lease("ended", now - timedelta(hours=1), (ended,))))
    house.change(lambda tx: tx.leases.add(Lease("old", now - 2 * DAY)))
    report = wait(house.sweep.sweep(OPERATOR))
    assert (report.blobs, report.leases) == (0, 1)
    assert house.blobs.has(running)
    assert house.blobs.has(ended)
    assert {lease.lease_id for lease in house.look(lambda tx: tx.leases.list())} == {"running", "ended"}


def uploaded(file: File) -> Uploaded:
    """Return the event of the file's upload."""
    return Uploaded(
        index=file.index,
        project=file.project,
        version=str(file.version),
        filename=file.filename,
        sha256=file.sha256,
        size_bytes=file.size_bytes,
    )


class SlowBlobs(DamagedBlobs):
    """Blobs whose listing takes so long that something happens meanwhile."""

    def __init__(self, house: StoredHouse, meanwhile: Lease | File | Copy | NameList) -> None:
        super().__init__()
        self._house = house
        self._meanwhile = meanwhile

    async def list(self) -> AsyncIterator[BlobInfo]:
        """List, then let an upload happen."""
        infos: list[BlobInfo] = [info async for info in super().list()]
        for info in infos:
            yield info
        await self._house.catalog.write(self._happen)

    def _happen(self, tx: Transaction) -> None:
        match self._meanwhile:
            case Lease():
                tx.leases.add(self._meanwhile)
            case Copy():
                tx.copies.save(self._meanwhile)
            case NameList():
                tx.name_lists.save(self._meanwhile)
            case File():
                tx.projects.save(a_project())
                tx.files.add(self._meanwhile)
                tx.events.append(uploaded(self._meanwhile), at=self._house.clock.now(), actor=OPERATOR.actor)


@pytest.mark.parametrize(
    "meanwhile",
    [
        Lease("new", datetime(2999, 1, 1, tzinfo=UTC), (sha256_of("orphan"),)),
        replace(a_file(SDIST), sha256=sha256_of("orphan")),
        replace(a_file(SDIST), metadata_sha256=sha256_of("orphan")),
        a_copy(SDIST, sha256=sha256_of("orphan")),
        replace(a_copy(SDIST, is_stored=False), metadata_sha256=sha256_of("orphan")),
        a_name_list(sha256=sha256_of("orphan")),
    ],
    ids=["leased", "published", "a sidecar", "copied", "a copy's sidecar", "a list of names"],
)
def test_bytes_that_come_into_use_during_the_sweep_stay(meanwhile: Lease | File | Copy | NameList) -> None:
    """An upload of the same bytes that comes in between wins: what it relies on is looked at again."""
    house = StoredHouse()
    blobs = SlowBlobs(house, meanwhile)
    orphan = wait(blobs.put(b"orphan"))
    report = wait(house.sweep_of(blobs).sweep(OPERATOR))
    assert report.blobs == 0
    assert blobs.has(orphan)


@pytest.mark.parametrize(
    ("caller", "error"), [(NOBODY, Unauthenticated), (a_caller("bob", a_grant(Right.MANAGE)), Forbidden)]
)
def test_only_administrators_do_it(caller: Caller, error: type[StrongroomError]) -> None:
    """It may take bytes of any index."""
    house = StoredHouse()
    orphan = house.put("orphan")
    with pytest.raises(error):
        wait(house.sweep.sweep(caller))
    assert house.blobs.has(orphan)


class WatchedBlobs(DamagedBlobs):
    """Blobs whose removal can be watched, kept waiting and made to fail."""

    def __init__(self, house: StoredHouse) -> None:
        super().__init__()
        self._house = house
        self.seen: list[tuple[Lease, ...]] = []
        self.let_go = asyncio.Event()
        self.let_go.set()
        self.fails = False

    async def remove(self, sha256: Sha256) -> None:
        """Look at the leases first, as an upload would."""
        self.seen.append(await self._house.catalog.read(lambda tx: tx.leases.list_removals()))
        await self.let_go.wait()
        if self.fails:
            raise StorageFault("blob-fault", "Removing a blob failed")
        await super().remove(sha256)


def keep(house: StoredHouse, text: str) -> None:
    """Do what an upload of these bytes does before it relies on any that are there."""
    wanted = (sha256_of(text),)

    def change(tx: Transaction) -> None:
        tx.demand_not_removed(wanted, now=house.clock.now())
        tx.leases.add(Lease(f"upload of {text}", house.clock.now() + DAY, wanted))

    house.change(change)


def test_a_removal_is_written_down_before_it_begins_and_ended_after_it() -> None:
    """While it runs, an upload of the same bytes is told to come back; one of others is not."""
    house = StoredHouse()
    blobs = WatchedBlobs(house)
    wait(blobs.put(b"orphan"))
    assert wait(house.sweep_of(blobs).sweep(OPERATOR)).blobs == 1
    ((removal,),) = blobs.seen
    assert removal.sha256 == (sha256_of("orphan"),)
    assert house.look(lambda tx: tx.leases.list()) == ()
    house.change(lambda tx: tx.leases.add(removal))
    with pytest.raises(Unavailable) as raised:
        keep(house, "orphan")
    assert raised.value.code == "being-removed"
    keep(house, "other")
    house.clock.advance(REMOVAL_LIFETIME)
    keep(house, "orphan")


def test_a_removal_that_takes_too_long_is_broken_off_and_stays_written_down() -> None:
    """A request may still be on its way to the store: until the removal expires, nobody relies on the blob."""

    async def scene() -> None:
        with pytest.raises(Unavailable, match="remove"):
            await sweep.sweep(OPERATOR)
        blobs.let_go.set()
        await asyncio.sleep(0.01)

    house = StoredHouse()
    blobs = WatchedBlobs(house)
    blobs.let_go = asyncio.Event()
    orphan = wait(blobs.put(b"orphan"))
    sweep = house.sweep_of(blobs, removal_seconds=0.05)
    wait(scene())
    assert blobs.has(orphan)
    with pytest.raises(Unavailable):
        keep(house, "orphan")


def test_a_removal_that_fails_stays_written_down_too() -> None:
    """Who knows what the store has done; the others that were asked for at the same time have ended."""
    house = StoredHouse()
    blobs = WatchedBlobs(house)
    blobs.fails = True
    for text in ("orphan", "another"):
        wait(blobs.put(text.encode()))
    with pytest.raises(StorageFault):
        wait(house.sweep_of(blobs).sweep(OPERATOR))
    assert len(blobs.seen) == 2
    for text in ("orphan", "another"):
        with pytest.raises(Unavailable):
            keep(house, text)


def test_the_bytes_of_another_sweeps_removal_are_left_to_it() -> None:
    """Until it has expired by the whole grace: then its process has died, and this sweep takes both."""
    house = StoredHouse()
    orphan = house.put("orphan")
    house.change(lambda tx: tx.leases.add(Lease("removal:dead", house.clock.now() + REMOVAL_LIFETIME, (orphan,))))
    assert wait(house.sweep.sweep(OPERATOR)).blobs == 0
    assert house.blobs.has(orphan)
    house.clock.advance(REMOVAL_LIFETIME + DAY + timedelta(seconds=1))
    report = wait(house.sweep.sweep(OPERATOR))
    assert (report.blobs, report.leases) == (1, 1)
    assert not house.blobs.has(orphan)


@pytest.mark.parametrize(("candidates", "window"), [(500, 20_000), (1, 1), (2, 3), (3, 2), (7, 7)])
def test_many_bytes_are_swept_in_small_portions(
    monkeypatch: pytest.MonkeyPatch, *, candidates: int, window: int
) -> None:
    """However few fit into a portion and into the window of what is needed, all the right ones go."""
    monkeypatch.setattr(sweep_module, "_CANDIDATES", candidates)
    monkeypatch.setattr(sweep_module, "_WINDOW", window)
    monkeypatch.setattr(removing_module, "_AT_ONCE", 2)
    house = StoredHouse()
    kept = [house.add_file(f"demo-{number}.tar.gz", metadata=f"Name: {number}").sha256 for number in range(9)]
    kept += [house.add_copy(f"other-{number}.tar.gz", metadata=f"Name: {number}").sha256 for number in range(9)]
    names = a_name_list(sha256=house.put("demo\n"))
    house.change(lambda tx: tx.name_lists.save(names))
    orphans = [house.put(f"orphan {number}") for number in range(23)]
    dry = wait(house.sweep.sweep(OPERATOR, dry_run=True))
    assert all(map(house.blobs.has, orphans))
    report = wait(house.sweep.sweep(OPERATOR))
    assert (report.blobs, dry.blobs) == (23, 23)
    assert report.freed_bytes == dry.freed_bytes == sum(len(f"orphan {number}") for number in range(23))
    assert not any(map(house.blobs.has, orphans))
    assert all(map(house.blobs.has, (*kept, names.sha256, *(sha256_of(f"Name: {number}") for number in range(9)))))
    assert house.look(lambda tx: tx.leases.list()) == ()


def test_a_store_that_lists_in_any_order_is_swept_as_well() -> None:
    """The order only saves work."""

    class Backwards(DamagedBlobs):
        async def list(self) -> AsyncIterator[BlobInfo]:
            """List in the opposite order."""
            for info in reversed([info async for info in super().list()]):
                yield info

    house = StoredHouse()
    house.blobs = Backwards()
    sweep = house.sweep_of(house.blobs)
    kept = [house.add_file(f"demo-{number}.tar.gz").sha256 for number in range(20)]
    orphans = [house.put(f"orphan {number}") for number in range(20)]
    assert wait(sweep.sweep(OPERATOR)).blobs == 20
    assert all(map(house.blobs.has, kept))
    assert not any(map(house.blobs.has, orphans))


def test_temporary_files_can_be_purged_by_themselves() -> None:
    """Each machine has its own; where a store keeps none, there is nothing to do."""
    house = StoredHouse()
    assert wait(house.sweep.purge_incoming()) == 3
    assert house.incoming.asked == [house.clock.now() - DAY]
    assert wait(Sweep(house.catalog, house.blobs, house.clock, house.sweep.remover).purge_incoming()) == 0
