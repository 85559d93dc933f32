"""The bytes as a whole: checked and swept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from strongroom.adapters.blobs.memory import MemoryBlobs
from strongroom.core.access import Right
from strongroom.core.caller import Caller
from strongroom.core.errors import Forbidden, StorageFault, StrongroomError, Unauthenticated, Unavailable
from strongroom.core.events import Uploaded
from strongroom.core.mirrored import Copy, NameList
from strongroom.core.model import File, Lease
from strongroom.core.names import Sha256
from strongroom.ports import BlobInfo, Transaction
from strongroom.services import upkeep as upkeep_module
from strongroom.services.upkeep import Fault, Problem, SweepReport, Upkeep, VerifyReport
from tests.factories import (
    NOBODY,
    OPERATOR,
    a_caller,
    a_copy,
    a_file,
    a_grant,
    a_name_list,
    a_project,
    an_index,
    sha256_of,
)
from tests.fakes import FrozenClock
from tests.replacing import replace
from tests.services.house import House, wait

DAY = timedelta(days=1)


class DamagedBlobs(MemoryBlobs):
    """Blobs that can be overwritten, as a disk does it."""

    def __init__(self) -> None:
        super().__init__()
        self.unreadable: set[Sha256] = set()

    def overwrite(self, sha256: Sha256, data: bytes) -> None:
        """Put other bytes under the digest."""
        self._blobs[sha256] = (data, datetime.now(UTC))

    def has(self, sha256: Sha256) -> bool:
        """Return whether the blob is there."""
        return sha256 in self._blobs

    def _get(self, sha256: Sha256) -> bytes:
        if sha256 in self.unreadable:
            raise StorageFault("blob-fault", "Reading a blob failed")
        return super()._get(sha256)


class Incoming:
    """Temporary files of uploads that died."""

    def __init__(self) -> None:
        self.asked: list[datetime] = []

    async def purge_incoming(self, older_than: datetime) -> int:
        """Remember the question."""
        self.asked.append(older_than)
        return 3


class UpkeepHouse(House):
    """A house with bytes; its clock stands a day and a minute after they came."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FrozenClock(datetime.now(UTC) + DAY + timedelta(minutes=1))
        self.blobs = DamagedBlobs()
        self.incoming = Incoming()
        self.upkeep = Upkeep(self.catalog, self.blobs, self.clock, self.incoming)
        self.add_index(an_index())

    def put(self, text: str) -> Sha256:
        """Store a blob."""
        return wait(self.blobs.put(text.encode()))

    def add_file(self, filename: str, *, metadata: str | None = None, provenance: str | None = None) -> File:
        """Store a file with its blobs; its bytes are its name."""
        file = replace(
            a_file(filename),
            sha256=self.put(filename),
            metadata_sha256=None if metadata is None else self.put(metadata),
            provenance_sha256=None if provenance is None else self.put(provenance),
        )
        self.add_files(a_project(), file)
        return file

    def add_copy(self, filename: str, *, metadata: str | None = None, provenance: str | None = None) -> Copy:
        """Store a copy of an upstream's file with its blobs; its bytes are its name."""
        copy = replace(
            a_copy(filename, sha256=self.put(filename)),
            metadata_sha256=None if metadata is None else self.put(metadata),
            provenance_sha256=None if provenance is None else self.put(provenance),
        )
        self.change(lambda tx: tx.copies.save(copy))
        return copy


WHEEL, SDIST = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"


def test_all_is_well_when_each_byte_is_there() -> None:
    """Every blob is counted and read once, shared ones too."""
    house = UpkeepHouse()
    house.add_file(WHEEL, metadata="Name: demo", provenance="{}")
    house.add_file(SDIST, metadata="Name: demo")
    house.put("nobody's")
    seen: list[tuple[int, int]] = []
    report = wait(house.upkeep.verify(OPERATOR, progress=lambda done, total: seen.append((done, total))))
    size = len(WHEEL) + len(SDIST) + len("Name: demo") + len("{}")
    assert report == VerifyReport(files=2, blobs=4, read_bytes=size, faults=())
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert house.events() == []


