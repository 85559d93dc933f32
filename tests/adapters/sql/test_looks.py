"""What is found by looking, in the event loop: all that a read finds, and nothing that was true before a commit."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from strongroom.adapters.sql.catalog import open_catalog
from strongroom.adapters.sql.looks import FEW, LookedAtIndexes, LookedAtReservations
from strongroom.adapters.sql.sqlite import SqliteDatabase
from strongroom.core.errors import StorageFault
from strongroom.core.exemptions import Decision
from strongroom.core.model import Tombstone
from strongroom.core.names import ProjectName
from strongroom.core.reservations import Hold, Reservation
from strongroom.ports import Transaction
from tests import factories
from tests.contracts.driven import CHAIN_KEY, Driven, do_all, driven
from tests.factories import DEMO, MAIN, PUBLIC, STAGING, a_copy, a_project, a_reservation, an_exemption, an_index
from tests.fakes import START
from tests.replacing import replace

Change = Callable[[Transaction], object]

DAY = timedelta(days=1)
INDEXES = (MAIN, PUBLIC, STAGING)
ACME = ProjectName("acme")
NAMES = (DEMO, ACME, ProjectName("acme-ui"), ProjectName("other"))
WHEEL, SDIST = a_copy().filename, a_copy("demo-1.0.tar.gz").filename
MAIN_EXEMPTION = replace(an_exemption("e2", project="acme"), index=MAIN, requested_at=START - DAY)

CHANGES: tuple[tuple[str, Change], ...] = (
    ("indexes", lambda tx: tx.indexes.add(an_index("main"))),
    ("indexes", lambda tx: tx.indexes.add(factories.a_mirror("public"))),
    ("indexes", lambda tx: tx.indexes.replace(an_index("main", anonymous_read=True, bases=("public",)))),
    ("covering", lambda tx: tx.reservations.save(a_reservation("demo"))),
    ("covering", lambda tx: tx.reservations.save(a_reservation("acme-*", index="public"))),
    ("covering", lambda tx: tx.reservations.save(a_reservation("acme*", index="main"))),
    ("covering", lambda tx: tx.reservations.save(a_reservation("demo", hold=Hold.OVERLAY))),
    ("covering", lambda tx: tx.reservations.remove(PUBLIC, a_reservation("acme-*").pattern)),
    ("exemptions", lambda tx: tx.exemptions.add(an_exemption("e1", decision=Decision.PENDING))),
    ("exemptions", lambda tx: tx.exemptions.add(MAIN_EXEMPTION)),
    ("exemptions", lambda tx: tx.exemptions.replace(an_exemption("e1", decision=Decision.REFUSED))),
    ("owners", lambda tx: tx.files.bury(Tombstone(STAGING, DEMO, SDIST, factories.sha256_of("buried"), START))),
    ("owners", lambda tx: tx.projects.save(a_project("demo"))),
    ("owners", lambda tx: tx.projects.save(a_project("other", index="public"))),
    ("owners", lambda tx: tx.projects.remove(MAIN, DEMO)),
    ("times", lambda tx: tx.upstream_pages.save(factories.an_upstream_page())),
    ("times", lambda tx: tx.upstream_pages.confirm(PUBLIC, DEMO, at=START + DAY)),
    ("times", lambda tx: tx.upstream_pages.save(factories.a_missing_page("acme", fetched_at=START - DAY))),
    ("times", lambda tx: tx.upstream_pages.remove(PUBLIC, DEMO)),
    ("copies", lambda tx: tx.copies.save(a_copy())),
    ("copies", lambda tx: tx.copies.save(a_copy(SDIST, is_stored=False))),
    ("copies", lambda tx: tx.copies.touch({(PUBLIC, WHEEL): START + DAY})),
    ("copies", lambda tx: tx.copies.remove(PUBLIC, WHEEL)),
    ("indexes", lambda tx: tx.indexes.remove(MAIN)),
)
"""Each with what it changes of what `find_all` finds."""


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Driven]:
    """Open a catalog."""
    with driven(open_catalog(f"sqlite:///{tmp_path}/catalog.db", chain_key=CHAIN_KEY)) as it:
        yield it


@pytest.fixture
def other(catalog: Driven, tmp_path: Path) -> Iterator[Driven]:
    """Open it once more, as another node would."""
    with driven(open_catalog(f"sqlite:///{tmp_path}/catalog.db", chain_key=CHAIN_KEY)) as it:
        yield it


@pytest.fixture
def shell(catalog: Driven, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Open its file as somebody's shell does."""
    with closing(sqlite3.connect(tmp_path / "catalog.db", isolation_level=None)) as it:
        yield it


