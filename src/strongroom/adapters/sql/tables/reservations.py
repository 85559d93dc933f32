"""Rows of the table `reservations` as `Reservation`."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update

from strongroom.adapters.sql.rows import AnyRow, save_row
from strongroom.adapters.sql.schema import reservations
from strongroom.core.names import IndexName, ProjectName, ProjectPattern
from strongroom.core.reservations import Hold, Reservation

_IS_KEY = (reservations.c.index_name == bindparam("index_key"), reservations.c.pattern == bindparam("pattern_key"))
_FIND = select(reservations).where(*_IS_KEY)
_LIST = select(reservations).order_by(reservations.c.index_name, reservations.c.pattern)
_LIST_NEAR = _LIST.where(
    or_(
        reservations.c.pattern == bindparam("project"),
        *(reservations.c.pattern.contains(sign, autoescape=True) for sign in "*?"),
    )
)
_LIST_FIRST = _LIST.limit(bindparam("most"))
_ADD = insert(reservations)
_REPLACE = update(reservations).where(*_IS_KEY)
_REMOVE = delete(reservations).where(*_IS_KEY)


class SqlReservations:
    """`ports.Reservations` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, index: IndexName, pattern: ProjectPattern) -> Reservation | None:
        """Return the index's hold on exactly this name or pattern."""
        row = self._connection.execute(_FIND, _key(index, pattern)).one_or_none()
        return None if row is None else _reservation(row)

    def list(self) -> tuple[Reservation, ...]:
        """Return all of them, by index and pattern."""
        return tuple(_reservation(row) for row in self._connection.execute(_LIST).all())

    def list_first(self, most: int) -> tuple[Reservation, ...]:
        """Return so many of them at most, by index and pattern."""
        return tuple(_reservation(row) for row in self._connection.execute(_LIST_FIRST, {"most": most}).all())

    def list_covering(self, project: ProjectName) -> tuple[Reservation, ...]:
        """Return those that mean the name: the database leaves the other exact ones out, the rest are few."""
        found = map(_reservation, self._connection.execute(_LIST_NEAR, {"project": project}).all())
        return tuple(item for item in found if item.covers(project))

    def save(self, reservation: Reservation) -> None:
        """Insert it, or replace the row of the same index and pattern."""
        key = _key(reservation.index, reservation.pattern)
        save_row(self._connection, _REPLACE, insert=_ADD, values=_values(reservation), key=key)

    def remove(self, index: IndexName, pattern: ProjectPattern) -> None:
        """Remove it, if it is there."""
        self._connection.execute(_REMOVE, _key(index, pattern))


def _key(index: IndexName, pattern: ProjectPattern) -> dict[str, object]:
    return {"index_key": index, "pattern_key": pattern}


def _values(reservation: Reservation) -> dict[str, object]:
    return {
        "index_name": reservation.index,
        "pattern": reservation.pattern,
        "hold": reservation.hold.value,
        "created_at": reservation.created_at,
        "created_by": reservation.created_by,
        "reason": reservation.reason,
    }


def _reservation(row: AnyRow) -> Reservation:
    return Reservation(
        index=row.index_name,
        pattern=row.pattern,
        hold=Hold(row.hold),
        created_at=row.created_at,
        created_by=row.created_by,
        reason=row.reason,
    )
