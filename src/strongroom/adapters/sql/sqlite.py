"""The rules for connections to SQLite: durable, one writer, checkpoints only by the writer.

Everything that writes to the database file, checkpoints and the closing of
connections included, happens under the `WriteLock`. Does not know the tables.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event

from strongroom.adapters.sql.database import Look, translate_faults
from strongroom.adapters.sql.network_filesystem import MOUNTS, find_network_filesystem
from strongroom.adapters.sql.sqlite_faults import raising_port_errors, translate_sqlite_error
from strongroom.adapters.sql.write_lock import WriteLock
from strongroom.core.errors import ConfigurationFault, StorageFault, Unavailable

_START_TIMEOUT_SECONDS = 60.0
_BUSY_TIMEOUT_SECONDS = 30.0
_CHECKPOINT_BYTES = 4 * 1024 * 1024
_FIXED_SINCE = (3, 51, 3)

_RULES = (
    "synchronous=FULL",
    "fullfsync=ON",
    "checkpoint_fullfsync=ON",
    "foreign_keys=ON",
    "wal_autocheckpoint=0",
    "mmap_size=0",
    "trusted_schema=OFF",
)
_READING_RULES = (*_RULES, "query_only=ON")


def has_wal_reset_bug(version: tuple[int, int, int] = sqlite3.sqlite_version_info) -> bool:
    """Return whether this SQLite can corrupt a WAL database that has two writers; ours has one."""
    return (3, 7, 0) <= version < _FIXED_SINCE


class SqliteDatabase:
    """One database file: a connection for the writer, some for readers, one that watches for changes."""

    looks_at_once = True

    def __init__(self, path: Path, *, readers: int, mounts: Path = MOUNTS) -> None:
        self._path = path.resolve()
        self._wal = self._path.with_name(f"{self._path.name}-wal")
        self._lock = WriteLock(self._path.with_name(f"{self._path.name}.lock"))
        self._checkpoint_at_bytes = _CHECKPOINT_BYTES
        self._unanswered_marks = 0
        _refuse_network_filesystem(self._path.parent, mounts)
        _make_directory(self._path.parent)
        with self._lock.held(time.monotonic() + _START_TIMEOUT_SECONDS), raising_port_errors():
            _create_private_file(self._path)
            self._watch = _open_watch(self._path)
        self._writer = _make_engine(self._path, "BEGIN IMMEDIATE", connections=1, rules=_RULES)
        self._readers = _make_engine(self._path, "BEGIN", connections=readers, rules=_READING_RULES)
        self._lookers = _make_engine(self._path, None, connections=1, rules=(*_READING_RULES, "busy_timeout=0"))
        self._looker: Connection | None = None
        self._looks = Lock()
        self._is_closed = False

    @contextmanager
    def writing(self, deadline: float) -> Iterator[Connection]:
        """Be the only writer of all processes; checkpoint afterwards when the log has grown."""
        with self._lock.held(deadline), self._writer.connect() as connection:
            _wait_at_most(connection, deadline - time.monotonic())
            with connection.begin():
                yield connection
            self._checkpoint_when_grown(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """See the snapshot of the first statement."""
        with self._readers.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def looking(self) -> Iterator[Look | None]:
        """See one snapshot, on a connection that stays; None while another thread looks."""
        if not self._looks.acquire(blocking=False):
            yield None
            return
        try:
            if self._is_closed:
                yield None
                return
            looker = self._looker = self._open_looker()
            with _begun(_driver_connection(looker)) as state:
                yield Look(looker, state)
        finally:
            self._looks.release()

    @contextmanager
    def migrating(self, deadline: float) -> Iterator[Connection]:
        """Be the only writer, with foreign keys checked once, before the commit."""
        rules = tuple(rule for rule in _RULES if not rule.startswith("foreign_keys"))
        engine = _make_engine(self._path, "BEGIN IMMEDIATE", connections=1, rules=rules)
        with self._lock.held(deadline):
            try:
                with engine.begin() as connection:
                    yield connection
                    if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                        raise StorageFault("migration", "The migration would leave rows that refer to nothing")
            finally:
                engine.dispose()

    def change_mark(self) -> int:
        """Return SQLite's data version, or a new negative number while it cannot be asked."""
        try:
            return int(self._watch.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            self._unanswered_marks += 1
            return -self._unanswered_marks

    def access_mark(self) -> int:
        """Return 0: nothing can come between this process and a file, so nothing goes on without asking it."""
        return 0

    def examine(self, _connection: Connection) -> tuple[bool, datetime]:
        """Look at the file and its directory's filesystem; the clock is this machine's."""
        return os.access(self._path, os.W_OK) and os.access(self._path.parent, os.W_OK), datetime.now(UTC)

    def close(self) -> None:
        """Checkpoint and close all connections.

        Closing the last connection to a database checkpoints it, so this needs the lock as
        well. When somebody holds it for too long, we are not the last.
        """
        with suppress(Unavailable), self._lock.held(time.monotonic() + _BUSY_TIMEOUT_SECONDS):
            with suppress(sqlite3.Error):
                _checkpoint(self._watch)
            self._close_connections()
            return
        self._close_connections()

    def _open_looker(self) -> Connection:
        """Return the connection that stays, or another one where SQLAlchemy has given it up."""
        if self._looker is not None and self._looker.invalidated:
            self._looker.close()
            self._looker = None
        return self._looker or self._lookers.connect()

    def _close_connections(self) -> None:
        with self._looks:
            self._is_closed = True
            if self._looker is not None:
                self._looker.close()
        self._lookers.dispose()
        self._readers.dispose()
        self._writer.dispose()
        self._watch.close()

    def _checkpoint_when_grown(self, connection: Connection) -> None:
        """Empty the log; while a reader needs it, try again only after it has grown once more."""
        if _size_bytes(self._wal) < self._checkpoint_at_bytes:
            return
        with suppress(sqlite3.Error):  # the commit stands; a broken disk shows at the next write
            _checkpoint(_driver_connection(connection))
        self._checkpoint_at_bytes = _size_bytes(self._wal) + _CHECKPOINT_BYTES


def _size_bytes(path: Path) -> int:
    """Return the file's size; 0 where it cannot be told, since nothing may fail after a commit."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _checkpoint(connection: sqlite3.Connection) -> None:
    """Copy the log into the database and truncate it, without waiting for readers."""
    connection.execute("PRAGMA busy_timeout=0")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _wait_at_most(connection: Connection, seconds: float) -> None:
    """Let the next transaction wait so long for whoever writes without our lock: a backup, somebody's shell."""
    _driver_connection(connection).execute(f"PRAGMA busy_timeout={max(1, int(seconds * 1000))}")


@contextmanager
def _begun(connection: sqlite3.Connection) -> Iterator[int]:
    """Be in a transaction that only reads, and yield the state that its snapshot has.

    SQLAlchemy would need three times as long for it as for what is looked for.
    """
    with raising_port_errors():
        connection.execute("BEGIN")
        try:
            yield connection.execute("PRAGMA data_version").fetchone()[0]
        finally:
            with suppress(sqlite3.ProgrammingError):  # SQLAlchemy closes a connection that was interrupted
                if connection.in_transaction:  # after some errors it is not any more
                    connection.execute("ROLLBACK")


def _driver_connection(connection: Connection) -> sqlite3.Connection:
    found = connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found


def _refuse_network_filesystem(directory: Path, mounts: Path) -> None:
    kind = find_network_filesystem(directory, mounts=mounts)
    if kind is not None:
        raise ConfigurationFault(
            "network-filesystem",
            f"The catalog would lie on a network filesystem ({kind}), where SQLite loses data",
            "Put the data directory on a local disk, or use PostgreSQL.",
        )


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationFault(
            "data-directory",
            f"The data directory {directory} cannot be made: {error.strerror}",
            "The server's user must be able to write there.",
        ) from error


def _create_private_file(path: Path) -> None:
    """Make the file before SQLite does, so that nobody else may read it, nor the log that takes its mode.

    An existing file is not opened: closing it would drop SQLite's own locks in this process.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise ConfigurationFault(
            "catalog-file",
            f"The catalog {path} cannot be made: {error.strerror}",
            "The server's user must be able to write to the data directory.",
        ) from error


def _connect(path: Path, rules: tuple[str, ...]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        for rule in rules:
            connection.execute(f"PRAGMA {rule}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def _open_watch(path: Path) -> sqlite3.Connection:
    """Open the connection that only watches; being the first, it also recovers what a killed process left.

    It stays open, so that no other connection of this process has to recover or is the last
    to close. It is asked from the event loop, so it never waits.
    """
    connection = _connect(path, ("journal_mode=WAL", *_RULES, "data_version", "busy_timeout=0"))
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if mode != "wal":
        connection.close()
        raise ConfigurationFault(
            "catalog-wal",
            f"The catalog cannot use SQLite's write-ahead log here (it says '{mode}')",
            "Put the data directory on a local disk.",
        )
    return connection


def _make_engine(path: Path, begin: str | None, *, connections: int, rules: tuple[str, ...]) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        creator=_connector(path, rules),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=_BUSY_TIMEOUT_SECONDS,
        hide_parameters=True,
    )

    if begin is not None:
        statement = begin
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(statement))
    translate_faults(engine, translate_sqlite_error)
    return engine


def _connector(path: Path, rules: tuple[str, ...]) -> Callable[[], sqlite3.Connection]:
    return lambda: _connect(path, rules)
