"""Wheels that readers of ZIP files see differently, and bombs."""

# ruff: noqa: E501  # a table: one sample a line
from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace

from tests.archives.sample import Sample
from tests.archives.tars import TarEntry
from tests.archives.wheels import MODULE, Wheel
from tests.archives.zips import (
    SENTINEL,
    Change,
    End,
    End64,
    Fields,
    ZipEntry,
    build_zip,
    deflate,
    extra_field,
    unicode_path,
    with_descriptor,
    zip64_sizes,
)

PLAIN = Wheel()
BYTES = PLAIN.build()
MIB = 1 << 20
INNER = ZipEntry("demo/evil.py", MODULE)


def sample(title: str, code: str, build: Callable[[], bytes]) -> Sample:
    """Make a sample of the plain wheel's name."""
    return Sample(title, code, build, PLAIN.filename)


def first(**changes: object) -> bytes:
    """Return the plain wheel with its first entry (an empty module, stored) changed."""
    return with_entry(ZipEntry("demo/__init__.py", b"", is_deflated=False), **changes)


def second(**changes: object) -> bytes:
    """Return the plain wheel with its second entry (a module, deflated) changed."""
    return with_entry(ZipEntry("demo/app.py", MODULE), **changes)


def with_entry(entry: ZipEntry, **changes: object) -> bytes:
    """Return the plain wheel with the entry of that name replaced."""
    changed = replace(entry, **changes)  # type: ignore[arg-type]  # the fields' types differ; a wrong one fails at once
    return build_zip([changed if old.name == entry.name else old for old in PLAIN.entries()])


def both(change: Change) -> bytes:
    """Return the plain wheel with the same lie in both headers of a module."""
    return second(local=change, central=change)


def shorter(fields: Fields) -> Fields:
    """Say one byte less of packed data."""
    return replace(fields, packed=fields.packed - 1)


def longer(fields: Fields) -> Fields:
    """Say four bytes more of packed data."""
    return replace(fields, packed=fields.packed + 4)


def ended(change: Callable[[End], End]) -> Callable[[], bytes]:
    """Return a builder of the plain wheel with another end record."""
    return lambda: build_zip(PLAIN.entries(), end=change)


def ended64(change: Callable[[End64], End64], end: Callable[[End], End] = lambda end: end) -> Callable[[], bytes]:
    """Return a builder of the plain wheel with ZIP64 end records."""
    return lambda: build_zip(PLAIN.entries(), end=end, end64=change)


def and_entry(entry: ZipEntry) -> bytes:
    """Return the plain wheel with one more entry, not in RECORD."""
    return build_zip([*PLAIN.entries(), entry])


def quoted_overlap() -> bytes:
    """Return Fifield's bomb in small: one entry's data holds the next entry's header."""
    inner, data, _ = INNER.pack()
    outer = ZipEntry("demo/outer.bin", inner + data, is_deflated=False)
    head, _, _ = outer.pack()
    position = len(b"".join(b"".join(entry.pack()[:2]) for entry in PLAIN.entries())) + len(head)
    hidden = replace(INNER, is_local=False, central=lambda fields: replace(fields, offset=position))
    return build_zip([*PLAIN.entries(), outer, hidden])


def declared(size: int) -> bytes:
    """Return a wheel with an entry that says that it unpacks to so many bytes."""
    wide = zip64_sizes(size)
    return both(lambda fields: replace(fields, unpacked=SENTINEL, extra=wide))


def zeros() -> bytes:
    """Return a wheel with 80 MiB of zeros, deflated to 80 KiB."""
    return Wheel(files={"demo/zeros.bin": bytes(80 * MIB)}).build()


def polyglot() -> bytes:
    """Return a wheel whose first entry's name and data form a tar header too."""
    directory = Wheel().directory
    plain = [entry for entry in PLAIN.entries() if not str(entry.name).startswith(directory)]
    block = bytearray(TarEntry("demo.py", b"").pack()[:512])
    entry = ZipEntry("demo/tar.bin", b"", is_deflated=False)
    head = replace(entry, data=bytes(512 - 30 - 12)).pack()[0]
    for pad in range(512):
        data = bytearray(block[len(head) :])
        data[100:102] = struct.pack("<H", pad)
        whole = with_checksum(replace(entry, data=bytes(data)))
        if whole is not None:
            return build_zip([whole, *plain, *PLAIN.entries()[len(plain) :]])
    raise AssertionError("no padding gives a tar header")


def with_checksum(entry: ZipEntry) -> ZipEntry | None:
    """Return the entry with the tar checksum of its own first block; None if that changed the block."""
    data = bytearray(entry.data)
    for _ in range(64):
        block = b"".join(replace(entry, data=bytes(data)).pack()[:2])[:512]
        total = sum(block[:148]) + 8 * 32 + sum(block[156:])
        field = b"%06o\x00 " % total
        if block[148:156] == field:
            return replace(entry, data=bytes(data))
        at = 148 - (512 - len(data))
        data[at : at + 8] = field
    return None


