"""`ports.Catalog` on a relational database: one thread that writes, a few that read.

Decides where transactions run and how long they may wait. A write that does not end is
given up by whoever waits for it, and says so; it goes on alone, before any later one, and
what it commits is told as ever. Does not know which database system it is, nor any
table's columns.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from strongroom.adapters.sql.contents import SqlContents
from strongroom.adapters.sql.database import Database, News, add_news
from strongroom.adapters.sql.looks import Looks
from strongroom.adapters.sql.migrate import HEAD, migrate, schema_version
from strongroom.adapters.sql.reads import Reads, submit
from strongroom.adapters.sql.sqlite import SqliteDatabase
from strongroom.adapters.sql.tables.copies import SqlCopies
from strongroom.adapters.sql.tables.events import SqlEvents
from strongroom.adapters.sql.tables.exemptions import SqlExemptions
from strongroom.adapters.sql.tables.files import SqlFiles
from strongroom.adapters.sql.tables.followed import SqlFollowed
from strongroom.adapters.sql.tables.indexes import SqlIndexes
from strongroom.adapters.sql.tables.leases import SqlLeases
from strongroom.adapters.sql.tables.names import SqlAskedNames, SqlNameLists
from strongroom.adapters.sql.tables.projects import SqlProjects
from strongroom.adapters.sql.tables.promotions import SqlPromotions
from strongroom.adapters.sql.tables.reservations import SqlReservations
from strongroom.adapters.sql.tables.store import SqlStoreIds
from strongroom.adapters.sql.tables.tokens import SqlTokens
from strongroom.adapters.sql.tables.turns import SqlTurns
from strongroom.adapters.sql.tables.upstream_pages import SqlUpstreamPages
from strongroom.adapters.sql.tables.users import SqlUsers
from strongroom.core.errors import ConfigurationFault, StorageFault, Unavailable
from strongroom.ports import CatalogHealth, Transaction
from strongroom.ports.backup import Contents

T = TypeVar("T")

DEFAULT_READERS = 4
DEFAULT_WRITE_TIMEOUT_SECONDS = 30.0
_ENDING_SECONDS = 5.0
"""How much longer than for its turn a write is waited for, or as long again if that is less."""


class SqlCatalog:
    """The catalog of one database. Made by `open_catalog`."""

    def __init__(self, database: Database, *, chain_key: bytes, readers: int, write_timeout_seconds: float) -> None:
        self._database = database
        self._chain_key = chain_key
        self._write_timeout_seconds = write_timeout_seconds
        self._looks = Looks(self._transaction)
        self._waiting_writes = 0
        self._writing_since: float | None = None
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="catalog-write")
        self._read_threads = ThreadPoolExecutor(readers, thread_name_prefix="catalog-read")
        self._reads = Reads(self._read_threads, database.reading, at_once=readers)

    @property
    def looks_at_once(self) -> bool:
        """Return whether `look` needs no thread."""
        return self._database.looks_at_once

    async def read(self, fn: Callable[[Transaction], T]) -> T:
        """Run the function on one consistent snapshot."""
        try:
            return await self._reads.read(lambda found: fn(self._transaction(found)))
        except SQLAlchemyError as error:
            raise _unexpected(error) from error

    async def look(self, fn: Callable[[Transaction], T]) -> T:
        """Run the short function on one consistent snapshot; in the event loop, unless the database may wait."""
        try:
            with self._database.looking() as look:
                if look is not None:
                    return fn(self._looks.enter(look))
        except Unavailable:  # locked by another process: a thread can wait for that
            pass
        except SQLAlchemyError as error:
            raise _unexpected(error) from error
        return await self.read(fn)

    async def write(self, fn: Callable[[Transaction], T]) -> T:
        """Run the function alone and commit durably; any exception rolls all of it back.

        Raises `Unavailable` when its turn does not come in time, the wait in the queue counts, and
        when its end does not come: then nobody knows whether it is made.
        """
        deadline = self._deadline()
        return await self._take_turn(
            lambda: self._write_timed(lambda found: fn(self._transaction(found)), deadline),
            seconds=self._write_timeout_seconds + min(self._write_timeout_seconds, _ENDING_SECONDS),
        )

    async def export(self, fn: Callable[[Contents], T]) -> T:
        """Run the function on one consistent snapshot of all tables as they are stored."""
        return await _run(self._read_threads, lambda: self._read(lambda found: fn(SqlContents(found))))

    async def fill(self, fn: Callable[[Contents], T]) -> T:
        """Run the function alone on all tables as they are stored, for as long as that takes; commits like `write`."""
        deadline = self._deadline()
        return await self._take_turn(lambda: self._write(lambda found: _fill(found, fn), deadline), seconds=None)

    def change_mark(self) -> int:
        """Return a number that differs whenever an event was committed since, by any process."""
        return self._database.change_mark()

    def access_mark(self) -> int:
        """Return a number that differs whenever a change of access was heard of since."""
        return self._database.access_mark()

    async def check(self) -> CatalogHealth:
        """Ask the database how it is, without waiting for its writers; raises `Unavailable`, `StorageFault`."""
        return await _run(self._read_threads, self._check)

    def waiting_writes(self) -> int:
        """Return how many transactions of this process write or wait for their turn."""
        return self._waiting_writes

    async def close(self) -> None:
        """Let the running transactions end, then close all connections."""
        await asyncio.to_thread(self._close)

    def _deadline(self) -> float:
        return time.monotonic() + self._write_timeout_seconds

    async def _take_turn(self, call: Callable[[], T], *, seconds: float | None) -> T:
        future = submit(self._write_thread, call)
        self._waiting_writes += 1
        try:
            async with asyncio.timeout(seconds) as patience:
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            if not patience.expired():
                raise
            raise _given_up(was_waiting=future.cancel()) from error
        finally:
            self._waiting_writes -= 1

    def _read(self, fn: Callable[[Connection], T]) -> T:
        try:
            with self._database.reading() as connection:
                return fn(connection)
        except SQLAlchemyError as error:
            raise _unexpected(error) from error

    def _check(self) -> CatalogHealth:
        try:
            with self._database.reading() as connection:
                found = schema_version(connection)
                is_writable, at = self._database.examine(connection)
                # A node of the next version may have migrated it: rows are only added to, so this one goes on.
                is_writable = is_writable and not self._is_stuck()
                return CatalogHealth(is_writable, is_migrated=found is not None and found >= HEAD, at=at)
        except SQLAlchemyError as error:
            raise _unexpected(error) from error

    def _is_stuck(self) -> bool:
        """Return whether the running write has taken so long that the next ones will hardly get their turn."""
        since = self._writing_since
        return since is not None and time.monotonic() - since > self._write_timeout_seconds / 2

    def _write_timed(self, fn: Callable[[Connection], T], deadline: float) -> T:
        self._writing_since = time.monotonic()
        try:
            return self._write(fn, deadline)
        finally:
            self._writing_since = None

    def _write(self, fn: Callable[[Connection], T], deadline: float) -> T:
        try:
            with self._database.writing(deadline) as connection:
                return fn(connection)
        except SQLAlchemyError as error:
            raise _unexpected(error) from error

    def _transaction(self, connection: Connection) -> Transaction:
        return Transaction(
            indexes=SqlIndexes(connection),
            projects=SqlProjects(connection),
            files=SqlFiles(connection),
            users=SqlUsers(connection),
            tokens=SqlTokens(connection),
            events=SqlEvents(connection, self._chain_key),
            leases=SqlLeases(connection),
            reservations=SqlReservations(connection),
            upstream_pages=SqlUpstreamPages(connection),
            copies=SqlCopies(connection),
            name_lists=SqlNameLists(connection),
            asked_names=SqlAskedNames(connection),
            exemptions=SqlExemptions(connection),
            promotions=SqlPromotions(connection),
            followed=SqlFollowed(connection),
            turns=SqlTurns(connection),
            store=SqlStoreIds(connection),
        )

    def _close(self) -> None:
        self._write_thread.shutdown()
        self._read_threads.shutdown()
        self._database.close()


def open_catalog(
    url: str,
    *,
    chain_key: bytes,
    readers: int = DEFAULT_READERS,
    write_timeout_seconds: float = DEFAULT_WRITE_TIMEOUT_SECONDS,
) -> SqlCatalog:
    """Open `sqlite:///path` or `postgresql://...`, and bring its schema up to date.

    Raises `ConfigurationFault` for an address that cannot be used, a network filesystem
    and a schema newer than this program; `Unavailable` when the database does not answer.
    """
    database = open_database(url, readers=readers)
    try:
        migrate(database, deadline=time.monotonic() + write_timeout_seconds)
    except BaseException:
        database.close()
        raise
    return SqlCatalog(database, chain_key=chain_key, readers=readers, write_timeout_seconds=write_timeout_seconds)


def open_database(url: str, *, readers: int) -> Database:
    """Return the database system of the address, connected and not migrated; raises like `open_catalog`."""
    hint = "Write sqlite:///path/to/catalog.db or postgresql://user@host/name."
    parsed = _parse_address(url, hint)
    match parsed.get_backend_name(), parsed.database:
        case "sqlite", str(path) if path not in ("", ":memory:"):
            return SqliteDatabase(Path(path), readers=readers)
        case "postgresql" | "postgres", _:
            return _open_postgres(parsed, readers)
        case _:
            raise ConfigurationFault("catalog-url", "The catalog's address names no known database", hint)


def _parse_address(address: str, hint: str) -> URL:
    """Read the address; a stray @ or : in a password makes it ambiguous, and no error may quote a piece of that."""
    try:
        parsed = make_url(address)
    except (ArgumentError, ValueError):
        parsed = None
    is_ambiguous = parsed is not None and parsed.host is not None and address.partition("?")[0].count("@") > 1
    if parsed is None or is_ambiguous:
        escape = "Write @, : and / in a user name or password as %40, %3A and %2F."
        raise ConfigurationFault("catalog-url", "The catalog's address is not a URL", f"{hint} {escape}")
    return parsed


def _open_postgres(url: URL, readers: int) -> Database:
    try:
        from strongroom.adapters.sql.postgres import PostgresDatabase  # its driver is an extra
    except ImportError as error:
        raise ConfigurationFault(
            "postgres-driver", "PostgreSQL needs a driver that is not installed", "Install strongroom[postgres]."
        ) from error
    return PostgresDatabase(url, readers=readers)


def _unexpected(error: SQLAlchemyError) -> Unavailable | StorageFault:
    if isinstance(error, PoolTimeout):
        return Unavailable("catalog-busy", "The catalog has no free connection", "Try again later.")
    return StorageFault("catalog-fault", f"The catalog failed: {error}", "Run `strongroom doctor` on the server.")


def _given_up(*, was_waiting: bool) -> Unavailable:
    if was_waiting:
        return Unavailable("catalog-busy", "The catalog is busy", "Try again later.")
    return Unavailable(
        "catalog-unconfirmed",
        "The catalog has not confirmed the change in time; it may be made yet",
        "Try again later: what was made meanwhile is not made twice.",
    )


def _fill(connection: Connection, fn: Callable[[Contents], T]) -> T:
    add_news(connection, News.ACCESS)
    return fn(SqlContents(connection))


async def _run(threads: ThreadPoolExecutor, call: Callable[[], T]) -> T:
    return await asyncio.wrap_future(submit(threads, call))
