"""What a backup holds, and where: its format, version 1 (`docs/backup.md` describes it for people).

Decides which tables, rows and values of the catalog are carried, and which blobs
they name. It knows a few tables by name, those that are left out or need care; any
other table is carried whole, without being named here. Does not read or write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, TypeAlias

import msgspec

from strongroom.core.errors import InvalidRequest, StorageFault
from strongroom.core.names import Sha256, is_sha256

FORMAT = 1
MANIFEST, MANIFEST_DIGEST, MANIFEST_PROOF = "manifest.json", "manifest.sha256", "manifest.hmac"
MANIFEST_KEY = "backup manifest"
"""The purpose of the derived key under which a manifest proves that the server with this key wrote it."""
SUFFIX = ".jsonl.zst"
BLOBS_FILE = f"blobs{SUFFIX}"
KEY_FILE = "secret.key"
KEY_CHECK = "backup key check"
"""The purpose of the derived key by which a manifest tells which key it belongs to, without telling the key."""

LEFT_OUT = frozenset({"leases", "turns", "store"})
"""Tables about what is going on this minute: nothing of that goes on in a restored store."""

CACHE = frozenset({"upstream_pages", "copies", "name_lists"})
"""Tables that can be fetched again from upstreams."""

FOLLOWED = "followed"
"""The table that has a row when the store is a replica: then its log is chained with another server's key."""

SECRET_COLUMNS = frozenset({("indexes", "upstream_credentials"), (FOLLOWED, "credentials")})
"""Sealed with the server's key: carried only together with it."""

NO_BYTES = frozenset({("tombstones", "sha256")})
"""Digests of bytes that need not be there any more; all other columns of digests name blobs."""