def find_all(tx: Transaction) -> dict[str, list[object]]:
    """Ask for everything that a look finds in a way of its own."""
    return {
        "indexes": [tx.indexes.list(), *(tx.indexes.find(index) for index in INDEXES)],
        "covering": [tx.reservations.list_covering(name) for name in NAMES],
        "exemptions": [tx.exemptions.list(index, name) for index in (None, *INDEXES) for name in (None, *NAMES)],
        "owners": [tx.projects.find_owners(name) for name in NAMES],
        "times": [tx.upstream_pages.find_time(index, name) for index in INDEXES for name in NAMES],
        "copies": [tx.copies.find(index, filename) for index in INDEXES for filename in (WHEEL, SDIST)],
    }


def is_a_look(tx: Transaction) -> bool:
    """Return whether this is no read that a look fell back to."""
    return isinstance(tx.indexes, LookedAtIndexes)


def look_at_all(catalog: Driven) -> dict[str, list[object]]:
    """Return what a look finds: the same as the look before and after a read, and as the read."""
    is_look, found = catalog.look(lambda tx: (is_a_look(tx), find_all(tx)))
    assert is_look
    assert catalog.read(lambda tx: (is_a_look(tx), find_all(tx))) == (False, found)
    assert catalog.look(find_all) == found
    return found


def driver_of(tx: Transaction) -> sqlite3.Connection:
    """Return the connection that looks."""
    assert isinstance(tx.reservations, LookedAtReservations)
    driver = tx.reservations._connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def count_statements(catalog: Driven, fn: Callable[[Transaction], object]) -> int:
    """Return how often the database is asked when somebody looks."""
    said: list[str] = []

    def look(tx: Transaction) -> None:
        driver_of(tx).set_trace_callback(said.append)
        fn(tx)
        driver_of(tx).set_trace_callback(None)

    catalog.look(look)
    return len(said)


