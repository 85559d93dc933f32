"""A tar writer that can lie: each field of each header can be set."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

BLOCK = 512
END = bytes(2 * BLOCK)
USTAR = b"ustar\x0000"
GNU = b"ustar  \x00"
V7 = bytes(8)


@dataclass(frozen=True, slots=True)
class TarEntry:
    """An entry. `size` is the raw field, None for the true one; `checksum` likewise."""

    name: str | bytes
    data: bytes = b""
    kind: bytes = b"0"
    link: str | bytes = b""
    size: bytes | None = None
    magic: bytes = USTAR
    prefix: bytes = b""
    checksum: bytes | None = None

    def pack(self) -> bytes:
        """Return header and padded data."""
        name, link = (text.encode() if isinstance(text, str) else text for text in (self.name, self.link))
        size = octal(len(self.data)) if self.size is None else self.size
        block = struct.pack(
            "100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x",
            name, b"0000644\x00", b"0000000\x00", b"0000000\x00", size, octal(0), b" " * 8, self.kind, link,
            self.magic, b"", b"", b"", b"", self.prefix,
        )  # fmt: skip
        checksum = b"%06o\x00 " % sum(block) if self.checksum is None else self.checksum
        return block[:148] + checksum + block[156:] + padded(self.data)


def octal(number: int) -> bytes:
    """Return a size as tar's eleven octal digits."""
    return b"%011o\x00" % number


def padded(data: bytes) -> bytes:
    """Return the data, filled up to whole blocks."""
    return data + bytes(-len(data) % BLOCK)


def pax_line(key: bytes, value: bytes) -> bytes:
    """Return a line of an extended header, which begins with its own length."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(b"%d" % length) + len(rest) != length:
        length += 1
    return b"%d" % length + rest


def pax(records: Mapping[str, str | bytes], *, kind: bytes = b"x") -> TarEntry:
    """Return an extended header."""
    lines = (
        pax_line(key.encode(), value.encode() if isinstance(value, str) else value) for key, value in records.items()
    )
    return TarEntry("PaxHeaders/x", b"".join(lines), kind)


def long_name(name: str | bytes, *, kind: bytes = b"L") -> TarEntry:
    """Return GNU tar's header for a long name (`L`) or link target (`K`)."""
    raw = name.encode() if isinstance(name, str) else name
    return TarEntry("././@LongLink", raw + b"\x00", kind, magic=GNU)


def build_tar(entries: Iterable[TarEntry], *, end: bytes = END) -> bytes:
    """Return the tar archive."""
    return b"".join(entry.pack() for entry in entries) + end


def gzipped(data: bytes) -> bytes:
    """Return the data as one gzip member without a time."""
    return gzip.compress(data, mtime=0)


def build_tar_gz(entries: Iterable[TarEntry], *, end: bytes = END) -> bytes:
    """Return the compressed tar archive."""
    return gzipped(build_tar(entries, end=end))


def gzip_with_extra(data: bytes, extra: bytes) -> bytes:
    """Return a gzip member that carries other bytes in its header."""
    return gzip_with_field(data, struct.pack("<H", len(extra)) + extra, flag=0x04)


def gzip_with_field(data: bytes, field: bytes, *, flag: int) -> bytes:
    """Return a gzip member with this field in its header."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = stream.compress(data) + stream.flush()
    head = b"\x1f\x8b\x08" + bytes([flag]) + bytes(6) + field
    return head + body + struct.pack("<II", zlib.crc32(data), len(data))


def gzipped_zeros(head: bytes, mebibytes: int, *, tail: bytes = b"") -> bytes:
    """Return one gzip member with so many MiB of zeros between head and tail, made fast."""
    zeros = bytes(1 << 20)
    first, last = (zlib.compressobj(9, zlib.DEFLATED, -15) for _ in range(2))
    middle = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = middle.compress(zeros) + middle.flush(zlib.Z_FULL_FLUSH)
    crc = zlib.crc32(head)
    for _ in range(mebibytes):
        crc = zlib.crc32(zeros, crc)
    crc = zlib.crc32(tail, crc)
    body = (
        first.compress(head) + first.flush(zlib.Z_FULL_FLUSH) + block * mebibytes + last.compress(tail) + last.flush()
    )
    size = len(head) + (mebibytes << 20) + len(tail)
    return b"\x1f\x8b\x08" + bytes(7) + body + struct.pack("<II", crc, size & 0xFFFFFFFF)
