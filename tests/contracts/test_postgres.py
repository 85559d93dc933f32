"""What only PostgreSQL can do to a catalog: lose its connections, be elsewhere, be set otherwise."""

from __future__ import annotations

import errno
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg
import psycopg.conninfo
import pytest
from sqlalchemy import make_url

from strongroom.adapters.sql.catalog import open_catalog
from strongroom.adapters.sql.postgres import PostgresDatabase
from strongroom.adapters.sql.postgres_faults import translate_postgres_error
from strongroom.adapters.sql.postgres_listener import ChangeListener
from strongroom.core.errors import Conflict, StorageFault, StorageFull, StrongroomError, Unavailable, Unreachable
from strongroom.core.events import NameHeld
from strongroom.core.model import Lease
from strongroom.core.names import parse_project_pattern
from tests.contracts.driven import CHAIN_KEY, Driven, driven
from tests.contracts.servers import TEMPLATE, PostgresServer
from tests.factories import MAIN
from tests.fakes import START

_OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """Return the address of a database with our tables."""
    return postgres.create_database(TEMPLATE)


@pytest.fixture
def catalog(url: str) -> Iterator[Driven]:
    """Open a catalog that loses patience after a moment."""
    with driven(open_catalog(url, chain_key=CHAIN_KEY, write_timeout_seconds=1.0)) as it:
        yield it


def cut_all_connections(url: str) -> None:
    """Let the server end every connection to the database but this one."""
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute(_OTHERS, [make_url(url).database]).fetchall()


def test_a_lost_connection_is_replaced(catalog: Driven, url: str) -> None:
    """After the server has cut all connections, reads and writes go on, and nothing is stale."""
    catalog.append()
    before = catalog.mark()
    cut_all_connections(url)
    assert catalog.read(lambda tx: tx.events.serial()) == 1
    assert catalog.append() == 2
    with driven(open_catalog(url, chain_key=CHAIN_KEY)) as other:
        seen = catalog.mark()
        assert seen != before
        other.append()
        give_up = time.monotonic() + 5
        while catalog.mark() == seen:
            assert time.monotonic() < give_up
        assert catalog.read(lambda tx: tx.events.serial()) == 3


def test_a_busy_writer_is_waited_for_and_then_given_up(catalog: Driven, url: str) -> None:
    """While somebody else writes, a write waits no longer than it is told; reads do not wait."""
    other = PostgresDatabase(make_url(url), readers=1)
    with other.writing(time.monotonic() + 10):
        started = time.monotonic()
        with pytest.raises(Unavailable):
            catalog.append()
        assert time.monotonic() - started < 10
        assert catalog.read(lambda tx: tx.events.serial()) == 0
    assert catalog.append() == 1
    with pytest.raises(Unavailable), other.writing(time.monotonic() - 1):
        pytest.fail("too late")
    other.close()


def test_connections_keep_the_rules(url: str) -> None:
    """Commits are durable, readers see one snapshot and write nothing, and no statement runs for ever."""
    database = PostgresDatabase(make_url(url), readers=1)
    with database.writing(time.monotonic() + 10) as writer:
        assert writer.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
        assert writer.exec_driver_sql("SHOW transaction_isolation").scalar() == "read committed"
        assert writer.exec_driver_sql("SHOW statement_timeout").scalar() == "1min"
    with database.reading() as reader:
        assert reader.exec_driver_sql("SHOW transaction_isolation").scalar() == "repeatable read"
        assert reader.exec_driver_sql("SHOW transaction_read_only").scalar() == "on"
        assert reader.exec_driver_sql("SHOW statement_timeout").scalar() == "1min"
    database.close()


def test_options_of_the_address_are_kept(url: str) -> None:
    """Settings that the operator wrote into the address stay, beside ours."""
    given = make_url(url).update_query_dict({"options": "-c work_mem=3MB"})
    database = PostgresDatabase(given, readers=1)
    with database.reading() as reader:
        assert reader.exec_driver_sql("SHOW work_mem").scalar() == "3MB"
        assert reader.exec_driver_sql("SHOW transaction_read_only").scalar() == "on"
    database.close()


def test_a_server_that_is_not_there_is_unavailable(url: str) -> None:
    """The start ends at once with an error that does not repeat the password."""
    gone = make_url(url).set(password="hunter2").update_query_dict({"host": "/nonexistent"})
    started = time.monotonic()
    with pytest.raises(Unreachable, match="/nonexistent") as refusal:
        open_catalog(gone.render_as_string(hide_password=False), chain_key=CHAIN_KEY)
    assert time.monotonic() - started < 8
    assert "STRONGROOM_DATABASE" in refusal.value.hint
    assert "hunter2" not in refusal.value.sentence