def test_each_fault_is_reported_with_who_needs_the_blob() -> None:
    """Missing, too short, changed, unreadable; sidecars too."""
    house = UpkeepHouse()
    missing = house.add_file("demo-1.tar.gz")
    short = house.add_file("demo-2.tar.gz")
    changed = house.add_file("demo-3.tar.gz", metadata="Name: demo", provenance="{}")
    unreadable = house.add_file("demo-4.tar.gz")
    wait(house.blobs.remove(missing.sha256))
    house.blobs.overwrite(short.sha256, b"demo")
    house.blobs.overwrite(changed.sha256, b"demo-3.tar.xx")
    house.blobs.overwrite(sha256_of("Name: demo"), b"Name: evil, and longer")
    wait(house.blobs.remove(sha256_of("{}")))
    house.blobs.unreadable.add(unreadable.sha256)
    faults = wait(house.upkeep.verify(OPERATOR)).faults
    assert set(faults) == {
        Fault(missing.sha256, Problem.MISSING, "main/demo-1.tar.gz"),
        Fault(short.sha256, Problem.SIZE, "main/demo-2.tar.gz"),
        Fault(changed.sha256, Problem.BYTES, "main/demo-3.tar.gz"),
        Fault(sha256_of("Name: demo"), Problem.BYTES, "main/demo-3.tar.gz (metadata)"),
        Fault(sha256_of("{}"), Problem.MISSING, "main/demo-3.tar.gz (provenance)"),
        Fault(unreadable.sha256, Problem.UNREADABLE, "main/demo-4.tar.gz"),
    }
    assert len(faults) == 6


def test_a_quick_check_compares_sizes_only() -> None:
    """It reads nothing, so it misses changed bytes of the same number."""
    house = UpkeepHouse()
    changed = house.add_file(SDIST)
    missing = house.add_file(WHEEL)
    house.blobs.overwrite(changed.sha256, SDIST.upper().encode())
    wait(house.blobs.remove(missing.sha256))
    report = wait(house.upkeep.verify(OPERATOR, deep=False))
    assert report.read_bytes == 0
    assert [fault.problem for fault in report.faults] == [Problem.MISSING]


def test_what_is_kept_of_upstreams_is_checked_like_files() -> None:
    """Copies with their sidecars, and lists of names; a copy that is only known needs no bytes yet."""
    house = UpkeepHouse()
    house.add_copy("fine-1.tar.gz", metadata="Name: fine", provenance="{}")
    missing = house.add_copy("x-1.tar.gz", metadata="Name: x")
    short = house.add_copy("y-1.tar.gz")
    known, names = a_copy("z-1.tar.gz", is_stored=False), a_name_list(sha256=house.put("demo\n"))
    house.change(lambda tx: tx.copies.save(known))
    house.change(lambda tx: tx.name_lists.save(names))
    wait(house.blobs.remove(missing.sha256))
    house.blobs.overwrite(sha256_of("Name: x"), b"Name: y")
    house.blobs.overwrite(short.sha256, b"y")
    wait(house.blobs.remove(sha256_of("demo\n")))
    report = wait(house.upkeep.verify(OPERATOR))
    assert set(report.faults) == {
        Fault(missing.sha256, Problem.MISSING, "copy public/x-1.tar.gz"),
        Fault(sha256_of("Name: x"), Problem.BYTES, "copy public/x-1.tar.gz (metadata)"),
        Fault(short.sha256, Problem.SIZE, "copy public/y-1.tar.gz"),
        Fault(sha256_of("demo\n"), Problem.MISSING, "names of public"),
    }
    assert (report.files, report.blobs) == (0, 7)


def test_bytes_that_a_file_and_a_copy_share_are_the_files() -> None:
    """A promoted upstream file is named as what it is now."""
    house = UpkeepHouse()
    shared = house.add_file(SDIST)
    house.add_copy(SDIST)
    wait(house.blobs.remove(shared.sha256))
    report = wait(house.upkeep.verify(OPERATOR))
    assert report.faults == (Fault(shared.sha256, Problem.MISSING, f"main/{SDIST}"),)
    assert report.blobs == 1


def test_the_sweep_leaves_what_is_kept_of_upstreams() -> None:
    """Only when the row is gone do the bytes go."""
    house = UpkeepHouse()
    copy = house.add_copy(SDIST, metadata="Name: demo", provenance="{}")
    names = a_name_list(sha256=house.put("demo\n"))
    house.change(lambda tx: tx.name_lists.save(names))
    blobs = (copy.sha256, sha256_of("Name: demo"), sha256_of("{}"), names.sha256)
    assert wait(house.upkeep.sweep(OPERATOR)).blobs == 0
    assert all(map(house.blobs.has, blobs))
    house.change(lambda tx: tx.copies.remove(copy.index, copy.filename))
    house.change(lambda tx: tx.name_lists.remove(names.index))
    assert wait(house.upkeep.sweep(OPERATOR)).blobs == 4
    assert not any(map(house.blobs.has, blobs))


