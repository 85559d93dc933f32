"""What a transaction promises, on every catalog: all or nothing, alone, and one snapshot."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from strongroom.core.errors import Conflict, StorageFault, Unavailable
from strongroom.ports import Transaction
from tests.contracts.driven import SOMEBODY, SOMETHING, Driven
from tests.contracts.test_catalog_log import serials, verify
from tests.factories import DEMO, MAIN, STAGING, a_file, a_project, a_user, an_index, sha256_of
from tests.fakes import START

ROUNDS = 20
READING = pytest.mark.parametrize("call", ["read", "look"])


def fill(tx: Transaction) -> None:
    """Add the index and the project that files need."""
    tx.indexes.add(an_index())
    tx.projects.save(a_project())


def append(tx: Transaction) -> int:
    """Append an event."""
    return tx.events.append(SOMETHING, at=START, actor=SOMEBODY)


def is_quiet(catalog: Driven, act: Callable[[], object]) -> bool:
    """Return whether the mark stands meanwhile; on a starved machine a listener may think that it is deaf."""

    def stands() -> bool:
        before = catalog.mark()
        act()
        return catalog.mark() == before

    return any(stands() for _ in range(3))


def test_an_exception_rolls_all_of_it_back(catalog: Driven) -> None:
    """Nothing of a transaction that raises is seen afterwards, and the exception arrives unchanged."""

    class Surprise(BaseException):
        pass

    def fail(tx: Transaction) -> None:
        fill(tx)
        tx.users.add(a_user())
        tx.files.add(a_file())
        append(tx)
        raise Surprise("no")

    with pytest.raises(Surprise, match="no"):
        catalog.write(fail)
    assert catalog.read(lambda tx: (tx.indexes.list(), tx.users.list(), tx.files.count(MAIN))) == ((), (), 0)
    assert catalog.read(lambda tx: tx.events.serial()) == 0
    catalog.write(fill)
    assert catalog.read(lambda tx: tx.indexes.list()) == (an_index(),)


def test_a_transaction_goes_on_after_a_conflict(catalog: Driven) -> None:
    """Who handles a conflict may still write, and what was written before it stands."""
    catalog.write(fill)
    catalog.write(lambda tx: tx.files.add(a_file()))

    def try_and_go_on(tx: Transaction) -> None:
        tx.users.add(a_user())
        with pytest.raises(Conflict):
            tx.files.add(replace(a_file(), sha256=sha256_of("other")))
        with pytest.raises(Conflict):
            tx.projects.save(a_project(index="staging"))
        with pytest.raises(Conflict):
            tx.indexes.remove(MAIN)
        tx.indexes.add(an_index("staging"))

    catalog.write(try_and_go_on)
    assert catalog.read(lambda tx: (tx.users.list(), tx.indexes.find(STAGING))) == ((a_user(),), an_index("staging"))
    assert catalog.read(lambda tx: tx.files.list(MAIN, DEMO)) == (a_file(),)


def test_a_transaction_sees_its_own_writes(catalog: Driven) -> None:
    """Inside a transaction the tables are as it has made them so far."""

    def write_and_look(tx: Transaction) -> tuple[int, int]:
        fill(tx)
        tx.files.add(a_file())
        return tx.files.count(MAIN), append(tx)

    assert catalog.write(write_and_look) == (1, 1)


@READING
def test_a_reading_transaction_cannot_write(catalog: Driven, call: str) -> None:
    """A write inside a read is refused, and leaves nothing."""
    read = getattr(catalog, call)
    with pytest.raises(StorageFault):
        read(lambda tx: tx.users.add(a_user()))
    with pytest.raises(StorageFault):
        read(append)
    assert catalog.read(lambda tx: tx.users.list()) == ()
    catalog.write(lambda tx: tx.users.add(a_user()))


@READING
def test_a_reader_keeps_its_snapshot(catalog: Driven, call: str) -> None:
    """What is committed while a function reads stays invisible to it to the end, and nobody waits for it."""
    catalog.write(fill)
    has_looked, has_written = threading.Event(), threading.Event()

    def look_twice(tx: Transaction) -> tuple[int, int, int]:
        before = tx.events.serial()
        has_looked.set()
        assert has_written.wait(10)
        return before, tx.events.serial(), tx.files.count(MAIN)

    def read_elsewhere() -> object:
        return asyncio.run(getattr(catalog.catalog, call)(look_twice))

    with ThreadPoolExecutor(1) as thread:
        looking = thread.submit(read_elsewhere)
        assert has_looked.wait(10)
        catalog.write(append)
        assert catalog.look(lambda tx: tx.events.serial()) == 1  # one look does not wait for another
        catalog.write(lambda tx: tx.files.add(a_file()))
        has_written.set()
        assert looking.result(10) == (0, 0, 0)
    assert catalog.read(lambda tx: (tx.events.serial(), tx.files.count(MAIN))) == (1, 1)


def test_writers_of_several_threads_take_turns(catalog: Driven) -> None:
    """A value that each writer reads and changes loses no change, and the chain has no gap."""
    catalog.write(fill)

    def count_up(tx: Transaction) -> None:
        project = tx.projects.find(MAIN, DEMO)
        assert project is not None
        append(tx)
        tx.projects.save(replace(project, serial=project.serial + 1))

    async def write_many() -> None:
        await asyncio.gather(*(catalog.catalog.write(count_up) for _ in range(ROUNDS)))

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(lambda: asyncio.run(write_many())) for _ in range(4)]:
            done.result(60)
    found = catalog.read(lambda tx: tx.projects.find(MAIN, DEMO))
    assert found is not None
    assert found.serial == a_project().serial + 4 * ROUNDS
    entries = catalog.read(lambda tx: tx.events.since(0))
    assert serials(entries) == list(range(1, 4 * ROUNDS + 1))
    verify(entries)


def test_of_64_adds_of_a_filename_one_wins(catalog: Driven) -> None:
    """All the others get a conflict, and the winner's bytes are the ones that are listed."""
    catalog.write(fill)

    def adding(number: int) -> Callable[[Transaction], int]:
        def add(tx: Transaction) -> int:
            tx.files.add(replace(a_file(), sha256=sha256_of(str(number))))
            append(tx)
            return number

        return add

    async def add_all() -> list[int | BaseException]:
        writes = (catalog.catalog.write(adding(number)) for number in range(64))
        return await asyncio.gather(*writes, return_exceptions=True)

    results = catalog.runner.run(add_all())
    winners = [result for result in results if isinstance(result, int)]
    assert len(winners) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 63
    files = catalog.read(lambda tx: tx.files.list(MAIN, DEMO))
    assert [file.sha256 for file in files] == [sha256_of(str(winners[0]))]
    assert catalog.read(lambda tx: tx.events.serial()) == 1


def test_the_change_mark_moves_with_each_event(catalog: Driven) -> None:
    """It differs after each commit of an event from all it was before."""
    marks = {catalog.mark()}
    for number in range(1, 5):
        catalog.append()
        marks.add(catalog.mark())
        assert len(marks) > number


def test_the_change_mark_stands_while_nothing_is_committed(catalog: Driven) -> None:
    """Reading does not move it, nor does a transaction that is rolled back."""
    catalog.append()
    assert is_quiet(catalog, lambda: catalog.read(lambda tx: tx.events.since(0)))
    assert is_quiet(catalog, lambda: None)

    def fail(tx: Transaction) -> None:
        append(tx)
        raise ZeroDivisionError

    def write_in_vain() -> None:
        with pytest.raises(ZeroDivisionError):
            catalog.write(fail)

    assert is_quiet(catalog, write_in_vain)


def test_a_closed_catalog_is_unavailable(catalog: Driven) -> None:
    """After closing, every transaction is refused as a stopping server refuses; closing again is harmless."""
    catalog.runner.run(catalog.catalog.close())
    for call in (catalog.read, catalog.look, catalog.write):
        with pytest.raises(Unavailable):
            call(append)
