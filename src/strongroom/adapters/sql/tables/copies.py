"""Rows of the table `copies` as `Copy`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from sqlalchemy import (
    Connection,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from strongroom.adapters.sql.column_types import Moment
from strongroom.adapters.sql.rows import AnyRow, save_row
from strongroom.adapters.sql.schema import copies
from strongroom.adapters.sql.tables.digests import NamedDigests
from strongroom.core.mirrored import Copy
from strongroom.core.names import Filename, IndexName, ProjectName, Sha256

_SCAN_BATCH = 500

_IS_OF_INDEX = copies.c.index_name == bindparam("index_key")
_IS_KEY = (_IS_OF_INDEX, copies.c.filename == bindparam("filename_key"))
_FIND = select(copies).where(*_IS_KEY)
_LIST = (
    select(copies).where(_IS_OF_INDEX, copies.c.project_name == bindparam("project_key")).order_by(copies.c.filename)
)
_AT = bindparam("at", type_=Moment)
_ADD = insert(copies)
_REPLACE = update(copies).where(*_IS_KEY)
_TOUCH = (
    update(copies)
    .where(*_IS_KEY, or_(copies.c.last_used_at.is_(None), copies.c.last_used_at < _AT))
    .values(
        last_used_at=_AT,
        used_at=case((copies.c.stored_at.is_not(None), _AT)),
    )
)
_REMOVE = delete(copies).where(*_IS_KEY)
_REMOVE_ALL = delete(copies).where(_IS_OF_INDEX)
_SCAN = (
    select(copies)
    .where(tuple_(copies.c.index_name, copies.c.filename) > tuple_(bindparam("index_key"), bindparam("filename_key")))
    .order_by(copies.c.index_name, copies.c.filename)
    .limit(_SCAN_BATCH)
)
_STORED_BYTES = select(func.sum(copies.c.size_bytes)).where(copies.c.stored_at.is_not(None))
_NAMED = NamedDigests(copies, copies.c.stored_at.is_not(None))
_LEAST_USED = (
    select(copies)
    .where(copies.c.used_at.is_not(None))
    .order_by(copies.c.used_at, copies.c.filename, copies.c.index_name)
    .limit(bindparam("most"))
)


class SqlCopies:
    """`ports.Copies` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, index: IndexName, filename: Filename) -> Copy | None:
        """Return the copy of that name in the index."""
        row = self._connection.execute(_FIND, _key(index, filename)).one_or_none()
        return None if row is None else _copy(row)

    def list(self, index: IndexName, project: ProjectName) -> tuple[Copy, ...]:
        """Return the project's copies by filename."""
        rows = self._connection.execute(_LIST, {"index_key": index, "project_key": project}).all()
        return tuple(_copy(row) for row in rows)

    def save(self, copy: Copy) -> None:
        """Insert it, or replace the row of the same index and filename."""
        key = _key(copy.index, copy.filename)
        save_row(self._connection, _REPLACE, insert=_ADD, values=_values(copy), key=key)

    def touch(self, last_used: Mapping[tuple[IndexName, Filename], datetime]) -> None:
        """Set the times of last use, unless a later one is stored."""
        if last_used:
            self._connection.execute(_TOUCH, [{**_key(*key), "at": at} for key, at in last_used.items()])

    def remove(self, index: IndexName, filename: Filename | None = None) -> None:
        """Remove the copy; without a filename, all of the index's."""
        if filename is None:
            self._connection.execute(_REMOVE_ALL, {"index_key": index})
        else:
            self._connection.execute(_REMOVE, _key(index, filename))

    def scan(self) -> Iterator[Copy]:
        """Yield every copy of every index, in batches by index and filename, so in constant memory."""
        after: dict[str, object] = {"index_key": "", "filename_key": ""}
        while rows := self._connection.execute(_SCAN, after).all():
            yield from (_copy(row) for row in rows)
            after = _key(rows[-1].index_name, rows[-1].filename)

    def stored_bytes(self) -> int:
        """Return the size of all stored bytes together."""
        return int(self._connection.execute(_STORED_BYTES).scalar_one() or 0)

    def find_named(self, digests: Collection[Sha256]) -> frozenset[Sha256]:
        """Return those of the blobs that a copy needs."""
        return _NAMED.find(self._connection, digests)

    def list_named(self, first: Sha256, limit: int) -> tuple[Sha256, ...]:
        """Return the blobs that copies need, in the order of digests from that one on."""
        return _NAMED.list(self._connection, first, limit=limit)

    def list_least_used(self, limit: int) -> tuple[Copy, ...]:
        """Return stored copies, those whose last use (else their storing) is longest ago first."""
        return tuple(_copy(row) for row in self._connection.execute(_LEAST_USED, {"most": limit}).all())


def _key(index: IndexName, filename: Filename) -> dict[str, object]:
    return {"index_key": index, "filename_key": filename}


def _values(copy: Copy) -> dict[str, object]:
    return {
        "index_name": copy.index,
        "filename": copy.filename,
        "project_name": copy.project,
        "sha256": copy.sha256,
        "size_bytes": copy.size_bytes,
        "stored_at": copy.stored_at,
        "last_used_at": copy.last_used_at,
        "used_at": None if copy.stored_at is None else copy.last_used_at or copy.stored_at,
        "metadata_sha256": copy.metadata_sha256,
        "provenance_sha256": copy.provenance_sha256,
        "licence": copy.licence,
    }


def _copy(row: AnyRow) -> Copy:
    return Copy(
        index=row.index_name,
        project=row.project_name,
        filename=row.filename,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        stored_at=row.stored_at,
        last_used_at=row.last_used_at,
        metadata_sha256=row.metadata_sha256,
        provenance_sha256=row.provenance_sha256,
        licence=row.licence,
    )
