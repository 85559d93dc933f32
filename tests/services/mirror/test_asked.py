"""Names that nobody owns: counted, bounded, and forgotten."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import pytest

from strongroom.core.errors import Unavailable
from strongroom.core.mirrored import AskedName
from strongroom.core.names import ProjectName
from strongroom.ports import Transaction
from strongroom.services.mirror import asked
from strongroom.services.mirror.asked import AskedCounter
from tests.factories import DEMO, MAIN, PUBLIC
from tests.fakes import START
from tests.services.house import House, ThreadedCatalog, wait

T = TypeVar("T")
OTHER = ProjectName("other")


@pytest.fixture
def house() -> House:
    """Provide an empty house."""
    return House()


def names(house: House) -> tuple[AskedName, ...]:
    """Return what is written down."""
    return house.look(lambda tx: tx.asked_names.list())


def test_askings_are_counted_and_written_together(house: House) -> None:
    """Nothing is written before, nothing twice, and no event."""
    counter = AskedCounter(house.catalog, house.clock)
    for index, project in ((MAIN, DEMO), (MAIN, DEMO), (MAIN, OTHER), (PUBLIC, DEMO)):
        counter.note(index, project)
    assert names(house) == ()
    wait(counter.flush())
    wait(counter.flush())
    assert names(house) == (
        AskedName(MAIN, DEMO, 2, START),
        AskedName(MAIN, OTHER, 1, START),
        AskedName(PUBLIC, DEMO, 1, START),
    )
    house.clock.advance(timedelta(minutes=1))
    counter.note(MAIN, DEMO)
    wait(counter.flush())
    assert names(house)[0] == AskedName(MAIN, DEMO, 3, START + timedelta(minutes=1))
    assert not house.entries()


def test_endless_names_are_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for made-up names does not fill the disk; a name that counts already goes on counting."""
    monkeypatch.setattr(asked, "MOST_NAMES", 3)
    counter = AskedCounter(house.catalog, house.clock)
    for name in ("a", "b", "c", "d", "e", "a"):
        counter.note(MAIN, ProjectName(name))
    wait(counter.flush())
    assert [(item.project, item.count) for item in names(house)] == [("a", 2), ("b", 1), ("c", 1)]
    counter.note(MAIN, ProjectName("d"))
    wait(counter.flush())
    assert len(names(house)) == 4


def test_names_are_forgotten_after_a_while(house: House) -> None:
    """Those that nobody asked for in ninety days go, once a day, whether or not there is something new."""
    counter = AskedCounter(house.catalog, house.clock)
    counter.note(MAIN, DEMO)
    wait(counter.flush())
    house.clock.advance(timedelta(days=90))
    counter.note(MAIN, OTHER)
    wait(counter.flush())
    assert [item.project for item in names(house)] == [DEMO, OTHER]
    house.clock.advance(timedelta(days=1))
    wait(counter.flush())
    assert [item.project for item in names(house)] == [OTHER]


def test_without_anything_to_write_the_catalog_is_left_alone(house: House) -> None:
    """A server in which nobody errs does not write each minute."""
    counter = AskedCounter(house.catalog, house.clock)
    wait(counter.flush())
    mark = house.catalog.change_mark()
    for _ in range(3):
        house.clock.advance(timedelta(minutes=1))
        wait(counter.flush())
    assert house.catalog.change_mark() == mark


class BusyCatalog(ThreadedCatalog):
    """A catalog that does not answer at first."""

    is_busy = True

    async def write(self, fn: Callable[[Transaction], T]) -> T:
        """Refuse while busy."""
        if self.is_busy:
            raise Unavailable("catalog-busy", "The catalog is busy")
        return await super().write(fn)


def test_counts_survive_a_catalog_that_does_not_answer(house: House) -> None:
    """They are written at the next turn, together with what came meanwhile."""
    house.catalog = catalog = BusyCatalog()
    counter = AskedCounter(catalog, house.clock)
    counter.note(MAIN, DEMO)
    with pytest.raises(Unavailable):
        wait(counter.flush())
    counter.note(MAIN, DEMO)
    catalog.is_busy = False
    wait(counter.flush())
    assert names(house) == (AskedName(MAIN, DEMO, 2, START),)
