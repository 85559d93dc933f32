"""Where a ZIP file's central directory is: the records at the end of the file.

Decides that there is exactly one reading of them: one end record that reaches the
end of the file, and, for ZIP64, a second one that agrees with it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from strongroom.core.archive.fault import Fault

END_SIGNATURE = b"PK\x05\x06"
_END64_SIGNATURE = b"PK\x06\x06"
_LOCATOR_SIGNATURE = b"PK\x06\x07"

_END = struct.Struct("<4sHHHHIIH")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR = struct.Struct("<4sIQI")
_LONGEST_COMMENT = 0xFFFF
_SENTINELS = (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class EndRecord:
    """What the end of the file says about the central directory. Offsets count from the file's start."""

    entries: int
    directory_offset: int
    directory_size: int
    directory_end: int


def read_end(file: BinaryIO, size_bytes: int) -> EndRecord:
    """Find the central directory; raises `Fault`."""
    at, fields = _find_end(file, size_bytes)
    directory_end = at
    locator = _read_at(file, at - _LOCATOR.size, size_bytes=_LOCATOR.size)
    if locator.startswith(_LOCATOR_SIGNATURE):
        directory_end, fields = _read_end64(file, locator, end=at, narrow=fields)
    disk, directory_disk, entries_here, entries, directory_size, directory_offset = fields
    if (disk, directory_disk) != (0, 0) or entries_here != entries:
        raise Fault("zip-multi-disk", "The ZIP file says that it is one of several disks")
    if directory_offset + directory_size < directory_end:
        raise Fault("zip-prefix-data", "There is data in front of the ZIP file, or between its directory and its end")
    if directory_offset + directory_size > directory_end:
        raise Fault("zip-end-mismatch", "The end of the ZIP file gives a wrong place for its directory")
    return EndRecord(entries, directory_offset, directory_size, directory_end)


def has_zip_end(file: BinaryIO, size_bytes: int) -> bool:
    """Say whether a reader that looks for a ZIP file's end would find one in this file.

    This is what older versions of CPython's `zipfile.is_zipfile` accept, which pip asks
    before it looks at the file's name (CVE-2026-3219): data may follow the end record.
    """
    start = max(0, size_bytes - _END.size - _LONGEST_COMMENT)
    tail = _read_at(file, start, size_bytes=size_bytes - start)
    at = tail.rfind(END_SIGNATURE)
    if at < 0 or at + _END.size > len(tail):
        return False
    _, _, _, _, entries, directory_size, _, _ = _END.unpack_from(tail, at)
    first = _read_at(file, start + at - directory_size, size_bytes=4)
    return entries == 0 or first == b"PK\x01\x02"


def _find_end(file: BinaryIO, size_bytes: int) -> tuple[int, tuple[int, ...]]:
    start = max(0, size_bytes - _END.size - _LONGEST_COMMENT)
    tail = _read_at(file, start, size_bytes=size_bytes - start)
    # The last signature, not the first that fits: readers that search backwards find this one.
    at = tail.rfind(END_SIGNATURE)
    if at < 0:
        raise Fault("zip-no-end", "This is not a complete ZIP file: its end is missing", "Upload the file again.")
    if at + _END.size > len(tail):
        raise Fault("zip-truncated", "The ZIP file ends in the middle of a record", "Upload the file again.")
    *fields, comment_length = _END.unpack_from(tail, at)[1:]
    rest = len(tail) - at - _END.size
    if comment_length < rest:
        raise Fault("zip-trailing-data", "There is data after the end of the ZIP file")
    if comment_length > rest:
        raise Fault("zip-truncated", "The ZIP file ends in the middle of its comment", "Upload the file again.")
    return start + at, tuple(fields)


def _read_end64(file: BinaryIO, locator: bytes, *, end: int, narrow: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    _, disk, at, disks = _LOCATOR.unpack(locator)
    raw = _read_at(file, at, size_bytes=_END64.size)
    if (disk, disks) != (0, 1) or at + _END64.size + _LOCATOR.size != end or not raw.startswith(_END64_SIGNATURE):
        raise Fault("zip-end64-locator", "The ZIP64 locator does not point to the record in front of it")
    _, record_size, _, _, *fields = _END64.unpack(raw)
    if record_size != _END64.size - 12:
        raise Fault("zip-end64-size", "The ZIP64 end record has a wrong size")
    for wide, small, sentinel in zip(fields, narrow, _SENTINELS, strict=True):
        if small not in (wide, sentinel):
            raise Fault("zip-end64-mismatch", "The two end records of the ZIP file contradict each other")
    return at, tuple(fields)


def _read_at(file: BinaryIO, offset: int, *, size_bytes: int) -> bytes:
    """Return up to `size_bytes` from `offset`, nothing for a place outside the file."""
    if offset < 0 or offset >= 1 << 63:
        return b""
    file.seek(offset)
    return file.read(size_bytes)
