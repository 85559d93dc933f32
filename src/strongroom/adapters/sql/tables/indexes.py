"""Rows of the table `indexes` as `Index`."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from strongroom.adapters.sql.rows import AnyRow, change_row, delete_rows, insert_row
from strongroom.adapters.sql.schema import indexes
from strongroom.core.model import Downloads, Index
from strongroom.core.names import IndexName
from strongroom.core.upstream import Delivery, Upstream

_FIND = select(indexes).where(indexes.c.name == bindparam("key"))
_LIST = select(indexes).order_by(indexes.c.name)
_ADD = insert(indexes)
_REPLACE = update(indexes).where(indexes.c.name == bindparam("key"))
_REMOVE = delete(indexes).where(indexes.c.name == bindparam("key"))


class SqlIndexes:
    """`ports.Indexes` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, name: IndexName) -> Index | None:
        """Return the index of that name."""
        row = self._connection.execute(_FIND, {"key": name}).one_or_none()
        return None if row is None else _index(row)

    def list(self) -> tuple[Index, ...]:
        """Return all indexes by name."""
        return tuple(_index(row) for row in self._connection.execute(_LIST).all())

    def add(self, index: Index) -> None:
        """Raise `Conflict` when the name is taken."""
        insert_row(
            self._connection, _ADD, values=_values(index), taken=f"There is an index called '{index.name}' already"
        )

    def replace(self, index: Index) -> None:
        """Raise `Conflict` when there is no such index."""
        values = {**_values(index), "key": index.name}
        change_row(self._connection, _REPLACE, values=values, missing=f"There is no index called '{index.name}'")

    def remove(self, name: IndexName) -> None:
        """Raise `Conflict` when the index has projects."""
        delete_rows(self._connection, _REMOVE, values={"key": name})


def _values(index: Index) -> dict[str, object]:
    return {
        "name": index.name,
        "created_at": index.created_at,
        "accepts_uploads": index.accepts_uploads,
        "anonymous_read": index.anonymous_read,
        "bases": index.bases,
        "rules": index.rules,
        "forbids_reserved": index.forbids_reserved,
        "needs_approval": index.needs_approval,
        "downloads": index.downloads.value,
        **_upstream_values(index.upstream),
    }


def _upstream_values(upstream: Upstream | None) -> dict[str, object]:
    return {
        "upstream_url": None if upstream is None else upstream.url,
        "upstream_credentials": None if upstream is None else upstream.credentials,
        "upstream_freshness": None if upstream is None else upstream.freshness,
        "upstream_delivery": None if upstream is None else upstream.delivery.value,
        "upstream_is_offline": None if upstream is None else upstream.is_offline,
    }


def _index(row: AnyRow) -> Index:
    return Index(
        name=row.name,
        created_at=row.created_at,
        accepts_uploads=row.accepts_uploads,
        anonymous_read=row.anonymous_read,
        bases=row.bases,
        upstream=None if row.upstream_url is None else _upstream(row),
        rules=row.rules,
        forbids_reserved=row.forbids_reserved,
        needs_approval=row.needs_approval,
        downloads=Downloads(row.downloads),
    )


def _upstream(row: AnyRow) -> Upstream:
    return Upstream(
        url=row.upstream_url,
        credentials=row.upstream_credentials,
        freshness=row.upstream_freshness,
        delivery=Delivery(row.upstream_delivery),
        is_offline=row.upstream_is_offline,
    )
