"""A ZIP writer that can lie: each field of each record can be changed on its way out."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

FILE_MODE = 0o100644
DIRECTORY_MODE = 0o040755
ZIP64_EXTRA = 0x0001
UNICODE_PATH_EXTRA = 0x7075
SENTINEL = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a local or central header. `offset` is None for the true one."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    unpacked: int
    attributes: int
    version: int = 20
    extra: bytes = b""
    comment: bytes = b""
    disk: int = 0
    offset: int | None = None

    def pack_local(self) -> bytes:
        """Return the local header."""
        return (
            struct.pack(
                "<4sHHHHHIIIHH", b"PK\x03\x04", 20, self.flags, self.method, 0, 0x21,
                self.crc, self.packed, self.unpacked, len(self.name), len(self.extra),
            ) + self.name + self.extra
        )  # fmt: skip

    def pack_central(self, offset: int) -> bytes:
        """Return the central header of an entry at `offset`."""
        return (
            struct.pack(
                "<4sBBHHHHHIIIHHHHHII", b"PK\x01\x02", 20, 3, self.version, self.flags, self.method, 0, 0x21,
                self.crc, self.packed, self.unpacked, len(self.name), len(self.extra), len(self.comment),
                self.disk, 0, self.attributes, offset if self.offset is None else self.offset,
            ) + self.name + self.extra + self.comment
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class End:
    """The fields of the end record."""

    entries: int
    size: int
    offset: int
    disk: int = 0
    comment: bytes = b""
    comment_length: int | None = None

    def pack(self) -> bytes:
        """Return the end record."""
        length = len(self.comment) if self.comment_length is None else self.comment_length
        return (
            struct.pack(
                "<4sHHHHIIH", b"PK\x05\x06", self.disk, self.disk, self.entries, self.entries,
                self.size, self.offset, length,
            ) + self.comment
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class End64:
    """The fields of the ZIP64 end record and its locator. `at` is None for the true place."""

    entries: int
    size: int
    offset: int
    record_size: int = 44
    at: int | None = None
    disks: int = 1

    def pack(self, at: int) -> bytes:
        """Return record and locator."""
        place = at if self.at is None else self.at
        return struct.pack(
            "<4sQHHIIQQQQ", b"PK\x06\x06", self.record_size, 45, 45, 0, 0,
            self.entries, self.entries, self.size, self.offset,
        ) + struct.pack("<4sIQI", b"PK\x06\x07", 0, place, self.disks)  # fmt: skip


Change = Callable[[Fields], Fields]


def unchanged(fields: Fields) -> Fields:
    """Return the fields as they are."""
    return fields


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """An entry. `packed` replaces the compressed data; `before` and `after` are bytes around the entry."""

    name: str | bytes
    data: bytes = b""
    is_deflated: bool = True
    mode: int = FILE_MODE
    version: int = 20
    flags: int | None = None
    local: Change = unchanged
    central: Change = unchanged
    packed: bytes | None = None
    before: bytes = b""
    after: bytes = b""
    is_local: bool = True
    is_central: bool = True

    def pack(self) -> tuple[bytes, bytes, Fields]:
        """Return local header, data, and the fields of the central header."""
        name = self.name.encode() if isinstance(self.name, str) else self.name
        flags = self.flags if self.flags is not None else (0 if name.isascii() else 0x0800)
        data = deflate(self.data) if self.is_deflated else self.data
        fields = Fields(
            name, flags, 8 if self.is_deflated else 0, zlib.crc32(self.data), len(data), len(self.data),
            self.mode << 16, self.version,
        )  # fmt: skip
        return self.local(fields).pack_local(), data if self.packed is None else self.packed, self.central(fields)


def deflate(data: bytes) -> bytes:
    """Return a raw deflate stream."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return stream.compress(data) + stream.flush()


def extra_field(kind: int, value: bytes) -> bytes:
    """Return an extra field."""
    return struct.pack("<HH", kind, len(value)) + value


def unicode_path(name: bytes, *, crc_of: bytes | None = None) -> bytes:
    """Return Info-ZIP's Unicode path field."""
    crc = zlib.crc32(name if crc_of is None else crc_of)
    return extra_field(UNICODE_PATH_EXTRA, b"\x01" + struct.pack("<I", crc) + name)


def zip64_sizes(*sizes: int) -> bytes:
    """Return a ZIP64 extra field."""
    return extra_field(ZIP64_EXTRA, struct.pack(f"<{len(sizes)}Q", *sizes))


def build_zip(
    entries: Iterable[ZipEntry],
    *,
    end: Callable[[End], End] = lambda end: end,
    end64: Callable[[End64], End64] | None = None,
    prefix: bytes = b"",
    before_end: bytes = b"",
) -> bytes:
    """Return the ZIP file. `prefix` moves nothing: offsets count from behind it."""
    body = b""
    directory = b""
    count = 0
    for entry in entries:
        local, data, central = entry.pack()
        body += entry.before
        if entry.is_central:
            directory += central.pack_central(len(body))
            count += 1
        if entry.is_local:
            body += local + data + entry.after
    told = End(count, len(directory), len(body))
    tail = b""
    if end64 is not None:
        tail = end64(End64(told.entries, told.size, told.offset)).pack(len(body) + len(directory) + len(before_end))
    return prefix + body + directory + before_end + tail + end(told).pack()


def with_descriptor(entry: ZipEntry, *, crc: int | None = None) -> ZipEntry:
    """Return the entry as a program writes it that cannot seek: sizes behind the data."""
    _, data, fields = entry.pack()
    descriptor = struct.pack("<4sIII", b"PK\x07\x08", fields.crc if crc is None else crc, len(data), len(entry.data))
    return replace(
        entry,
        flags=fields.flags | 8,
        local=lambda told: replace(told, crc=0, packed=0, unpacked=0),
        after=descriptor,
    )