ENDS = [
    sample("empty file", "zip-no-end", lambda: b""),
    sample("not a ZIP file", "zip-no-end", lambda: b"<!doctype html>" * 40),
    sample("first half only", "zip-no-end", lambda: BYTES[: len(BYTES) // 2]),
    sample("cut inside the end record", "zip-truncated", lambda: BYTES[:-4]),
    sample("cut inside the comment", "zip-truncated", ended(lambda end: replace(end, comment_length=9))),
    sample("trailing data", "zip-trailing-data", lambda: BYTES + b"more"),
    sample("two ZIP files", "zip-prefix-data", lambda: BYTES + BYTES),
    sample("program in front", "zip-prefix-data", lambda: build_zip(PLAIN.entries(), prefix=b"#!/bin/sh\n")),
    sample("data in front of the first entry", "zip-prefix-data", lambda: first(before=b"#!/bin/sh\n")),
    sample("data between entries", "zip-gap", lambda: second(before=b"gap")),
    sample("data in front of the directory", "zip-gap", lambda: and_entry(replace(INNER, after=b"gap"))),
    sample("entry that is not listed", "zip-unlisted-entry", lambda: and_entry(replace(INNER, is_central=False))),
    sample("first entry not listed", "zip-unlisted-entry", lambda: first(is_central=False)),
    sample("record behind the directory", "zip-prefix-data", lambda: build_zip(PLAIN.entries(), before_end=b"PK\x05\x05\0\0")),
    sample("too few entries counted", "zip-entry-count", ended(lambda end: replace(end, entries=4))),
    sample("too many entries counted", "zip-entry-count", ended(lambda end: replace(end, entries=9))),
    sample("directory too short", "zip-prefix-data", ended(lambda end: replace(end, size=end.size - 46))),
    sample("directory too long", "zip-end-mismatch", ended(lambda end: replace(end, size=end.size + 46))),
    sample("directory begins inside itself", "zip-unknown-record", ended(lambda end: replace(end, offset=end.offset + 4, size=end.size - 4))),
    sample("several disks", "zip-multi-disk", ended(lambda end: replace(end, disk=1))),
    sample("ZIP64 locator astray", "zip-end64-locator", ended64(lambda end: replace(end, at=0))),
    sample("ZIP64 locator far away", "zip-end64-locator", ended64(lambda end: replace(end, at=(1 << 64) - 1))),
    sample("ZIP64 locator of two disks", "zip-end64-locator", ended64(lambda end: replace(end, disks=2))),
    sample("ZIP64 end record with an extension", "zip-end64-size", ended64(lambda end: replace(end, record_size=45))),
    sample("two counts of entries", "zip-end64-mismatch", ended64(lambda end: end, lambda end: replace(end, entries=1))),
    sample("two directories", "zip-end64-mismatch", ended64(lambda end: replace(end, offset=0))),
    sample("ZIP64 sizes without ZIP64", "zip-end-mismatch", ended(lambda end: replace(end, offset=SENTINEL))),
    sample("a million entries", "zip-too-many-entries", ended64(lambda end: replace(end, entries=10**6), lambda end: replace(end, entries=0xFFFF))),
]  # fmt: skip

HEADERS = [
    sample("entry's data missing", "zip-local-central-mismatch", lambda: and_entry(replace(INNER, is_local=False, central=lambda told: replace(told, offset=0)))),
    sample("entry listed twice", "zip-duplicate-name", lambda: build_zip([*PLAIN.entries(), replace(PLAIN.entries()[0], is_local=False, central=lambda told: replace(told, offset=0))])),
    sample("name used twice", "zip-duplicate-name", lambda: build_zip([*PLAIN.entries(), PLAIN.entries()[1]])),
    sample("entry inside an entry", "zip-overlap", quoted_overlap),
    sample("data runs into the directory", "zip-overlap", lambda: both(lambda told: replace(told, packed=1 << 20))),
    sample("entry points to no entry", "zip-local-header", lambda: second(central=lambda told: replace(told, offset=7))),
    sample("entry points behind the directory", "zip-local-header", lambda: second(central=lambda told: replace(told, offset=1 << 30))),
    sample("comment of an entry", "zip-entry-comment", lambda: second(central=lambda told: replace(told, comment=b"hi"))),
    sample("entry on another disk", "zip-multi-disk", lambda: second(central=lambda told: replace(told, disk=1))),
    sample("other name in front", "zip-local-central-mismatch", lambda: second(local=lambda told: replace(told, name=b"demo/abc.py"))),
    sample("other flags in front", "zip-local-central-mismatch", lambda: second(local=lambda told: replace(told, flags=0x0800))),
    sample("other method in front", "zip-local-central-mismatch", lambda: second(local=lambda told: replace(told, method=0))),
    sample("other checksum in front", "zip-local-central-mismatch", lambda: second(local=lambda told: replace(told, crc=1))),
    sample("other packed size in front", "zip-local-central-mismatch", lambda: second(local=lambda told: replace(told, packed=1))),
    sample("other unpacked size in front", "zip-local-central-mismatch", lambda: second(local=lambda told: replace(told, unpacked=1))),
    sample("encrypted", "zip-encrypted", lambda: second(flags=0x0001)),
    sample("strongly encrypted", "zip-encrypted", lambda: second(flags=0x0040)),
    sample("masked headers", "zip-encrypted", lambda: second(flags=0x2000)),
    sample("patch data", "zip-flags", lambda: second(flags=0x0020)),
    sample("bzip2", "zip-method", lambda: both(lambda told: replace(told, method=12))),
    sample("LZMA", "zip-method", lambda: both(lambda told: replace(told, method=14))),
    sample("Zstandard", "zip-method", lambda: both(lambda told: replace(told, method=93))),
    sample("deflate64", "zip-method", lambda: both(lambda told: replace(told, method=9))),
    sample("extra field too long", "zip-extra-length", lambda: second(local=lambda told: replace(told, extra=b"\x99\x99\x05\x00ab"))),
    sample("extra field cut", "zip-extra-length", lambda: second(central=lambda told: replace(told, extra=b"\x00\x00\x00"))),
    sample("two ZIP64 fields", "zip-duplicate-extra", lambda: second(central=lambda told: replace(told, extra=zip64_sizes() * 2))),
    sample("two Unicode paths", "zip-duplicate-extra", lambda: second(local=lambda told: replace(told, extra=unicode_path(told.name) * 2))),
    sample("other Unicode path", "zip-unicode-path", lambda: second(central=lambda told: replace(told, extra=unicode_path(b"demo/abc.py")))),
    sample("Unicode path with a wrong checksum", "zip-unicode-path", lambda: second(local=lambda told: replace(told, extra=unicode_path(told.name, crc_of=b"x")))),
    sample("ZIP64 field missing", "zip-zip64-missing", lambda: both(lambda told: replace(told, packed=SENTINEL))),
    sample("ZIP64 field too short", "zip-zip64-extra", lambda: both(lambda told: replace(told, packed=SENTINEL, unpacked=SENTINEL, extra=zip64_sizes(1)))),
    sample("ZIP64 field of odd length", "zip-zip64-extra", lambda: both(lambda told: replace(told, extra=extra_field(1, b"abc")))),
    sample("ZIP64 field without need, other size", "zip-zip64-extra", lambda: second(local=lambda told: replace(told, extra=zip64_sizes(told.unpacked, told.packed + 1)))),
    sample("path not marked as UTF-8", "path-encoding", lambda: and_entry(ZipEntry("demo/ä.py", flags=0))),
    sample("path not UTF-8", "path-encoding", lambda: and_entry(ZipEntry(b"demo/\xe4.py", flags=0x0800))),
]  # fmt: skip

DATA = [
    sample("stored with two sizes", "zip-size-mismatch", lambda: and_entry(replace(INNER, is_deflated=False, local=lambda told: replace(told, unpacked=1), central=lambda told: replace(told, unpacked=1)))),
    sample("unpacks to more than it says", "zip-size-mismatch", lambda: both(lambda told: replace(told, unpacked=told.unpacked - 1))),
    sample("unpacks to less than it says", "zip-size-mismatch", lambda: both(lambda told: replace(told, unpacked=told.unpacked + 1))),
    sample("wrong checksum", "zip-crc", lambda: both(lambda told: replace(told, crc=1))),
    sample("damaged data", "zip-deflate", lambda: second(packed=b"\xff" * len(deflate(MODULE)))),
    sample("deflate stream cut short", "zip-deflate", lambda: second(packed=deflate(MODULE)[:-1], local=shorter, central=shorter)),
    sample("data hidden behind the deflate stream", "zip-deflate-rest", lambda: second(packed=deflate(MODULE) + b"evil", local=longer, central=longer)),
    sample("stored data with a descriptor", "zip-data-descriptor", lambda: and_entry(with_descriptor(replace(INNER, is_deflated=False)))),
    sample("wrong descriptor", "zip-data-descriptor", lambda: and_entry(with_descriptor(INNER, crc=zlib.crc32(b"")))),
    sample("zip bomb by ratio", "zip-bomb-ratio", zeros),
    sample("zip bomb by its total", "zip-bomb-total", lambda: declared(17 << 30)),
    sample("ZIP file and tar archive at once", "polyglot", polyglot),
]  # fmt: skip

MALFORMED_ZIPS = [*ENDS, *HEADERS, *DATA]
