"""Which blobs the rows of a table name: the same question to `files` and to `copies`.

Each column of digests has an index, and each question is one for each column, so that no
answer reads or sorts a whole table.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import BindParameter, ColumnElement, Connection, Integer, Select, Table, bindparam, select

from strongroom.core.names import Sha256

_COLUMNS = ("sha256", "metadata_sha256", "provenance_sha256")
_IS_AMONG: BindParameter[str] = bindparam("digests", expanding=True)
_FROM: BindParameter[str] = bindparam("first")
_MOST: BindParameter[int] = bindparam("most", type_=Integer)


class NamedDigests:
    """The questions about one table; `has_bytes` says which rows have the bytes of their own digest."""

    def __init__(self, table: Table, has_bytes: ColumnElement[bool] | None = None) -> None:
        columns = [select(table.c[name]).distinct() for name in _COLUMNS]
        if has_bytes is not None:
            columns[0] = columns[0].where(has_bytes)
        self.find_statements = tuple(found.where(_first_of(found).in_(_IS_AMONG)) for found in columns)
        self.list_statements = tuple(
            found.where(_first_of(found) >= _FROM).order_by(_first_of(found)).limit(_MOST) for found in columns
        )

    def find(self, connection: Connection, digests: Collection[Sha256]) -> frozenset[Sha256]:
        """Return those of the blobs that a row needs."""
        asked = {"digests": list(digests)}
        return frozenset(row[0] for found in self.find_statements for row in connection.execute(found, asked))

    def list(self, connection: Connection, first: Sha256, *, limit: int) -> tuple[Sha256, ...]:
        """Return the blobs that rows need, in the order of digests from that one on, each once."""
        asked = {"first": first, "most": limit}
        named = {row[0] for found in self.list_statements for row in connection.execute(found, asked)}
        return tuple(sorted(named)[:limit])


def _first_of(found: Select[tuple[str]]) -> ColumnElement[str]:
    return next(iter(found.selected_columns))
