"""The records of a ZIP file as APPNOTE.TXT defines them: bytes to values.

Decides whether a single record is well formed. Does not decide whether the records
agree with each other (`zip_layout.py`).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, NamedTuple

from strongroom.core.archive.fault import Fault, quoted

CENTRAL_SIGNATURE = b"PK\x01\x02"
LOCAL_SIGNATURE = b"PK\x03\x04"
DESCRIPTOR_SIGNATURE = b"PK\x07\x08"

_CENTRAL = struct.Struct("<4sBBHHHHHIIIHHHHHII")
_CENTRAL_BRIEF = struct.Struct("<4s2x6s8xIIHHHH6xI")  # version, flags and method in one; without what is not judged
_CENTRAL_BYTES = 46
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_EXTRA = struct.Struct("<HH")

_ZIP64_EXTRA = 0x0001
_UNICODE_PATH_EXTRA = 0x7075
_SENTINEL = 0xFFFFFFFF

STORED = 0
DEFLATED = 8
FLAG_DESCRIPTOR = 0x0008
FLAG_UTF8 = 0x0800
_NEWEST_VERSION = 45  # 4.5: ZIP64; readers give up on newer ones
_FLAGS_ENCRYPTED = 0x2041  # bits 0 and 6: encryption; 13: masked headers
_FLAGS_KNOWN = 0x0006 | FLAG_DESCRIPTOR | FLAG_UTF8  # bits 1 and 2: how hard deflate tried
_USUAL_FEATURES = frozenset(
    struct.pack("<HHH", version, flags, method)
    for version in range(_NEWEST_VERSION + 1)
    for flags in (0, FLAG_DESCRIPTOR)
    for method in (STORED, DEFLATED)
)
"""The bytes of version, flags and method in nearly all entries: no fault, and no text in UTF-8."""


class Header(NamedTuple):
    """What the local and the central header of an entry both say."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed_size: int
    unpacked_size: int


class CentralHeader(NamedTuple):
    """An entry of the central directory, with what only it says."""

    common: Header
    header_offset: int
    attributes: int


@dataclass(frozen=True, slots=True)
class LocalHeader:
    """The header in front of an entry's data."""

    common: Header
    size_bytes: int
    has_zip64: bool


def read_exactly(file: BinaryIO, size_bytes: int) -> bytes:
    """Return the next bytes; raises `Fault` if the file ends first."""
    data = file.read(size_bytes)
    if len(data) != size_bytes:
        raise Fault("zip-truncated", "The ZIP file ends in the middle of a record", "Upload the file again.")
    return data


def read_central(file: BinaryIO) -> CentralHeader:
    """Read the next central header; raises `Fault`."""
    fields = _CENTRAL.unpack(read_exactly(file, _CENTRAL.size))
    signature, flags, method = fields[0], fields[4], fields[5]
    crc, packed, unpacked, name_length, extra_length, comment_length, disk = fields[8:15]
    if signature != CENTRAL_SIGNATURE:
        raise Fault("zip-unknown-record", "The central directory holds something that is not an entry")
    name = read_exactly(file, name_length)
    extras = _parse_extras(read_exactly(file, extra_length), name) if extra_length else {}
    if comment_length:
        raise Fault("zip-entry-comment", f"The entry {quoted(name)} has a comment")
    if disk != 0:
        raise Fault("zip-multi-disk", f"The entry {quoted(name)} says that it is on another disk")
    unpacked, packed, offset = _widen((unpacked, packed, fields[17]), extras.get(_ZIP64_EXTRA), name=name)
    common = Header(name, flags, method, crc, packed, unpacked)
    _check_features(common, version=fields[3] & 0xFF)
    return CentralHeader(common, offset, fields[16])


def scan_central(directory: bytes, *, entries: int, part: bytes) -> tuple[list[CentralHeader], list[int]] | None:
    """Return the headers that may have `part` in their names, and where the other entries begin; raises `Fault`.

    Passes quickly over the usual ones, against which `read_central` has nothing to say, and
    whose names are not UTF-8 and don't hold `part` (ASCII in lower case) in any case; reads the
    rest as ever. None where so many entries do not fill the directory: that is for others to judge.
    """
    unpack, find_part = _CENTRAL_BRIEF.unpack_from, (directory.lower() + part).find  # there is always a next one
    part_at = find_part(part)
    rest: list[bytes] = []
    passed: list[int] = []
    end = 0
    try:
        for _ in range(entries):
            start = end
            signature, features, packed, unpacked, name, extra, comment, disk, offset = unpack(directory, start)
            end += _CENTRAL_BYTES + name + extra + comment
            if (
                (signature == CENTRAL_SIGNATURE and features in _USUAL_FEATURES)
                and not (extra or comment or disk)
                and (packed != _SENTINEL and unpacked != _SENTINEL and offset != _SENTINEL)
                and part_at >= end
            ):
                passed.append(offset)
            else:
                rest.append(directory[start:end])
                part_at = find_part(part, end)
    except struct.error:  # the last entry is cut short
        return None
    if end != len(directory):
        return None
    return [read_central(BytesIO(record)) for record in rest], passed


