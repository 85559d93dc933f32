"""Rows of the table `turns` as `Turn`."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select, update

from strongroom.adapters.sql.rows import AnyRow, save_row
from strongroom.adapters.sql.schema import turns
from strongroom.core.turns import Turn

_IS_KEY = turns.c.job == bindparam("key")
_FIND = select(turns).where(_IS_KEY)
_LIST = select(turns).order_by(turns.c.job)
_ADD = insert(turns)
_REPLACE = update(turns).where(_IS_KEY)


class SqlTurns:
    """`ports.Turns` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, job: str) -> Turn | None:
        """Return whose turn the job is."""
        row = self._connection.execute(_FIND, {"key": job}).one_or_none()
        return None if row is None else _turn(row)

    def list(self) -> tuple[Turn, ...]:
        """Return all turns by job."""
        return tuple(_turn(row) for row in self._connection.execute(_LIST).all())

    def save(self, turn: Turn) -> None:
        """Insert it, or replace the row of the same job."""
        values = {"job": turn.job, "holder": turn.holder, "expires_at": turn.expires_at, "done_at": turn.done_at}
        save_row(self._connection, _REPLACE, insert=_ADD, values=values, key={"key": turn.job})


def _turn(row: AnyRow) -> Turn:
    return Turn(job=row.job, holder=row.holder, expires_at=row.expires_at, done_at=row.done_at)