def test_the_sweep_removes_only_what_nobody_needs() -> None:
    """Files and their sidecars stay; temporary files are purged; nothing is recorded."""
    house = UpkeepHouse()
    kept = house.add_file(SDIST, metadata="Name: demo", provenance="{}")
    orphans = [house.put("orphan"), house.put("another")]
    report = wait(house.upkeep.sweep(OPERATOR))
    assert report == SweepReport(blobs=2, freed_bytes=len("orphananother"), leases=0, incoming=3, is_dry_run=False)
    assert not any(map(house.blobs.has, orphans))
    assert all(map(house.blobs.has, (kept.sha256, sha256_of("Name: demo"), sha256_of("{}"))))
    assert house.incoming.asked == [house.clock.now() - DAY]
    assert wait(house.upkeep.verify(OPERATOR)).faults == ()
    assert wait(house.upkeep.sweep(OPERATOR)).blobs == 0
    assert house.events() == []


def test_an_impatient_sweep_leaves_uploads_in_flight_alone() -> None:
    """Their blobs are leased, but nothing names their temporary files: those keep their day."""
    house = UpkeepHouse()
    orphan = house.put("orphan")
    report = wait(house.upkeep.sweep(OPERATOR, grace=timedelta(0)))
    assert report.blobs == 1
    assert not house.blobs.has(orphan)
    wait(house.upkeep.sweep(OPERATOR, grace=3 * DAY))
    assert house.incoming.asked == [house.clock.now() - DAY, house.clock.now() - 3 * DAY]


def test_a_dry_run_removes_nothing() -> None:
    """It only says what would go."""
    house = UpkeepHouse()
    orphan = house.put("orphan")
    house.change(lambda tx: tx.leases.add(Lease("old", house.clock.now() - 2 * DAY)))
    report = wait(house.upkeep.sweep(OPERATOR, dry_run=True))
    assert report == SweepReport(blobs=1, freed_bytes=6, leases=1, incoming=0, is_dry_run=True)
    assert house.blobs.has(orphan)
    assert len(house.look(lambda tx: tx.leases.list())) == 1
    assert house.incoming.asked == []


def test_young_bytes_stay() -> None:
    """They may belong to an upload that has not committed yet."""
    house = UpkeepHouse()
    orphan = house.put("orphan")
    assert wait(house.upkeep.sweep(OPERATOR, grace=2 * DAY)).blobs == 0
    assert house.blobs.has(orphan)


def test_leased_bytes_stay_and_old_leases_go() -> None:
    """A lease that ended within the grace period still counts."""
    house = UpkeepHouse()
    now = house.clock.now()
    running, ended = house.put("running"), house.put("ended")
    house.change(lambda tx: tx.leases.add(Lease("running", now + DAY, (running,))))
    house.change(lambda tx: tx.leases.add(Lease("ended", now - timedelta(hours=1), (ended,))))
    house.change(lambda tx: tx.leases.add(Lease("old", now - 2 * DAY)))
    report = wait(house.upkeep.sweep(OPERATOR))
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

    def __init__(self, house: UpkeepHouse, meanwhile: Lease | File | Copy | NameList) -> None:
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
    house = UpkeepHouse()
    blobs = SlowBlobs(house, meanwhile)
    orphan = wait(blobs.put(b"orphan"))
    report = wait(Upkeep(house.catalog, blobs, house.clock).sweep(OPERATOR))
    assert report.blobs == 0
    assert blobs.has(orphan)


@pytest.mark.parametrize(
    ("caller", "error"), [(NOBODY, Unauthenticated), (a_caller("bob", a_grant(Right.MANAGE)), Forbidden)]
)
def test_only_administrators_do_it(caller: Caller, error: type[StrongroomError]) -> None:
    """Both read everything there is."""
    house = UpkeepHouse()
    orphan = house.put("orphan")
    for work in (house.upkeep.verify(caller), house.upkeep.sweep(caller)):
        with pytest.raises(error):
            wait(work)
    assert house.blobs.has(orphan)


def test_a_removal_that_takes_too_long_does_not_happen_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep gives the catalog back, and then an upload may rely on the blob."""

    class StuckBlobs(DamagedBlobs):
        async def remove(self, sha256: Sha256) -> None:
            await let_go.wait()
            await super().remove(sha256)

    async def scene() -> None:
        with pytest.raises(Unavailable, match="remove"):
            await Upkeep(house.catalog, blobs, house.clock).sweep(OPERATOR)
        let_go.set()
        await asyncio.sleep(0.01)

    monkeypatch.setattr(upkeep_module, "_REMOVAL_SECONDS", 0.01)
    house, blobs, let_go = UpkeepHouse(), StuckBlobs(), asyncio.Event()
    orphan = wait(blobs.put(b"orphan"))
    wait(scene())
    assert blobs.has(orphan)
