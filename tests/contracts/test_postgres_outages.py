"""A PostgreSQL server that goes silent, is full, or takes too long: how long a catalog waits, and that it recovers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from psycopg import sql
from sqlalchemy import make_url

from strongroom.adapters.sql.catalog import open_catalog
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
