"""Writes of single rows, and the `Conflict` when there is none or one too many.

Does not know any table; the messages come from `tables/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Delete, Insert, Row, Update

from strongroom.core.errors import Conflict

Values = Mapping[str, object]
AnyRow = Row[*tuple[Any, ...]]
"""A row of a whole table: SQLAlchemy does not know the types of `select(table)`, so `Any` it is."""


def insert_row(connection: Connection, statement: Insert, *, values: Values, taken: str) -> None:
    """Insert one row; raises `Conflict` with the given sentence when its key is taken.

    The savepoint keeps the transaction usable afterwards: PostgreSQL refuses every
    further statement of a transaction in which one has failed.
    """
    try:
        with connection.begin_nested():
            connection.execute(statement, values)
    except Conflict as error:
        if error.code != "taken":
            raise
        raise Conflict("taken", taken) from error


def change_row(connection: Connection, statement: Update, *, values: Values, missing: str) -> None:
    """Update one row; raises `Conflict` with the given sentence when there is none."""
    if connection.execute(statement, values).rowcount == 0:
        raise Conflict("missing", missing)


def save_row(connection: Connection, update: Update, *, insert: Insert, values: Values, key: Values) -> None:
    """Update the row of the key, or insert it where there is none; one writer at a time makes that safe."""
    if connection.execute(update, {**values, **key}).rowcount == 0:
        with connection.begin_nested():
            connection.execute(insert, values)


def delete_rows(connection: Connection, statement: Delete, *, values: Values) -> int:
    """Delete the rows and return how many there were; raises `Conflict` when others refer to one of them."""
    with connection.begin_nested():
        return connection.execute(statement, values).rowcount