def test_a_database_that_is_not_there_is_named(postgres: PostgresServer) -> None:
    """The start says what the server said."""
    with pytest.raises(Unreachable, match="nowhere"):
        open_catalog(postgres.url_of("nowhere"), chain_key=CHAIN_KEY)


def test_a_deaf_listener_never_claims_that_nothing_changed(catalog: Driven, postgres: PostgresServer, url: str) -> None:
    """While the database cannot be connected to, the mark differs each time it is asked."""
    name = make_url(url).database
    assert name is not None
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        connection.execute(_OTHERS, [name])
        time.sleep(1.5)
        assert len({catalog.mark() for _ in range(5)}) == 5
        with pytest.raises(Unavailable):
            catalog.append()
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    assert catalog.append() == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (psycopg.errors.UniqueViolation(), Conflict),
        (psycopg.errors.ForeignKeyViolation(), Conflict),
        (psycopg.errors.DiskFull(), StorageFull),
        (psycopg.errors.AdminShutdown(), Unreachable),
        (psycopg.errors.LockNotAvailable(), Unavailable),
        (psycopg.errors.TooManyConnections(), Unavailable),
        (psycopg.errors.DeadlockDetected(), Unavailable),
        (psycopg.errors.QueryCanceled(), Unavailable),
        (psycopg.errors.IdleInTransactionSessionTimeout(), Unavailable),
        (psycopg.OperationalError("connection refused"), Unreachable),
        (psycopg.errors.InsufficientPrivilege(), StorageFault),
        (psycopg.errors.DataCorrupted(), StorageFault),
        (psycopg.InterfaceError("misuse"), StorageFault),
    ],
)
def test_errors_of_the_driver_become_errors_of_the_port(error: psycopg.Error, expected: type[StrongroomError]) -> None:
    """What may pass by itself is `Unavailable`, what nobody foresaw is a fault."""
    assert type(translate_postgres_error(error)) is expected


def test_errors_of_the_program_stay_as_they_are() -> None:
    """Only the driver's errors are translated."""
    assert translate_postgres_error(ZeroDivisionError()) is None


def stands_while(look: Callable[[], int], act: Callable[[], object]) -> bool:
    """Return whether what is looked at stays meanwhile, and for long enough to hear of it."""
    before = look()
    act()
    time.sleep(0.4)
    return look() == before


def test_only_news_is_told(catalog: Driven, url: str) -> None:
    """Leases, turns and times of last use send no other node to the catalog; access is told apart from the rest."""
    held = NameHeld(index=MAIN, pattern=parse_project_pattern("acme-*"), hold="reserved")
    database = PostgresDatabase(make_url(url), readers=1)
    lease = Lease("a", START)
    names = itertools.count()

    def lend() -> None:
        catalog.write(lambda tx: tx.leases.add(replace(lease, lease_id=f"{next(names)}")))

    assert any(stands_while(catalog.mark, lend) and stands_while(database.change_mark, lend) for _ in range(3))
    assert not stands_while(database.change_mark, lambda: catalog.append(held))
    assert stands_while(database.access_mark, lambda: catalog.append(held))
    for look in (database.access_mark, catalog.catalog.access_mark):
        assert not stands_while(look, catalog.append)
    database.close()


def test_a_listener_survives_what_nobody_foresaw(url: str) -> None:
    """A process without a free file descriptor is deaf until it has one again, not for ever."""
    failures = [OSError(errno.EMFILE, "too many open files")] * 2

    def connected(_: object) -> None:
        if failures:
            raise failures.pop()

    parameters = psycopg.conninfo.conninfo_to_dict(make_url(url).set(drivername="postgresql").render_as_string())
    listener = ChangeListener(parameters, connected=connected)
    assert not failures
    assert any(listener.mark() == listener.mark() for _ in range(3))
    listener.close()


def test_no_row_reaches_a_message(url: str) -> None:
    """What PostgreSQL says of a row that it refused stays with it; the reason is told."""
    database = PostgresDatabase(make_url(url), readers=1)
    with database.writing(time.monotonic() + 10) as connection:
        connection.exec_driver_sql("CREATE TABLE people (name text NOT NULL, password text)")
    with pytest.raises(StorageFault) as refusal, database.writing(time.monotonic() + 10) as connection:
        connection.exec_driver_sql("INSERT INTO people VALUES (NULL, %s)", ("hunter2",))
    assert "not-null" in refusal.value.sentence
    assert "hunter2" not in refusal.value.sentence
    database.close()
