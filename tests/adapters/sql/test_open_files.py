"""The catalog in a process that may open no further file: that passes, and is told so."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from strongroom.adapters.sql.sqlite_faults import raising_port_errors, translate_sqlite_error
from strongroom.adapters.sql.write_lock import WriteLock
from strongroom.core.errors import StorageFault, Unavailable
from tests.adapters.blobs.test_disk_faults import no_more_files


def test_the_write_lock_cannot_be_opened(tmp_path: Path) -> None:
    """It is a 503 with its fix, and later the lock can be held."""
    lock = WriteLock(tmp_path / "lock")
    with no_more_files(), pytest.raises(Unavailable) as caught, lock.held(time.monotonic() + 1):
        pass
    assert caught.value.code == "too-many-files"
    with lock.held(time.monotonic() + 1):
        pass


def test_a_file_of_the_database_cannot_be_opened(tmp_path: Path) -> None:
    """SQLite does not say why; a directory that is not there is still a fault of the store."""
    path = tmp_path / "catalog.sqlite3"
    with no_more_files(), pytest.raises(Unavailable, match="as many files open"), raising_port_errors():
        sqlite3.connect(path).execute("SELECT 1 FROM sqlite_master")
    with pytest.raises(StorageFault), raising_port_errors():
        sqlite3.connect(tmp_path / "missing" / "catalog.sqlite3")


def test_what_is_not_of_sqlite_is_left_alone() -> None:
    """Nothing else is taken for a fault of the catalog."""
    assert translate_sqlite_error(ValueError("no")) is None