Digest: TypeAlias = Annotated[Sha256, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
"""A digest in a file of a backup: reading refuses anything else, since paths are made of digests."""

Value: TypeAlias = int | str | bool | bytes | None
Row: TypeAlias = tuple[Value, ...]


class Kind(StrEnum):
    """What the values of a column are; any may be null. Bytes are written as base64."""

    INTEGER = "integer"
    TEXT = "text"
    BOOLEAN = "boolean"
    BYTES = "bytes"


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a table. `is_required` tells that a row cannot be stored without a value for it."""

    name: str
    kind: Kind
    is_nullable: bool
    is_required: bool


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """A table and its columns, in the order of the values in a row; its file is called as it is."""

    name: Annotated[str, msgspec.Meta(pattern=r"\A[a-z_]+\Z")]
    columns: tuple[Column, ...]

    def position(self, column: str) -> int | None:
        """Return where the column's value stands in a row, None when there is no such column."""
        return next((place for place, found in enumerate(self.columns) if found.name == column), None)


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a backup beside its manifest: zstd over JSON Lines."""

    filename: str
    sha256: Digest
    size_bytes: int
    lines: int


class TablePart(msgspec.Struct, frozen=True, kw_only=True):
    """A table and the file that holds its rows."""

    shape: Shape
    part: Part


class BlobLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the list of blobs."""

    sha256: Digest
    size_bytes: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The root of a backup: written last, so a backup without one was never finished."""

    name: str
    created_at: datetime
    program: str
    schema: str
    serial: int
    head: str
    key_check: str
    has_cache: bool
    has_secrets: bool
    is_replica: bool
    tables: tuple[TablePart, ...]
    blobs: Part
    blob_bytes: int
    missing: tuple[Digest, ...] = ()
    key_sha256: Digest | None = None
    format: int = FORMAT

    @property
    def rows(self) -> int:
        """Return the number of rows of all tables."""
        return sum(table.part.lines for table in self.tables)


@dataclass(frozen=True, slots=True)
class Options:
    """What a backup shall hold beside what it always holds."""

    with_cache: bool = True
    with_secrets: bool = False

    def carries(self, table: str) -> bool:
        """Return whether the table's rows belong into the backup."""
        return table not in LEFT_OUT and (self.with_cache or table not in CACHE)


@dataclass(frozen=True, slots=True)
class Carrier:
    """Says for each row of one table what of it is carried, and which blobs it names."""

    shape: Shape
    with_secrets: bool

    def carry(self, row: Row) -> Row | None:
        """Return the row without secrets; None where nothing is left of it that could be stored."""
        if self.with_secrets:
            return row
        for place, column in enumerate(self.shape.columns):
            if (self.shape.name, column.name) in SECRET_COLUMNS:
                if not column.is_nullable:
                    return None
                row = (*row[:place], None, *row[place + 1 :])
        return row


def named_blobs(shape: Shape, row: Row) -> tuple[Sha256, ...]:
    """Return the blobs that the row needs: every column called `sha256` or `..._sha256` names one.

    A row with a `stored_at` that is null knows its own digest, and has no bytes yet.
    """
    stored = shape.position("stored_at")
    has_bytes = stored is None or row[stored] is not None
    return tuple(
        Sha256(value)
        for column, value in zip(shape.columns, row, strict=True)
        if isinstance(value, str)
        and (column.name.endswith("_sha256") or (column.name == "sha256" and has_bytes))
        and (shape.name, column.name) not in NO_BYTES
    )


def demand_digests(shape: Shape, row: Row) -> Row:
    """Return the row if what stands in its columns of digests are some; raises `StorageFault`."""
    for column, value in zip(shape.columns, row, strict=True):
        is_digest = column.name == "sha256" or column.name.endswith("_sha256")
        if is_digest and value is not None and not (isinstance(value, str) and is_sha256(value)):
            raise _damaged(f"A row of the table '{shape.name}' has a digest that is none")
    return row


def render_manifest(manifest: Manifest) -> bytes:
    """Return the manifest as it is stored."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def parse_manifest(raw: bytes) -> Manifest:
    """Read a stored manifest; raises `StorageFault` for one that is damaged or of a newer format.

    Whoever reads on opens files by what it says: so each part has the one name that it may have.
    """
    try:
        told = _decode_version(raw)
        if told.format == FORMAT:
            return _with_own_names(_decode_manifest(raw))
    except msgspec.MsgspecError as fault:
        raise _damaged(f"The manifest of the backup cannot be read: {fault}") from fault
    raise StorageFault(
        "backup-newer",
        f"The backup has format {told.format}, and this program reads format {FORMAT}",
        "Use the version of Strongroom that made it, or a newer one.",
    )


def _with_own_names(manifest: Manifest) -> Manifest:
    named = [(table.part.filename, f"{table.shape.name}{SUFFIX}") for table in manifest.tables]
    named.append((manifest.blobs.filename, BLOBS_FILE))
    wrong = [told for told, own in named if told != own]
    if wrong or len(set(named)) < len(named):
        raise _damaged("The manifest of the backup gives a file a name that is not its own, or gives it twice")
    return manifest


class _Version(msgspec.Struct):
    format: int


_decode_version = msgspec.json.Decoder(_Version).decode
_decode_manifest = msgspec.json.Decoder(Manifest).decode


def render_digest(digest: str) -> bytes:
    """Return the line that seals a manifest, as `sha256sum --check` reads it."""
    return f"{digest}  {MANIFEST}\n".encode()


def render_proof(proof: str) -> bytes:
    """Return the line by which a manifest proves who wrote it: HMAC-SHA256 (RFC 2104) under a key of the server's."""
    return f"{proof}  {MANIFEST}\n".encode()


def backup_name(now: datetime) -> str:
    """Return the name of a backup made at that time in UTC: names sort as times do."""
    return f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}Z"


def is_backup_name(raw: str) -> bool:
    """Return whether `backup_name` makes such names."""
    return _NAME.fullmatch(raw) is not None


def parse_backup_name(raw: str) -> str:
    """Return the name; raises `InvalidRequest` for what `backup_name` never makes."""
    if not is_backup_name(raw):
        raise InvalidRequest(
            "backup-name", f"'{raw}' is no backup's name", "Names look like 20260105T120000.000Z: see `backup list`."
        )
    return raw


def backup_path(name: str, filename: str) -> str:
    """Return where a file of the backup is in its target."""
    return f"backups/{name}/{filename}"


def blob_path(sha256: Sha256) -> str:
    """Return where a blob is in the target: once for all backups."""
    return f"blobs/sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}"


def find_misfit(carried: Shape, stored: Shape | None) -> str | None:
    """Return why rows of the carried table cannot be stored by this program, None when they can.

    A column that the program has beside them takes its default.
    """
    if stored is None:
        return f"this program has no table '{carried.name}'"
    known = {column.name: column for column in stored.columns}
    for column in carried.columns:
        if column.name not in known:
            return f"this program's table '{carried.name}' has no column '{column.name}'"
        if column.kind is not known.pop(column.name).kind:
            return f"the column '{column.name}' of '{carried.name}' holds something else here"
    required = [column.name for column in known.values() if column.is_required]
    return f"'{carried.name}' needs the column '{required[0]}'" if required else None


def _damaged(message: str) -> StorageFault:
    return StorageFault("backup-damaged", message, "Use another backup.")


_NAME = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{3}Z", re.ASCII)
