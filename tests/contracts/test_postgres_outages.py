"""A PostgreSQL server that goes silent, is full, or takes too long: how long a catalog waits, and that it recovers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from psycopg import sql
from sqlalchemy import make_url

from strongroom.adapters.sql.catalog import open_catalog
from strongroom.adapters.sql.database import News, add_news
from strongroom.adapters.sql.postgres import PostgresDatabase
from strongroom.adapters.sql.postgres_watch import SILENT_AFTER_SECONDS
from strongroom.core.errors import Unavailable, Unreachable
from strongroom.ports import Transaction
from tests.contracts.driven import CHAIN_KEY, Driven, driven
from tests.contracts.relay import Relay, relaying
from tests.contracts.servers import TEMPLATE, PostgresServer

SLACK_SECONDS = 4
BACK_SECONDS = 20
_END_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {}"


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """Return the address of a database with our tables."""
    return postgres.create_database(TEMPLATE)


@pytest.fixture
def wired(url: str) -> Iterator[tuple[Driven, Relay]]:
    """Open a catalog at the end of a wire."""
    with (
        relaying(url) as (relay, near),
        driven(open_catalog(near, chain_key=CHAIN_KEY)) as catalog,
    ):
        yield catalog, relay
        relay.wake()


def serial(tx: Transaction) -> int:
    """Ask for the newest serial."""
    return tx.events.serial()


def try_until_it_works(call: Callable[[], int]) -> int:
    """Return what the call returns once the server is back."""
    give_up = time.monotonic() + BACK_SECONDS
    while True:
        try:
            return call()
        except Unavailable:
            assert time.monotonic() < give_up, "the service did not return by itself"
            time.sleep(0.2)


def test_nobody_waits_for_a_silent_server(wired: tuple[Driven, Relay]) -> None:
    """The first one that asks is cut off, all others are told at once, and the catalog comes back by itself."""
    catalog, relay = wired
    assert catalog.append() == 1
    relay.go_silent()
    began = time.monotonic()
    with pytest.raises(Unreachable):
        catalog.append()
    assert time.monotonic() - began < SILENT_AFTER_SECONDS + SLACK_SECONDS
    began = time.monotonic()
    for _ in range(5):
        with pytest.raises(Unreachable):
            catalog.append()
        with pytest.raises(Unreachable):
            catalog.read(serial)
    assert time.monotonic() - began < 1
    assert len({catalog.mark() for _ in range(3)}) == 3
    relay.wake()
    before = try_until_it_works(lambda: catalog.read(serial))
    assert try_until_it_works(catalog.append) == before + 1
    assert before == 1, "what was refused did not happen"


def test_a_silent_node_keeps_nobody_from_writing(wired: tuple[Driven, Relay], url: str) -> None:
    """The server ends the transaction of a node that is gone, and another one takes its turn."""
    catalog, relay = wired
    is_inside = threading.Event()

    def fall_silent(tx: Transaction) -> None:
        serial(tx)
        relay.go_silent()
        is_inside.set()
        serial(tx)

    failures: list[Exception] = []

    def write() -> None:
        try:
            catalog.write(fall_silent)
        except Unreachable as error:
            failures.append(error)

    writing = threading.Thread(target=write)
    writing.start()
    assert is_inside.wait(10)
    with driven(open_catalog(url, chain_key=CHAIN_KEY)) as other:
        assert other.append() == 1
    writing.join(SILENT_AFTER_SECONDS + SLACK_SECONDS)
    assert len(failures) == 1


def test_a_statement_that_takes_too_long_is_ended(url: str) -> None:
    """It is not the server that is gone, so only this one caller is told; the next one is served."""
    database = PostgresDatabase(make_url(url), readers=1)
    with database.reading() as reader:
        reader.exec_driver_sql("SET LOCAL statement_timeout = '50ms'")
        with pytest.raises(Unavailable) as refusal:
            reader.exec_driver_sql("SELECT pg_sleep(20)")
    assert refusal.value.code == "catalog-slow"
    assert not isinstance(refusal.value, Unreachable)
    with database.reading() as reader:
        assert reader.exec_driver_sql("SELECT 1").scalar() == 1
    database.close()


def test_a_server_without_room_is_asked_again(url: str, postgres: PostgresServer) -> None:
    """A connection more than the server allows is refused at once; when there is room, it goes on."""
    parsed = make_url(url)
    name = f"{parsed.database}_limited"
    role = sql.Identifier(name)
    postgres.execute(sql.SQL("CREATE ROLE {} LOGIN IN ROLE pg_read_all_data, pg_write_all_data").format(role))
    limited = parsed.set(username=name).render_as_string(hide_password=False)
    with driven(open_catalog(limited, chain_key=CHAIN_KEY)) as catalog:
        assert catalog.append() == 1
        postgres.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 0").format(role))
        postgres.execute(sql.SQL(_END_ALL).format(sql.Literal(name)))
        began = time.monotonic()
        for _ in range(3):
            with pytest.raises(Unreachable) as refusal:
                catalog.append()
            assert name not in refusal.value.sentence, "a client is not told who the database's user is"
        assert time.monotonic() - began < SLACK_SECONDS
        postgres.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 5").format(role))
        assert try_until_it_works(catalog.append) == 2


@contextmanager
def hanging_commits(postgres: PostgresServer) -> Iterator[None]:
    """Let each commit wait for a standby that is not there; a read waits for none."""

    def set_standbys(names: str) -> None:
        postgres.execute(sql.SQL("ALTER SYSTEM SET synchronous_standby_names = {}").format(sql.Literal(names)))
        postgres.execute(sql.SQL("SELECT pg_reload_conf()"))
        time.sleep(0.3)  # until all of the server's processes have read it

    set_standbys("nobody")
    try:
        yield
    finally:
        set_standbys("")


def make_table(database: PostgresDatabase, name: str) -> None:
    """Commit a table, and news."""
    with database.writing(time.monotonic() + 10) as connection:
        connection.exec_driver_sql(f"CREATE TABLE {name} ()")
        add_news(connection, News.ACCESS)


def test_a_commit_that_hangs_is_given_up(url: str, postgres: PostgresServer) -> None:
    """The caller is told that nobody knows, health says that nothing can be written, reads go on; then all is well."""
    with driven(open_catalog(url, chain_key=CHAIN_KEY, write_timeout_seconds=0.5)) as catalog:
        with hanging_commits(postgres):
            began = time.monotonic()
            with pytest.raises(Unavailable) as refusal:
                catalog.append()
            assert time.monotonic() - began < SLACK_SECONDS
            assert refusal.value.code == "catalog-unconfirmed"
            assert catalog.read(serial) == 0
            assert not catalog.runner.run(catalog.catalog.check()).is_writable
            with pytest.raises(Unavailable) as refusal:
                catalog.append()
            assert refusal.value.code == "catalog-busy", "this one has certainly not happened"
            before = catalog.mark()
        assert try_until_it_works(catalog.append) == 2, "the first one was made after all"
        assert catalog.mark() != before
        assert catalog.runner.run(catalog.catalog.check()).is_writable


def test_a_commit_that_hangs_for_long_is_cut(url: str, postgres: PostgresServer) -> None:
    """The writer is free again; when the commit is made after all, its own node hears of it like of another's."""
    database = PostgresDatabase(make_url(url), readers=1, commit_seconds=0.3)
    with hanging_commits(postgres):
        began = time.monotonic()
        with pytest.raises(Unreachable):
            make_table(database, "late")
        assert time.monotonic() - began < SLACK_SECONDS
        time.sleep(0.5)  # its own thread has asked since, and seen nothing
        before, access_before = database.change_mark(), database.access_mark()
    give_up = time.monotonic() + BACK_SECONDS
    while database.access_mark() == access_before:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    assert database.change_mark() != before
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM late").scalar() == 0
    database.close()


def test_a_reader_of_a_table_delays_its_change_and_nobody_else(url: str) -> None:
    """While a backup reads, a migration tries for moments, so that readers do not queue behind it; then it goes on."""
    old, new = (PostgresDatabase(make_url(url), readers=2) for _ in range(2))
    make_table(old, "old")
    began = time.monotonic()
    with old.reading() as backup:
        backup.exec_driver_sql("SELECT count(*) FROM old")
        with pytest.raises(Unavailable), new.migrating(time.monotonic() + 60) as migration:
            migration.exec_driver_sql("ALTER TABLE old ADD COLUMN more int")
    assert time.monotonic() - began < SLACK_SECONDS
    with new.migrating(time.monotonic() + 60) as migration:
        migration.exec_driver_sql("ALTER TABLE old ADD COLUMN more int")
    old.close()
    new.close()
