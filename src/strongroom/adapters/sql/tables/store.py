"""The only row of the table `store` as `StoreId`."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from strongroom.adapters.sql.rows import save_row
from strongroom.adapters.sql.schema import store
from strongroom.core.ownership import StoreId

_FIND = select(store)
_INSERT = insert(store)
_UPDATE = update(store)


class SqlStoreIds:
    """`ports.StoreIds` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self) -> StoreId | None:
        """Return the id, None where the catalog never met any blobs."""
        row = self._connection.execute(_FIND).one_or_none()
        return None if row is None else StoreId(row.store_id, is_marked=row.is_marked)

    def save(self, store_id: StoreId) -> None:
        """Insert the row, or replace it."""
        values = {"only_row": 1, "store_id": store_id.text, "is_marked": store_id.is_marked}
        save_row(self._connection, _UPDATE, insert=_INSERT, values=values, key={})
