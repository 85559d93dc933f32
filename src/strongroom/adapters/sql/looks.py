"""Tables as a connection sees them that only looks, in the event loop: what it finds, found with less effort.

An installer asks for hundreds of projects and files that nobody here has. So whether
there is a row at all is asked of the driver first, in a tenth of the time that a
statement takes; and the small tables that each such question needs are read once for all
looks between two commits. Nothing is remembered beyond the state of the database in
which it was read. For SQLite only: to others a look would be a message.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, bindparam, literal_column, select, union_all
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.selectable import SelectBase

from strongroom.adapters.sql.database import Look
from strongroom.adapters.sql.schema import copies, projects, tombstones, upstream_pages
from strongroom.adapters.sql.tables.copies import SqlCopies
from strongroom.adapters.sql.tables.exemptions import SqlExemptions
from strongroom.adapters.sql.tables.indexes import SqlIndexes
from strongroom.adapters.sql.tables.projects import SqlProjects
from strongroom.adapters.sql.tables.reservations import SqlReservations
from strongroom.adapters.sql.tables.upstream_pages import SqlUpstreamPages
from strongroom.core.exemptions import Exemption
from strongroom.core.mirrored import Copy
from strongroom.core.model import Index
from strongroom.core.names import Filename, IndexName, ProjectName
from strongroom.core.reservations import Reservation
from strongroom.ports import Transaction

T = TypeVar("T")

FEW = 100
"""A table of more rows is not remembered: after each commit it would be read again."""

_IS_THERE: ColumnElement[int] = literal_column("1")
_HAS_COPY = select(_IS_THERE).where(
    copies.c.index_name == bindparam("index_key"), copies.c.filename == bindparam("filename_key")
)
_HAS_PAGE = select(_IS_THERE).where(
    upstream_pages.c.index_name == bindparam("index_key"), upstream_pages.c.project_name == bindparam("project_key")
)
_HAS_OWNER = union_all(
    select(_IS_THERE).where(projects.c.name == bindparam("project_key")),
    select(_IS_THERE).where(tombstones.c.project_name == bindparam("project_key")),
)


class Memory:
    """What was read of the database in one state. Any: each table has values of its own type."""

    def __init__(self) -> None:
        self._state: int | None = None
        self._held: dict[type, Any] = {}

    def enter(self, state: int) -> None:
        """Forget what was read in another state."""
        if state != self._state:
            self._held.clear()
            self._state = state

    def find(self, kind: type, read: Callable[[], T]) -> T:
        """Return what is remembered of that kind; it is read if nothing is."""
        if kind not in self._held:
            self._held[kind] = read()
        found: T = self._held[kind]
        return found


class Probe:
    """Whether a statement finds a row. Asks SQLite's driver, and raises the driver's errors."""

    def __init__(self, connection: Connection, statement: SelectBase) -> None:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        self._driver = driver
        self._text = str(statement.compile(dialect=sqlite.dialect(paramstyle="named")))

    def finds(self, values: dict[str, str]) -> bool:
        """Return whether there is a row for these values of the statement's parameters."""
        return self._driver.execute(self._text, values).fetchone() is not None


class LookedAtIndexes(SqlIndexes):
    """`SqlIndexes`, remembered."""

    def __init__(self, connection: Connection, memory: Memory) -> None:
        super().__init__(connection)
        self._memory = memory

    def find(self, name: IndexName) -> Index | None:
        """Return the index of that name."""
        return next((index for index in self.list() if index.name == name), None)

    def list(self) -> tuple[Index, ...]:
        """Return all indexes by name."""
        return self._memory.find(Index, super().list)


class LookedAtReservations(SqlReservations):
    """`SqlReservations`, remembered while they are few."""

    def __init__(self, connection: Connection, memory: Memory) -> None:
        super().__init__(connection)
        self._memory = memory

    def list_covering(self, project: ProjectName) -> tuple[Reservation, ...]:
        """Return those that mean the name."""
        few = self._memory.find(Reservation, self._list_few)
        if few is None:
            return super().list_covering(project)
        return tuple(item for item in few if item.covers(project))

    def _list_few(self) -> tuple[Reservation, ...] | None:
        found = self.list_first(FEW + 1)
        return found if len(found) <= FEW else None


class LookedAtExemptions(SqlExemptions):
    """`SqlExemptions`, remembered while they are few."""

    def __init__(self, connection: Connection, memory: Memory) -> None:
        super().__init__(connection)
        self._memory = memory

    def list(self, index: IndexName | None = None, project: ProjectName | None = None) -> tuple[Exemption, ...]:
        """Return those of the index and project (None: any), oldest request first."""
        few = self._memory.find(Exemption, self._list_few)
        if few is None:
            return super().list(index, project)
        return tuple(item for item in few if index in (None, item.index) and project in (None, item.project))

    def _list_few(self) -> tuple[Exemption, ...] | None:
        found = self.list_first(FEW + 1)
        return found if len(found) <= FEW else None


class LookedAtProjects(SqlProjects):
    """`SqlProjects`, for names of which most are nobody's."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._has_owner = Probe(connection, _HAS_OWNER)

    def find_owners(self, name: ProjectName) -> frozenset[IndexName]:
        """Return the indexes that have the project, or that have deleted files of it."""
        return super().find_owners(name) if self._has_owner.finds({"project_key": name}) else frozenset()


class LookedAtPages(SqlUpstreamPages):
    """`SqlUpstreamPages`, for projects of which most were never asked for."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._has_page = Probe(connection, _HAS_PAGE)

    def find_time(self, index: IndexName, project: ProjectName) -> datetime | None:
        """Return when the page was fetched, without reading it."""
        is_there = self._has_page.finds({"index_key": index, "project_key": project})
        return super().find_time(index, project) if is_there else None


class LookedAtCopies(SqlCopies):
    """`SqlCopies`, for files of which most are not kept."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._has_copy = Probe(connection, _HAS_COPY)

    def find(self, index: IndexName, filename: Filename) -> Copy | None:
        """Return the copy of that name in the index."""
        is_there = self._has_copy.finds({"index_key": index, "filename_key": filename})
        return super().find(index, filename) if is_there else None


class Looks:
    """The transaction of whoever looks: the same as long as the connection is, since making one takes its time, too."""

    def __init__(self, make: Callable[[Connection], Transaction]) -> None:
        """Take from the maker what is not looked at in a way of its own."""
        self._make = make
        self._memory = Memory()
        self._made: tuple[Connection, Transaction] | None = None

    def enter(self, look: Look) -> Transaction:
        """Return the tables as this look sees them."""
        if self._made is None or self._made[0] is not look.connection:
            self._memory = Memory()  # the states of two connections mean nothing to each other
            self._made = look.connection, self._open(look.connection)
        self._memory.enter(look.state)
        return self._made[1]

    def _open(self, connection: Connection) -> Transaction:
        return replace(
            self._make(connection),
            indexes=LookedAtIndexes(connection, self._memory),
            projects=LookedAtProjects(connection),
            reservations=LookedAtReservations(connection, self._memory),
            upstream_pages=LookedAtPages(connection),
            copies=LookedAtCopies(connection),
            exemptions=LookedAtExemptions(connection, self._memory),
        )
