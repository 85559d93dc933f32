"""The only row of the table `followed` as `Followed`."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from strongroom.adapters.sql.rows import save_row
from strongroom.adapters.sql.schema import followed
from strongroom.core.replica import Followed

_FIND = select(followed)
_INSERT = insert(followed)
_UPDATE = update(followed)
_REMOVE = delete(followed)


class SqlFollowed:
    """`ports.FollowedServer` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self) -> Followed | None:
        """Return the followed server, None where this one is no replica."""
        row = self._connection.execute(_FIND).one_or_none()
        if row is None:
            return None
        return Followed(url=row.url, credentials=row.credentials, serial=row.serial, level_at=row.heard_at)

    def save(self, followed: Followed) -> None:
        """Insert the row, or replace it."""
        values = {
            "only_row": 1,
            "url": followed.url,
            "credentials": followed.credentials,
            "serial": followed.serial,
            "heard_at": followed.level_at,
        }
        save_row(self._connection, _UPDATE, insert=_INSERT, values=values, key={})

    def remove(self) -> None:
        """Follow nobody from now on."""
        self._connection.execute(_REMOVE)
