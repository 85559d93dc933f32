"""The rules for SQLite: how each connection is set, who checkpoints, what is refused."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from strongroom.adapters.sql import sqlite as sqlite_module
from strongroom.adapters.sql.catalog import open_catalog
from strongroom.adapters.sql.sqlite import SqliteDatabase, _open_watch, has_wal_reset_bug
from strongroom.adapters.sql.sqlite_faults import translate_sqlite_error
from strongroom.core.errors import ConfigurationFault, StorageFault, StorageFull, Unavailable
from strongroom.ports import Transaction
from tests.contracts.driven import CHAIN_KEY, SOMEBODY, Driven, driven
from tests.contracts.test_catalog_log import UPLOADED
from tests.contracts.test_catalog_transactions import append
from tests.fakes import START

READERS = 2
RULES = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL
    "foreign_keys": 1,
    "wal_autocheckpoint": 0,
    "mmap_size": 0,
    "trusted_schema": 0,
}


def soon() -> float:
    """Return a deadline."""
    return time.monotonic() + 10


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    """Open a database without tables."""
    made = SqliteDatabase(tmp_path / "catalog.db", readers=READERS)
    yield made
    made.close()


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Driven]:
    """Open a catalog that loses patience after a moment."""
    with driven(open_catalog(f"sqlite:///{tmp_path}/catalog.db", chain_key=CHAIN_KEY, write_timeout_seconds=0.3)) as it:
        yield it


def wal_bytes(folder: Path) -> int:
    """Return the size of the log."""
    return (folder / "catalog.db-wal").stat().st_size


@pytest.mark.parametrize("rule", RULES)
def test_every_connection_keeps_the_rules(database: SqliteDatabase, rule: str) -> None:
    """Writer and readers are set explicitly, whatever SQLite was compiled with."""
    with (
        database.writing(soon()) as writer,
        database.reading() as first,
        database.reading() as second,
        database.looking() as look,
    ):
        assert look is not None
        for connection in (writer, first, second, look.connection):
            assert connection.exec_driver_sql(f"PRAGMA {rule}").scalar() == RULES[rule]
    with database.migrating(soon()) as connection:
        assert connection.exec_driver_sql(f"PRAGMA {rule}").scalar() == (0 if rule == "foreign_keys" else RULES[rule])


def test_the_files_are_private(catalog: Driven, tmp_path: Path) -> None:
    """Database, log and lock can be read by their owner only."""
    catalog.append()
    names = sorted(os.listdir(tmp_path))
    assert names == ["catalog.db", "catalog.db-shm", "catalog.db-wal", "catalog.db.lock"]
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names} == {0o600}


def test_the_log_is_emptied_when_it_has_grown(catalog: Driven, tmp_path: Path) -> None:
    """The writer checkpoints: many large commits leave a small log, and closing leaves none."""

    def append_much(tx: Transaction) -> None:
        for _ in range(200):
            tx.events.append(UPLOADED, at=START, actor=SOMEBODY)

    sizes = []
    for _ in range(40):
        catalog.write(append_much)
        sizes.append(wal_bytes(tmp_path))
    assert max(sizes) < 6 * 1024 * 1024
    assert min(sizes[5:]) < max(sizes) / 4
    catalog.runner.run(catalog.catalog.close())
    assert sorted(os.listdir(tmp_path)) == ["catalog.db", "catalog.db.lock"]


def test_a_log_that_cannot_be_looked_at_does_not_undo_the_commit(database: SqliteDatabase, tmp_path: Path) -> None:
    """After the commit nothing may fail any more: the change would look as if it had not happened."""
    database._wal = tmp_path / ("x" * 300)  # a name too long for the filesystem
    with database.writing(soon()) as connection:
        connection.exec_driver_sql("CREATE TABLE thing (name TEXT)")
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM thing").scalar_one() == 0


def test_a_reader_does_not_stop_the_writer(database: SqliteDatabase, tmp_path: Path) -> None:
    """While a reader needs the old state the log only grows; afterwards it is emptied."""
    with database.writing(soon()) as writer:
        writer.exec_driver_sql("CREATE TABLE t (x BLOB)")

    def write_much() -> None:
        for _ in range(12):
            with database.writing(soon()) as writer:
                writer.exec_driver_sql("INSERT INTO t VALUES (zeroblob(1000000))")

    with database.reading() as reader:
        assert reader.exec_driver_sql("SELECT count(*) FROM t").scalar() == 0
        started = time.monotonic()
        write_much()
        assert time.monotonic() - started < 15
        assert reader.exec_driver_sql("SELECT count(*) FROM t").scalar() == 0
        assert wal_bytes(tmp_path) > 10_000_000
    write_much()
    assert wal_bytes(tmp_path) < 10_000_000


def test_a_locked_catalog_is_unavailable_and_recovers(catalog: Driven, tmp_path: Path) -> None:
    """A writer waits for its turn no longer than it is told; readers and the mark do not notice."""
    catalog.append()
    with SqliteDatabase(tmp_path / "catalog.db", readers=1).writing(soon()):
        before = catalog.mark()
        with pytest.raises(Unavailable):
            catalog.append()
        assert catalog.read(lambda tx: tx.events.serial()) == 1
        assert catalog.mark() == before
    assert catalog.append() == 2


def test_a_writer_without_our_lock_is_waited_for_no_longer(catalog: Driven, tmp_path: Path) -> None:
    """Somebody's shell that holds a write transaction makes us busy, not stuck; readers and mark do not notice."""
    catalog.append()
    shell = sqlite3.connect(tmp_path / "catalog.db", isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    before, started = catalog.mark(), time.monotonic()
    with pytest.raises(Unavailable, match="locked"):
        catalog.append()
    assert time.monotonic() - started < 10
    assert (catalog.read(lambda tx: tx.events.serial()), catalog.mark()) == (1, before)
    shell.execute("ROLLBACK")
    shell.close()
    assert catalog.append() == 2


def test_a_look_needs_no_thread_and_waits_for_nobody(catalog: Driven) -> None:
    """It is made where it is asked for; one that finds the file locked is made again, in a thread that can wait."""
    assert catalog.look(lambda tx: threading.current_thread()) is threading.current_thread()
    asked: list[threading.Thread] = []

    def find_it_locked(tx: Transaction) -> int:
        asked.append(threading.current_thread())
        if len(asked) == 1:
            raise Unavailable("catalog-busy", "The catalog is locked by another process", "Try again later.")
        return tx.events.serial()

    assert catalog.look(find_it_locked) == 0
    assert [thread is threading.current_thread() for thread in asked] == [True, False]


def test_a_full_disk_is_said_and_harms_nothing(tmp_path: Path) -> None:
    """A write that finds no room is refused as such; what was there stays, and room makes it work again."""
    database = SqliteDatabase(tmp_path / "catalog.db", readers=1)
    with database.writing(soon()) as connection:
        connection.exec_driver_sql("CREATE TABLE t (x BLOB)")
    with database.writing(soon()) as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 10")
    with pytest.raises(StorageFull), database.writing(soon()) as connection:
        connection.exec_driver_sql("INSERT INTO t VALUES (zeroblob(1000000))")
    with database.writing(soon()) as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
        connection.exec_driver_sql("INSERT INTO t VALUES (zeroblob(1000000))")
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM t").scalar() == 1
    database.close()


def test_a_damaged_database_is_a_fault(tmp_path: Path) -> None:
    """A file that is no database is refused at the start, and left as it is."""
    path = tmp_path / "catalog.db"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StorageFault, match="not a database"):
        SqliteDatabase(path, readers=1)
    assert path.read_bytes() == b"not a database" * 1000