def elsewhere(call: Callable[[], object]) -> object:
    """Make the call in another thread, and wait for it."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call).result(30)


def cover_demo(tx: Transaction) -> tuple[Reservation, ...]:
    """Find the holds on the name."""
    return tx.reservations.list_covering(DEMO)


def save_demo(tx: Transaction) -> None:
    """Hold the name."""
    tx.reservations.save(a_reservation())


@pytest.mark.parametrize("writer", ["catalog", "other"])
def test_the_next_look_sees_each_commit(catalog: Driven, request: pytest.FixtureRequest, writer: str) -> None:
    """Whoever made it: a row that is new, changed or gone is so at once, and whatever else was found stands."""
    writing: Driven = request.getfixturevalue(writer)
    before = look_at_all(catalog)
    assert {repr(found) for part in before.values() for found in part} == {"()", "None", "frozenset()"}
    for changed, change in CHANGES:
        writing.write(change)
        after = look_at_all(catalog)
        assert {part for part in after if after[part] != before[part]} == {changed}
        before = after


def test_a_look_finds_what_is_there(catalog: Driven) -> None:
    """Holds by name and prefix, exemptions by index and project, owners with a project, or with a tombstone only."""
    do_all(catalog, lambda tx, change: change(tx), *(change for _, change in CHANGES[:-1]))
    demo, acme = a_reservation("demo", hold=Hold.OVERLAY), a_reservation("acme*")
    refused = an_exemption("e1", decision=Decision.REFUSED)
    found = look_at_all(catalog)
    assert found["indexes"][2:] == [factories.a_mirror("public"), None]
    assert found["covering"] == [(demo,), (acme,), (acme,), ()]
    assert found["owners"] == [{STAGING}, frozenset(), frozenset(), {PUBLIC}]
    assert catalog.look(lambda tx: tx.exemptions.list()) == (MAIN_EXEMPTION, refused)
    assert catalog.look(lambda tx: tx.exemptions.list(PUBLIC)) == (refused,)
    assert catalog.look(lambda tx: tx.exemptions.list(project=ACME)) == (MAIN_EXEMPTION,)
    assert catalog.look(lambda tx: tx.exemptions.list(MAIN, ACME)) == (MAIN_EXEMPTION,)
    assert [time for time in found["times"] if time] == [START - DAY]
    assert [copy for copy in found["copies"] if copy] == [a_copy(SDIST, is_stored=False)]


def test_the_next_look_sees_what_another_process_did(catalog: Driven, tmp_path: Path) -> None:
    """Its commits are not heard of in any other way."""
    catalog.write(save_demo)
    assert catalog.look(cover_demo) == (a_reservation(),)
    script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('DELETE FROM reservations'); c.commit()"
    subprocess.run([sys.executable, "-c", script, tmp_path / "catalog.db"], check=True, timeout=60)
    assert catalog.look(cover_demo) == ()


def test_only_what_is_committed_is_seen(catalog: Driven, shell: sqlite3.Connection) -> None:
    """Looks do not wait for a writer, and see nothing of it before it has committed, or ever if it has not."""
    catalog.write(save_demo)
    for ending, found in (("ROLLBACK", (a_reservation(),)), ("COMMIT", ())):
        shell.execute("BEGIN IMMEDIATE")
        shell.execute("DELETE FROM reservations")
        assert catalog.look(cover_demo) == (a_reservation(),)
        shell.execute(ending)
        assert catalog.look(cover_demo) == found


def test_a_look_sees_one_state(catalog: Driven) -> None:
    """It is that of its beginning: a commit before its first question is the next look's, and so is what it keeps."""

    def look(tx: Transaction) -> dict[str, list[object]]:
        elsewhere(lambda: [asyncio.run(catalog.catalog.write(change)) for _, change in CHANGES])
        return find_all(tx)

    empty = look_at_all(catalog)
    assert catalog.look(look) == empty
    found = look_at_all(catalog)
    assert [part for part in found if found[part] == empty[part]] == []


@pytest.mark.parametrize("table", ["reservations", "exemptions"])
def test_a_small_table_is_read_once_between_commits(catalog: Driven, shell: sqlite3.Connection, table: str) -> None:
    """A large one is asked each time, finds the same, and is small again when rows have gone."""

    def add(tx: Transaction, number: int) -> None:
        tx.reservations.save(a_reservation(f"acme-{number}" if number else "acme*"))
        tx.exemptions.add(an_exemption(f"e{number:03}", project=NAMES[1 + number % 2]))

    def ask(tx: Transaction) -> object:
        return tx.reservations.list_covering(ACME) if table == "reservations" else tx.exemptions.list(PUBLIC, ACME)

    def count_twice() -> tuple[int, int]:
        return count_statements(catalog, ask), count_statements(catalog, ask)

    do_all(catalog, add, *range(FEW))
    assert count_twice() == (1, 0)
    few = look_at_all(catalog)
    do_all(catalog, add, FEW)
    assert count_twice() == (2, 1)
    assert look_at_all(catalog)["covering"][0] == ()
    catalog.write(save_demo)
    catalog.write(lambda tx: tx.exemptions.add(an_exemption("later")))
    assert look_at_all(catalog)["covering"][0] == (a_reservation(),)
    assert catalog.look(lambda tx: tx.exemptions.list(PUBLIC, DEMO)) == (an_exemption("later"),)
    shell.execute("DELETE FROM reservations WHERE pattern IN (?, 'demo')", (f"acme-{FEW}",))
    shell.execute("DELETE FROM exemptions WHERE exemption_id IN (?, 'later')", (f"e{FEW:03}",))
    assert count_twice() == (1, 0)
    assert look_at_all(catalog) == few


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda tx: find_all(tx)["missing"], KeyError),
        (lambda tx: tx.users.add(factories.a_user()), StorageFault),
        (lambda tx: driver_of(tx).execute("SELECT * FROM nowhere"), StorageFault),
        (lambda tx: driver_of(tx).execute("ROLLBACK") and [].pop(), IndexError),
    ],
)
def test_a_failed_look_leaves_nothing(
    catalog: Driven, shell: sqlite3.Connection, act: Change, error: type[Exception]
) -> None:
    """Its error arrives, its transaction is over, so that the log can be emptied, and the next one finds as ever."""
    catalog.write(save_demo)
    for _ in range(3):
        with pytest.raises(error):
            catalog.look(act)
        catalog.write(lambda tx: tx.reservations.save(a_reservation("acme")))
        assert shell.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
        assert look_at_all(catalog)["covering"] == [(a_reservation(),), (a_reservation("acme"),), (), ()]
        catalog.write(lambda tx: tx.reservations.remove(MAIN, a_reservation("acme").pattern))
        assert look_at_all(catalog)["covering"] == [(a_reservation(),), (), (), ()]


