"""The bytes as a whole: checked."""

from __future__ import annotations

import pytest

from strongroom.core.access import Right
from strongroom.core.caller import Caller
from strongroom.core.errors import Forbidden, StrongroomError, Unauthenticated
from strongroom.services.upkeep import Fault, Problem, VerifyReport
from tests.factories import (
    NOBODY,
    OPERATOR,
    a_caller,
    a_copy,
    a_grant,
    a_name_list,
    sha256_of,
)
from tests.services.house import wait
from tests.services.stored import SDIST, WHEEL, StoredHouse


def test_all_is_well_when_each_byte_is_there() -> None:
    """Every blob is counted and read once, shared ones too."""
    house = StoredHouse()
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
    report = wait(house.upkeep.verify(OPERATOR, deep=False))
    assert report.read_bytes == 0
    assert [fault.problem for fault in report.faults] == [Problem.MISSING]


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
