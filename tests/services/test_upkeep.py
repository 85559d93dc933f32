"""The bytes as a whole: checked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from strongroom.core.access import Right
from strongroom.core.caller import Caller
from strongroom.core.errors import Forbidden, StrongroomError, Unauthenticated
from strongroom.core.model import Lease
from strongroom.core.names import Sha256
from strongroom.ports import BlobInfo, Transaction
from strongroom.services import upkeep
from strongroom.services.upkeep import Fault, Problem, Upkeep, VerifyReport
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
from tests.services.stored import DAY, SDIST, WHEEL, DamagedBlobs, StoredHouse


def test_all_is_well_when_each_byte_is_there() -> None:
    """Every blob is counted and read once, shared ones too."""
    house = StoredHouse()
    house.add_file(WHEEL, metadata="Name: demo", provenance="{}")
    house.add_file(SDIST, metadata="Name: demo")
    house.put("nobody's")
    seen: list[tuple[int, int]] = []
    report = wait(house.upkeep.verify(OPERATOR, progress=lambda done, total: seen.append((done, total))))
    size = len(WHEEL) + len(SDIST) + len("Name: demo") + len("{}")
    assert report == VerifyReport(files=2, blobs=4, read_blobs=4, read_bytes=size, unneeded_blobs=1, faults=())
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert house.events() == []


def test_each_fault_is_reported_with_who_needs_the_blob(monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, too short, changed, unreadable; sidecars too, however many there are."""
    monkeypatch.setattr(upkeep, "_PORTION", 2)
    house = StoredHouse()
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
    house = StoredHouse()
    changed = house.add_file(SDIST)
    missing = house.add_file(WHEEL)
    house.blobs.overwrite(changed.sha256, SDIST.upper().encode())
    wait(house.blobs.remove(missing.sha256))
    report = wait(house.upkeep.verify(OPERATOR, sample_percent=0))
    assert (report.read_blobs, report.read_bytes) == (0, 0)
    assert [fault.problem for fault in report.faults] == [Problem.MISSING]


@pytest.mark.parametrize(("percent", "read"), [(100, 30), (50, 15), (10, 3), (1, 1), (0.01, 1)])
def test_a_sample_is_hashed_and_all_else_is_looked_for(percent: float, read: int) -> None:
    """A missing file and a short one are found each time, a changed one only when it is drawn."""
    house = StoredHouse()
    for number in range(30):
        house.add_file(f"demo-{number}.tar.gz")
    missing, short = house.add_file("demo-30.tar.gz"), house.add_file("demo-31.tar.gz")
    wait(house.blobs.remove(missing.sha256))
    house.blobs.overwrite(short.sha256, b"demo")
    report = wait(house.upkeep.verify(OPERATOR, sample_percent=percent))
    assert (report.blobs, report.read_blobs) == (32, read)
    assert {fault.sha256 for fault in report.faults} == {missing.sha256, short.sha256}


def test_each_sample_is_drawn_anew() -> None:
    """So that a small one every night comes to all files in the end: here to each changed one."""
    house = StoredHouse()
    files = {house.add_file(f"demo-{number}.tar.gz").sha256 for number in range(5)}
    for sha256 in files:
        house.blobs.overwrite(sha256, b"demo-x.tar.gz")
    found: set[Sha256] = set()
    for _ in range(1000):
        faults = wait(house.upkeep.verify(OPERATOR, sample_percent=20)).faults
        assert len(faults) == 1
        found |= {fault.sha256 for fault in faults}
        if found == files:
            break
    assert found == files


def test_blobs_that_nobody_needs_are_counted_as_the_sweep_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of an upload in flight are not among them, and none of them is a fault."""
    monkeypatch.setattr(upkeep, "_PORTION", 2)
    house = StoredHouse()
    house.add_file(SDIST, metadata="Name: demo")
    house.add_copy(WHEEL, provenance="{}")
    for number in range(5):
        house.put(f"nobody's {number}")
    flying = house.put("flying")
    house.change(lambda tx: tx.leases.add(Lease("upload", house.clock.now() + DAY, (flying,))))
    report = wait(house.upkeep.verify(OPERATOR))
    assert (report.blobs, report.unneeded_blobs, report.faults) == (4, 5, ())
    assert wait(house.sweep.sweep(OPERATOR)).blobs == 5
    assert wait(house.upkeep.verify(OPERATOR)).unneeded_blobs == 0


def test_what_comes_and_goes_meanwhile_is_no_fault_and_no_orphan() -> None:
    """A copy that is given up after the rows were read, and a file that is published."""
    house = StoredHouse()
    copy = house.add_copy(SDIST)

    class Moving(DamagedBlobs):
        async def list(self) -> AsyncIterator[BlobInfo]:
            """Let both happen, then list."""
            await house.catalog.write(lambda tx: tx.copies.save(replace(copy, stored_at=None, size_bytes=0)))
            file = replace(a_file(WHEEL), sha256=await self.put(b"new"), size_bytes=3)

            def publish(tx: Transaction) -> None:
                tx.projects.save(a_project())
                tx.files.add(file)

            await house.catalog.write(publish)
            async for info in super().list():
                yield info

    report = wait(Upkeep(house.catalog, Moving(), house.clock).verify(OPERATOR))
    assert (report.blobs, report.unneeded_blobs, report.faults) == (1, 0, ())


def test_what_is_kept_of_upstreams_is_checked_like_files() -> None:
    """Copies with their sidecars, and lists of names; a copy that is only known needs no bytes yet."""
    house = StoredHouse()
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
    house = StoredHouse()
    shared = house.add_file(SDIST)
    house.add_copy(SDIST)
    wait(house.blobs.remove(shared.sha256))
    report = wait(house.upkeep.verify(OPERATOR))
    assert report.faults == (Fault(shared.sha256, Problem.MISSING, f"main/{SDIST}"),)
    assert report.blobs == 1


@pytest.mark.parametrize(
    ("caller", "error"), [(NOBODY, Unauthenticated), (a_caller("bob", a_grant(Right.MANAGE)), Forbidden)]
)
def test_only_administrators_do_it(caller: Caller, error: type[StrongroomError]) -> None:
    """It reads everything there is."""
    with pytest.raises(error):
        wait(StoredHouse().upkeep.verify(caller))
