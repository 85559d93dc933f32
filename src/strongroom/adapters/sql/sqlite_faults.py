"""SQLite's errors as errors of the ports."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from strongroom.core.errors import Conflict, StorageFault, StrongroomError, Unavailable
from strongroom.core.os_faults import TOO_MANY_OPEN, disk_full, too_many_files

_TAKEN = frozenset({"SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_ROWID", "SQLITE_CONSTRAINT_UNIQUE"})


def translate_sqlite_error(error: BaseException) -> StrongroomError | None:
    """Return the error of the ports that says the same, or None when it is not SQLite's."""
    if not isinstance(error, sqlite3.Error):
        return None
    # The module raises some errors itself, without a code: misuse, which is our own fault.
    name: str = getattr(error, "sqlite_errorname", "")
    if name in _TAKEN:
        return Conflict("taken", "There is such a row already")
    if name == "SQLITE_CONSTRAINT_FOREIGNKEY":
        return Conflict("reference", "The change would leave something that refers to nothing")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Unavailable("catalog-busy", "The catalog is locked by another process", "Try again later.")
    if name == "SQLITE_FULL":
        return disk_full("the catalog")
    if name.startswith("SQLITE_CANTOPEN") and _may_open_no_more():
        return too_many_files("Opening a file of the catalog")
    return StorageFault(
        "catalog-fault", f"The catalog failed: {error} ({name or 'no code'})", "Run `strongroom doctor` on the server."
    )


@contextmanager
def raising_port_errors() -> Iterator[None]:
    """Translate the errors of a block that uses SQLite without SQLAlchemy."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate_sqlite_error(error) or error from error


def _may_open_no_more() -> bool:
    """SQLite does not say why it cannot open a file, so the question is put to the system again."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error.errno in TOO_MANY_OPEN
    return False
