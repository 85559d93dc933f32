"""When a migration is tried again; what it does to the tables is in the contract."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection

from strongroom.adapters.sql.migrate import HEAD, migrate, schema_version
from strongroom.adapters.sql.sqlite import SqliteDatabase
from strongroom.core.errors import Unavailable, Unreachable

BUSY = Unavailable("catalog-busy", "somebody has the table")


class Held(SqliteDatabase):
    """A database whose tables somebody has, for a while."""

    def __init__(self, path: Path, *faults: Unavailable) -> None:
        super().__init__(path, readers=1)
        self.faults = list(faults)
        self.tries = 0

    @contextmanager
    def migrating(self, deadline: float) -> Iterator[Connection]:
        """Fail as often as it was told."""
        self.tries += 1
        if self.faults:
            raise self.faults.pop()
        with super().migrating(deadline) as connection:
            yield connection


def found_schema(database: SqliteDatabase) -> str | None:
    """Return the schema, and close the database."""
    with database.reading() as connection:
        found = schema_version(connection)
    database.close()
    return found


def test_a_migration_waits_for_tables_that_somebody_has(tmp_path: Path) -> None:
    """It lets everybody else pass and tries again."""
    database = Held(tmp_path / "catalog.db", BUSY)
    migrate(database, deadline=time.monotonic() + 30)
    assert database.tries == 2
    assert found_schema(database) == HEAD


@pytest.mark.parametrize(("fault", "seconds"), [(BUSY, 0.5), (Unreachable("catalog-unreachable", "gone"), 30)])
def test_a_migration_gives_up(tmp_path: Path, fault: Unavailable, seconds: float) -> None:
    """At its deadline; at once where there is no server."""
    database = Held(tmp_path / "catalog.db", fault)
    with pytest.raises(Unavailable, match=fault.message):
        migrate(database, deadline=time.monotonic() + seconds)
    assert database.tries == 1
    assert found_schema(database) is None
