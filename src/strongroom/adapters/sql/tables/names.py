"""Rows of the tables `name_lists` and `asked_names` as `NameList` and `AskedName`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from strongroom.adapters.sql.rows import AnyRow, save_row
from strongroom.adapters.sql.schema import asked_names, name_lists
from strongroom.core.mirrored import AskedName, NameList
from strongroom.core.names import IndexName, ProjectName

_IS_LIST = name_lists.c.index_name == bindparam("index_key")
_FIND = select(name_lists).where(_IS_LIST)
_LIST = select(name_lists).order_by(name_lists.c.index_name)
_ADD = insert(name_lists)
_REPLACE = update(name_lists).where(_IS_LIST)
_REMOVE = delete(name_lists).where(_IS_LIST)

_ASK_FIRST = insert(asked_names)
_ASK_AGAIN = (
    update(asked_names)
    .where(asked_names.c.index_name == bindparam("index_key"), asked_names.c.project_name == bindparam("project_key"))
    .values(times_asked=asked_names.c.times_asked + bindparam("times_asked"), last_asked_at=bindparam("last_asked_at"))
)
_LIST_ASKED = (
    select(asked_names)
    .order_by(asked_names.c.times_asked.desc(), asked_names.c.index_name, asked_names.c.project_name)
    .limit(bindparam("most"))
)
_FORGET = delete(asked_names).where(asked_names.c.last_asked_at < bindparam("before"))


class SqlNameLists:
    """`ports.NameLists` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, index: IndexName) -> NameList | None:
        """Return the list of the index's upstream."""
        row = self._connection.execute(_FIND, {"index_key": index}).one_or_none()
        return None if row is None else _name_list(row)

    def list(self) -> tuple[NameList, ...]:
        """Return all of them, by index."""
        return tuple(_name_list(row) for row in self._connection.execute(_LIST).all())

    def save(self, names: NameList) -> None:
        """Insert it, or replace the row of the same index."""
        values = {
            "index_name": names.index,
            "sha256": names.sha256,
            "name_count": names.count,
            "fetched_at": names.fetched_at,
            "etag": names.etag,
        }
        save_row(self._connection, _REPLACE, insert=_ADD, values=values, key={"index_key": names.index})

    def remove(self, index: IndexName) -> None:
        """Remove it, if it is there."""
        self._connection.execute(_REMOVE, {"index_key": index})


class SqlAskedNames:
    """`ports.AskedNames` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, counts: Mapping[tuple[IndexName, ProjectName], int], at: datetime) -> None:
        """Add to the counts and set the time of the last asking."""
        for (index, project), count in counts.items():
            asked = {"times_asked": count, "last_asked_at": at}
            values = {"index_name": index, "project_name": project, **asked}
            key = {"index_key": index, "project_key": project}
            again = self._connection.execute(_ASK_AGAIN, {**asked, **key})
            if again.rowcount == 0:
                self._connection.execute(_ASK_FIRST, values)

    def list(self, index: IndexName | None = None, limit: int = 1000) -> tuple[AskedName, ...]:
        """Return them, those asked for most often first, then by index and name."""
        statement = _LIST_ASKED if index is None else _LIST_ASKED.where(asked_names.c.index_name == index)
        return tuple(_asked_name(row) for row in self._connection.execute(statement, {"most": limit}).all())

    def remove_before(self, at: datetime) -> int:
        """Forget those that were last asked for before that time, and return how many."""
        return self._connection.execute(_FORGET, {"before": at}).rowcount


def _name_list(row: AnyRow) -> NameList:
    return NameList(
        index=row.index_name, sha256=row.sha256, count=row.name_count, fetched_at=row.fetched_at, etag=row.etag
    )


def _asked_name(row: AnyRow) -> AskedName:
    return AskedName(
        index=row.index_name, project=row.project_name, count=row.times_asked, last_asked_at=row.last_asked_at
    )