def test_one_looks_at_a_time(tmp_path: Path) -> None:
    """There is one connection for it, and it is not waited for: who comes meanwhile gets none, in any thread."""
    database = SqliteDatabase(tmp_path / "catalog.db", readers=1)

    def is_free() -> bool:
        with database.looking() as look:
            return look is not None

    with database.looking() as look:
        assert look is not None
        assert not is_free()
        assert not elsewhere(is_free)
    assert elsewhere(is_free)
    database.close()
    assert not is_free()


def test_who_looks_meanwhile_reads(catalog: Driven) -> None:
    """The read is in a thread that waits, finds what was committed since, and disturbs neither this look nor later."""

    def look(tx: Transaction) -> tuple[bool, tuple[Reservation, ...]]:
        return is_a_look(tx), cover_demo(tx)

    def look_with_others(tx: Transaction) -> list[object]:
        before = look(tx)
        elsewhere(lambda: asyncio.run(catalog.catalog.write(save_demo)))
        return [before, elsewhere(lambda: asyncio.run(catalog.catalog.look(look))), look(tx)]

    assert catalog.look(look_with_others) == [(True, ()), (False, (a_reservation(),)), (True, ())]
    assert look_at_all(catalog)["covering"][0] == (a_reservation(),)


@pytest.mark.parametrize("call", ["look", "read"])
def test_an_error_in_the_middle_of_rows_ends_the_snapshot(
    catalog: Driven, shell: sqlite3.Connection, call: str
) -> None:
    """While somebody still has the error, the next transaction sees what is committed, and the log can be emptied."""
    do_all(catalog, lambda tx, name: tx.exemptions.add(an_exemption(name)), "e1", "e2", "e3")
    shell.execute("UPDATE exemptions SET decision = 'of a later version' WHERE exemption_id = 'e1'")
    with pytest.raises(ValueError, match="of a later version") as kept:
        getattr(catalog, call)(lambda tx: tx.exemptions.list())
    catalog.write(lambda tx: tx.reservations.save(a_reservation()))
    found = getattr(catalog, call)(lambda tx: tx.reservations.list_covering(DEMO))
    assert found == (a_reservation(),)
    assert shell.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
    assert kept.type is ValueError


def test_a_connection_that_was_given_up_is_replaced_and_its_memory_with_it(catalog: Driven) -> None:
    """The state of the new one may have the number that the old one's had, and shows something else."""
    assert catalog.look(lambda tx: tx.reservations.list_covering(DEMO)) == ()
    catalog.look(lambda tx: _connection_of(tx).invalidate())
    catalog.write(lambda tx: tx.reservations.save(a_reservation()))
    assert catalog.look(lambda tx: (is_a_look(tx), tx.reservations.list_covering(DEMO))) == (True, (a_reservation(),))


def _connection_of(tx: Transaction) -> Connection:
    assert isinstance(tx.reservations, LookedAtReservations)
    return tx.reservations._connection
