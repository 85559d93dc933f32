"""`ports.backup.Contents` on one connection: the rows of every table of the schema, as they are stored.

The tables come from `schema.py` alone, so one that is added there is carried. Values
stay in their stored form (a time is a number, a list is JSON text), which is the same in
both databases. Decides nothing about which rows belong into a backup.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from sqlalchemy import Column as SqlColumn
from sqlalchemy import Connection, MetaData, Table, insert, select, text
from sqlalchemy.types import TypeDecorator

from strongroom.adapters.sql.migrate import HEAD
from strongroom.adapters.sql.schema import metadata
from strongroom.core.backup import Column, Kind, Row, Shape

_AT_ONCE = 500
_KINDS = {int: Kind.INTEGER, str: Kind.TEXT, bool: Kind.BOOLEAN, bytes: Kind.BYTES}
_SET_SEQUENCE = "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) FROM {table}"


class SqlContents:
    """All tables in their stored form."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def schema(self) -> str:
        """Return the revision of the schema; the catalog was brought up to it when it was opened."""
        return HEAD

    def shapes(self) -> tuple[Shape, ...]:
        """Return every table, those that others refer to first."""
        return tuple(_shape(table) for table in metadata.sorted_tables)

    def rows(self, shape: Shape) -> Iterator[Row]:
        """Yield the table's rows in the order of their keys, in constant memory."""
        table = _as_stored(metadata.tables[shape.name])
        statement = select(*(table.c[column.name] for column in shape.columns)).order_by(*table.primary_key)
        for row in self._connection.execution_options(yield_per=_AT_ONCE).execute(statement):
            yield tuple(row)

    def has_rows(self, shape: Shape) -> bool:
        """Return whether the table holds anything."""
        return self._connection.execute(select(_as_stored(metadata.tables[shape.name])).limit(1)).first() is not None

    def add(self, shape: Shape, rows: Iterator[Row]) -> int:
        """Store the rows, and return how many; numbers that the database counts up go on after them."""
        table = _as_stored(metadata.tables[shape.name])
        names = [column.name for column in shape.columns]
        added = 0
        while batch := list(islice(rows, _AT_ONCE)):
            self._connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in batch])
            added += len(batch)
        if added:
            self._count_on(metadata.tables[shape.name])
        return added

    def _count_on(self, table: Table) -> None:
        """Let PostgreSQL count on after the highest number; SQLite does so by itself."""
        counted = table.autoincrement_column
        if counted is not None and self._connection.dialect.name == "postgresql":
            self._connection.execute(text(_SET_SEQUENCE.format(table=table.name, column=counted.name)))


def _shape(table: Table) -> Shape:
    return Shape(name=str(table.name), columns=tuple(_column(column, table) for column in table.columns))


def _column(column: SqlColumn[object], table: Table) -> Column:
    return Column(
        name=str(column.name),
        kind=_KINDS[_stored_type(column).python_type],
        is_nullable=bool(column.nullable),
        is_required=not (column.nullable or column.server_default or column is table.autoincrement_column),
    )


def _as_stored(table: Table) -> Table:
    """Return the table without the types that turn stored values into those of `core`."""
    columns = [SqlColumn(found.name, _stored_type(found), primary_key=found.primary_key) for found in table.columns]
    return Table(table.name, MetaData(), *columns)


def _stored_type(column: SqlColumn[object]):  # type: ignore[no-untyped-def]
    return column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