def read_local(file: BinaryIO) -> LocalHeader:
    """Read the local header at the file's position; raises `Fault`."""
    fields = _LOCAL.unpack(read_exactly(file, _LOCAL.size))
    signature, _, flags, method, _, _, crc, packed, unpacked, name_length, extra_length = fields
    if signature != LOCAL_SIGNATURE:
        raise Fault("zip-local-header", "The central directory points to a place where no entry begins")
    name = read_exactly(file, name_length)
    extras = _parse_extras(read_exactly(file, extra_length), name)
    unpacked, packed = _widen((unpacked, packed), extras.get(_ZIP64_EXTRA), name=name)
    size_bytes = _LOCAL.size + name_length + extra_length
    return LocalHeader(Header(name, flags, method, crc, packed, unpacked), size_bytes, _ZIP64_EXTRA in extras)


def _check_features(header: Header, *, version: int) -> None:
    if header.flags & _FLAGS_ENCRYPTED:
        raise Fault("zip-encrypted", f"The entry {quoted(header.name)} is encrypted", "Upload it without a password.")
    if header.flags & ~_FLAGS_KNOWN or version > _NEWEST_VERSION:
        raise Fault("zip-flags", f"The entry {quoted(header.name)} uses a feature of ZIP that installers don't read")
    if header.method not in (STORED, DEFLATED):
        raise Fault(
            "zip-method",
            f"The entry {quoted(header.name)} is compressed with method {header.method}; installers read 0 and 8 only",
            "Build the file again with ordinary (deflate) compression.",
        )


def _parse_extras(raw: bytes, name: bytes) -> dict[int, bytes]:
    extras: dict[int, bytes] = {}
    at = 0
    while at < len(raw):
        if len(raw) - at < _EXTRA.size:
            raise Fault("zip-extra-length", f"The extra fields of {quoted(name)} have a wrong length")
        kind, length = _EXTRA.unpack_from(raw, at)
        at += _EXTRA.size
        value = raw[at : at + length]
        if len(value) != length:
            raise Fault("zip-extra-length", f"The extra fields of {quoted(name)} have a wrong length")
        if kind in extras and kind in (_ZIP64_EXTRA, _UNICODE_PATH_EXTRA):
            raise Fault("zip-duplicate-extra", f"The entry {quoted(name)} has an extra field twice")
        extras[kind] = value
        at += length
    if _UNICODE_PATH_EXTRA in extras:
        _check_unicode_path(extras[_UNICODE_PATH_EXTRA], name)
    return extras


def _check_unicode_path(value: bytes, name: bytes) -> None:
    # Readers that know the field take this path instead of the header's: they must be one.
    if value != b"\x01" + struct.pack("<I", zlib.crc32(name)) + name:
        raise Fault("zip-unicode-path", f"The entry {quoted(name)} has a second, different name in an extra field")


def _widen(sizes: tuple[int, ...], zip64: bytes | None, *, name: bytes) -> tuple[int, ...]:
    """Return `sizes` with each 0xFFFFFFFF replaced from the ZIP64 field; raises `Fault`.

    APPNOTE 4.5.3: "fields MUST only appear if the corresponding Local or Central
    directory record field is set to 0xFFFF or 0xFFFFFFFF". Fields that appear without
    need must repeat the header, because readers differ in which of the two they take.
    """
    if zip64 is None:
        if _SENTINEL in sizes:
            raise Fault("zip-zip64-missing", f"The entry {quoted(name)} lacks the sizes that ZIP64 should give")
        return sizes
    missing = [index for index, size in enumerate(sizes) if size == _SENTINEL]
    if len(zip64) % 8 == 0:
        wide = struct.unpack(f"<{len(zip64) // 8}Q", zip64)
        if missing and len(wide) == len(missing):
            replaced = dict(zip(missing, wide, strict=True))
            return tuple(replaced.get(index, size) for index, size in enumerate(sizes))
        if not missing and wide == sizes[: len(wide)]:
            return sizes
    raise Fault("zip-zip64-extra", f"The ZIP64 sizes of {quoted(name)} contradict its header")
