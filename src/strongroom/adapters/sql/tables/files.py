"""Rows of the tables `files` and `tombstones` as `File` and `Tombstone`."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from packaging.version import Version
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from strongroom.adapters.sql.rows import AnyRow, change_row, insert_row, save_row
from strongroom.adapters.sql.schema import files, tombstones
from strongroom.adapters.sql.tables.digests import NamedDigests
from strongroom.core.model import File, PackageType, Tombstone, Yank
from strongroom.core.names import Filename, IndexName, ProjectName, Sha256

_SCAN_BATCH = 500

_IS_KEY = (files.c.index_name == bindparam("index_key"), files.c.filename == bindparam("filename_key"))
_FIND = select(files).where(*_IS_KEY)
_LIST = (
    select(files)
    .where(files.c.index_name == bindparam("index_key"), files.c.project_name == bindparam("project_key"))
    .order_by(files.c.row_number)
)
_ADD = insert(files)
_REPLACE = update(files).where(*_IS_KEY)
_REMOVE = delete(files).where(*_IS_KEY)
_COUNT = select(func.count()).select_from(files).where(files.c.index_name == bindparam("index_key"))
_SCAN = select(files).where(files.c.row_number > bindparam("after")).order_by(files.c.row_number).limit(_SCAN_BATCH)
_IS_BURIED = (tombstones.c.index_name == bindparam("index_key"), tombstones.c.filename == bindparam("filename_key"))
_NAMED = NamedDigests(files)
_BURY = insert(tombstones)
_BURY_AGAIN = update(tombstones).where(*_IS_BURIED)
_FIND_TOMBSTONE = select(tombstones).where(*_IS_BURIED)


class SqlFiles:
    """`ports.Files` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, index: IndexName, filename: Filename) -> File | None:
        """Return the file of that name in the index."""
        row = self._connection.execute(_FIND, _key(index, filename)).one_or_none()
        return None if row is None else _file(row)

    def list(self, index: IndexName, project: ProjectName) -> tuple[File, ...]:
        """Return the project's files in the order of their upload."""
        rows = self._connection.execute(_LIST, {"index_key": index, "project_key": project}).all()
        return tuple(_file(row) for row in rows)

    def add(self, file: File) -> None:
        """Raise `Conflict` when the index already has the filename, or lacks the project."""
        taken = f"The index '{file.index}' has a file called '{file.filename}' already"
        insert_row(self._connection, _ADD, values=_values(file), taken=taken)

    def replace(self, file: File) -> None:
        """Raise `Conflict` when there is no such file."""
        values = {**_values(file), **_key(file.index, file.filename)}
        missing = f"The index '{file.index}' has no file called '{file.filename}'"
        change_row(self._connection, _REPLACE, values=values, missing=missing)

    def bury(self, tombstone: Tombstone) -> None:
        """Remove the file of that name and keep the name taken; one that was buried before is buried again."""
        key = _key(tombstone.index, tombstone.filename)
        save_row(self._connection, _BURY_AGAIN, insert=_BURY, values=_tombstone_values(tombstone), key=key)
        self._connection.execute(_REMOVE, key)

    def find_tombstone(self, index: IndexName, filename: Filename) -> Tombstone | None:
        """Return what a deleted file of that name left."""
        row = self._connection.execute(_FIND_TOMBSTONE, _key(index, filename)).one_or_none()
        return None if row is None else _tombstone(row)

    def count(self, index: IndexName) -> int:
        """Return how many files the index has."""
        return self._connection.execute(_COUNT, {"index_key": index}).scalar_one()

    def scan(self) -> Iterator[File]:
        """Yield every file of every index, in batches by row number, so in constant memory."""
        after = 0
        while rows := self._connection.execute(_SCAN, {"after": after}).all():
            for row in rows:
                yield _file(row)
            after = rows[-1].row_number

    def find_named(self, digests: Collection[Sha256]) -> frozenset[Sha256]:
        """Return those of the blobs that a file needs."""
        return _NAMED.find(self._connection, digests)

    def list_named(self, first: Sha256, limit: int) -> tuple[Sha256, ...]:
        """Return the blobs that files need, in the order of digests from that one on."""
        return _NAMED.list(self._connection, first, limit=limit)


def _key(index: IndexName, filename: Filename) -> dict[str, object]:
    return {"index_key": index, "filename_key": filename}


def _values(file: File) -> dict[str, object]:
    return {
        "index_name": file.index,
        "project_name": file.project,
        "filename": file.filename,
        "version": str(file.version),
        "package_type": file.package_type.value,
        "python_tag": file.python_tag,
        "sha256": file.sha256,
        "size_bytes": file.size_bytes,
        "uploaded_at": file.uploaded_at,
        "uploaded_by": file.uploaded_by,
        "serial": file.serial,
        "md5": file.md5,
        "blake2b_256": file.blake2b_256,
        "requires_python": file.requires_python,
        "metadata_sha256": file.metadata_sha256,
        "serves_metadata": file.serves_metadata,
        "provenance_sha256": file.provenance_sha256,
        "yank_reason": None if file.yank is None else file.yank.reason,
    }


def _file(row: AnyRow) -> File:
    return File(
        index=row.index_name,
        project=row.project_name,
        filename=row.filename,
        version=Version(row.version),
        package_type=PackageType(row.package_type),
        python_tag=row.python_tag,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        uploaded_at=row.uploaded_at,
        uploaded_by=row.uploaded_by,
        serial=row.serial,
        md5=row.md5,
        blake2b_256=row.blake2b_256,
        requires_python=row.requires_python,
        metadata_sha256=row.metadata_sha256,
        serves_metadata=row.serves_metadata,
        provenance_sha256=row.provenance_sha256,
        yank=None if row.yank_reason is None else Yank(row.yank_reason),
    )


def _tombstone_values(tombstone: Tombstone) -> dict[str, object]:
    return {
        "index_name": tombstone.index,
        "filename": tombstone.filename,
        "project_name": tombstone.project,
        "sha256": tombstone.sha256,
        "deleted_at": tombstone.deleted_at,
    }


def _tombstone(row: AnyRow) -> Tombstone:
    return Tombstone(
        index=row.index_name,
        project=row.project_name,
        filename=row.filename,
        sha256=row.sha256,
        deleted_at=row.deleted_at,
    )