def test_a_broken_statement_is_a_fault(database: SqliteDatabase) -> None:
    """An error that nobody foresaw arrives as a fault with the driver's words."""
    with pytest.raises(StorageFault, match="no such table"), database.reading() as connection:
        connection.exec_driver_sql("SELECT * FROM nowhere")


def test_a_network_filesystem_is_refused(tmp_path: Path) -> None:
    """The refusal names the filesystem and what to do, and no file is made."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/export {tmp_path} nfs4 rw 0 0\n")
    with pytest.raises(ConfigurationFault, match="nfs4") as refusal:
        SqliteDatabase(tmp_path / "data" / "catalog.db", readers=1, mounts=mounts)
    assert "local disk" in refusal.value.hint
    assert os.listdir(tmp_path) == ["mounts"]


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """The refusal names the file; a file in the way of the directory stays."""
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(ConfigurationFault, match="data directory"):
        SqliteDatabase(tmp_path / "data" / "catalog.db", readers=1)
    assert (tmp_path / "data").read_text() == "in the way"


def test_a_migration_cannot_leave_broken_references(database: SqliteDatabase) -> None:
    """Foreign keys are checked before a migration commits, since they are off while it runs."""
    with database.writing(soon()) as connection:
        connection.exec_driver_sql("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
        connection.exec_driver_sql("CREATE TABLE child (parent INTEGER REFERENCES parent (id))")
    with pytest.raises(StorageFault, match="refer"), database.migrating(soon()) as connection:
        connection.exec_driver_sql("INSERT INTO child VALUES (7)")
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM child").scalar() == 0


def test_the_mark_of_a_lost_database_always_changes(database: SqliteDatabase) -> None:
    """When SQLite cannot be asked, every answer says that something may have changed."""
    database.close()
    assert len({database.change_mark() for _ in range(5)}) == 5


def test_the_catalog_answers_after_a_failed_write(catalog: Driven) -> None:
    """A write that failed for any reason leaves the writer's connection usable."""
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            catalog.write(lambda tx: append(tx) / 0)
    assert catalog.append() == 1


