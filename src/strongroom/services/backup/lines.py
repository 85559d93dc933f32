"""The files of a backup: JSON Lines below zstd, with their digest.

Decides how a row becomes a line: an array of its values, bytes as base64. Works on
local files, in whatever thread it is called; targets are somebody else's matter.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import GenericAlias
from typing import Any, TypeVar

import msgspec

from strongroom.core.backup import Kind, Part, Row, Shape
from strongroom.core.errors import StorageFault
from strongroom.core.names import Sha256

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

T = TypeVar("T")

_TYPES: dict[Kind, type] = {Kind.INTEGER: int, Kind.TEXT: str, Kind.BOOLEAN: bool, Kind.BYTES: bytes}
_encoder = msgspec.json.Encoder()


def write_lines(path: Path, items: Iterable[object]) -> Part:
    """Write an item a line into a new file, and return what the manifest says about it."""
    lines = 0
    with zstd.open(path, "wb") as file:
        for item in items:
            file.write(_encoder.encode(item) + b"\n")
            lines += 1
    if not lines:
        path.write_bytes(zstd.compress(b""))  # else the file would hold no frame, which is not valid zstd
    with path.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    return Part(filename=path.name, sha256=Sha256(digest), size_bytes=path.stat().st_size, lines=lines)


def read_rows(path: Path, shape: Shape) -> Iterator[Row]:
    """Yield the rows of a table's file; raises `StorageFault` at the first line that is no row of the table."""
    kinds = tuple(_TYPES[column.kind] | None for column in shape.columns)
    decoder: msgspec.json.Decoder[Row] = msgspec.json.Decoder(GenericAlias(tuple, kinds))
    return _read(path, decoder.decode)


def read_items(path: Path, kind: type[T]) -> Iterator[T]:
    """Yield the items of a file; raises `StorageFault` at the first line that is none."""
    return _read(path, msgspec.json.Decoder(kind).decode)


def _read(path: Path, decode: Callable[[bytes], Any]) -> Iterator[Any]:  # Any: `read_rows` and `read_items` know
    good = 0
    try:
        with zstd.open(path, "rb") as file:
            for line in file:
                item = decode(line)
                good += 1
                yield item
    except (msgspec.MsgspecError, zstd.ZstdError, EOFError, ValueError) as fault:
        raise StorageFault(
            "backup-damaged", f"{path.name} cannot be read after line {good}: {fault}", "Use another backup."
        ) from fault
