"""Rows of the tables `leases` and `setup_link` as `Lease` and `SetupLink`."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from strongroom.adapters.sql.rows import AnyRow, change_row, insert_row
from strongroom.adapters.sql.schema import leases, setup_link
from strongroom.core.errors import Conflict
from strongroom.core.model import Lease, SetupLink
from strongroom.core.removals import REMOVAL_PREFIX

_LIST = select(leases).order_by(leases.c.lease_id)
_LIST_REMOVALS = _LIST.where(leases.c.lease_id.startswith(REMOVAL_PREFIX))
_ADD = insert(leases)
_REPLACE = update(leases).where(leases.c.lease_id == bindparam("key"))
_REMOVE = delete(leases).where(leases.c.lease_id == bindparam("key"))
_PUT_LINK = insert(setup_link)
_FIND_LINK = select(setup_link).where(setup_link.c.digest == bindparam("digest_key"))
_CLEAR_LINK = delete(setup_link)


class SqlLeases:
    """`ports.Leases` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, lease: Lease) -> None:
        """Raise `Conflict` when the id is taken."""
        insert_row(self._connection, _ADD, values=_values(lease), taken=f"There is a lease '{lease.lease_id}' already")

    def replace(self, lease: Lease) -> None:
        """Raise `Conflict` when there is no such lease: the sweep has ended it."""
        values = {**_values(lease), "key": lease.lease_id}
        change_row(self._connection, _REPLACE, values=values, missing=f"There is no lease '{lease.lease_id}'")

    def remove(self, lease_id: str) -> None:
        """Remove the lease, if it is there."""
        self._connection.execute(_REMOVE, {"key": lease_id})

    def end(self, lease_id: str) -> None:
        """Remove it; raise `Conflict` when there is no such lease: the sweep has ended it."""
        if self._connection.execute(_REMOVE, {"key": lease_id}).rowcount == 0:
            raise Conflict("missing", f"There is no lease '{lease_id}'")

    def list(self) -> tuple[Lease, ...]:
        """Return all leases by id."""
        return tuple(_lease(row) for row in self._connection.execute(_LIST).all())

    def list_removals(self) -> tuple[Lease, ...]:
        """Return those that say which blobs are being removed."""
        return tuple(_lease(row) for row in self._connection.execute(_LIST_REMOVALS).all())

    def put_setup_link(self, link: SetupLink) -> None:
        """Store the link; any earlier one is void."""
        self._connection.execute(_CLEAR_LINK)
        self._connection.execute(_PUT_LINK, {"only_row": 1, "digest": link.digest, "expires_at": link.expires_at})

    def take_setup_link(self, digest: bytes) -> SetupLink | None:
        """Remove and return the link of that digest."""
        row = self._connection.execute(_FIND_LINK, {"digest_key": digest}).one_or_none()
        if row is None:
            return None
        self._connection.execute(_CLEAR_LINK)
        return SetupLink(digest=row.digest, expires_at=row.expires_at)


def _values(lease: Lease) -> dict[str, object]:
    return {"lease_id": lease.lease_id, "expires_at": lease.expires_at, "sha256": lease.sha256}


def _lease(row: AnyRow) -> Lease:
    return Lease(lease_id=row.lease_id, expires_at=row.expires_at, sha256=row.sha256)