@pytest.mark.parametrize(
    ("version", "is_affected"),
    [((3, 6, 23), False), ((3, 7, 0), True), ((3, 40, 1), True), ((3, 51, 2), True), ((3, 51, 3), False)],
)
def test_versions_with_the_wal_bug_are_known(version: tuple[int, int, int], *, is_affected: bool) -> None:
    """SQLite 3.7.0 to 3.51.2 can corrupt a WAL database that has two writers."""
    assert has_wal_reset_bug(version) is is_affected
    assert has_wal_reset_bug() is (sqlite3.sqlite_version_info < (3, 51, 3))


def test_a_catalog_that_cannot_log_ahead_is_refused() -> None:
    """Where SQLite's write-ahead log does not work, the start ends with a hint."""
    with pytest.raises(ConfigurationFault, match="'memory'"):
        _open_watch(Path(":memory:"))


def test_a_file_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """When only the database's file is refused, its name is in the message."""
    really_open = os.open

    def refuse_database(path: str | Path, *how: int) -> int:
        if str(path).endswith("catalog.db"):
            raise PermissionError(errno.EACCES, "no")
        return really_open(path, *how)

    with mock.patch("os.open", refuse_database), pytest.raises(ConfigurationFault, match=r"catalog\.db"):
        SqliteDatabase(tmp_path / "catalog.db", readers=1)


def test_closing_does_not_wait_for_ever(database: SqliteDatabase, tmp_path: Path) -> None:
    """When another process keeps the lock, the connections are closed without a last checkpoint."""
    other = SqliteDatabase(tmp_path / "catalog.db", readers=1)
    with other.writing(soon()) as connection:
        connection.exec_driver_sql("CREATE TABLE t (x BLOB)")
        with mock.patch.object(sqlite_module, "_BUSY_TIMEOUT_SECONDS", 0.05):
            database.close()
    with other.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM t").scalar() == 0
    other.close()


def test_errors_of_the_program_stay_as_they_are() -> None:
    """Only SQLite's errors are translated, and one without a code is a fault."""
    assert translate_sqlite_error(ZeroDivisionError()) is None
    assert type(translate_sqlite_error(sqlite3.ProgrammingError("misuse"))) is StorageFault


@pytest.mark.parametrize("call", ["read", "look", "write"])
def test_unforeseen_errors_of_sqlalchemy_are_translated(catalog: Driven, call: str) -> None:
    """No error of SQLAlchemy leaves the catalog: a starved pool is busy, anything else a fault."""

    def fail_with(error: Exception) -> None:
        def fail(tx: Transaction) -> None:
            raise error

        getattr(catalog, call)(fail)

    with pytest.raises(Unavailable):
        fail_with(PoolTimeout())
    with pytest.raises(StorageFault):
        fail_with(InvalidRequestError())
