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


def sample(title: str, build: Callable[[], bytes], *, code: str) -> Sample:
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


def running_over() -> bytes:
    """Return a wheel whose last directory entry takes the end record for a part of its name."""
    archive = bytearray(BYTES)
    at = archive.rfind(b"PK\x01\x02") + 28
    (length,) = struct.unpack_from("<H", archive, at)
    struct.pack_into("<H", archive, at, length + 22)
    return bytes(archive)


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
    sample("empty file", lambda: b"", code="zip-no-end"),
    sample("not a ZIP file", lambda: b"<!doctype html>" * 40, code="zip-no-end"),
    sample("first half only", lambda: BYTES[: len(BYTES) // 2], code="zip-no-end"),
    sample("cut inside the end record", lambda: BYTES[:-4], code="zip-truncated"),
    sample("cut inside the comment", ended(lambda end: replace(end, comment_length=9)), code="zip-truncated"),
    sample("trailing data", lambda: BYTES + b"more", code="zip-trailing-data"),
    sample("two ZIP files", lambda: BYTES + BYTES, code="zip-prefix-data"),
    sample("program in front", lambda: build_zip(PLAIN.entries(), prefix=b"#!/bin/sh\n"), code="zip-prefix-data"),
    sample("data in front of the first entry", lambda: first(before=b"#!/bin/sh\n"), code="zip-prefix-data"),
    sample("data between entries", lambda: second(before=b"gap"), code="zip-gap"),
    sample("data in front of the directory", lambda: and_entry(replace(INNER, after=b"gap")), code="zip-gap"),
    sample("entry that is not listed", lambda: and_entry(replace(INNER, is_central=False)), code="zip-unlisted-entry"),
    sample("first entry not listed", lambda: first(is_central=False), code="zip-unlisted-entry"),
    sample("record behind the directory", lambda: build_zip(PLAIN.entries(), before_end=b"PK\x05\x05\0\0"), code="zip-prefix-data"),
    sample("too few entries counted", ended(lambda end: replace(end, entries=4)), code="zip-entry-count"),
    sample("too many entries counted", ended(lambda end: replace(end, entries=9)), code="zip-entry-count"),
    sample("directory too short", ended(lambda end: replace(end, size=end.size - 46)), code="zip-prefix-data"),
    sample("directory too long", ended(lambda end: replace(end, size=end.size + 46)), code="zip-end-mismatch"),
    sample("directory begins inside itself", ended(lambda end: replace(end, offset=end.offset + 4, size=end.size - 4)), code="zip-unknown-record"),
    sample("directory runs over the end record", running_over, code="zip-end-mismatch"),
    sample("several disks", ended(lambda end: replace(end, disk=1)), code="zip-multi-disk"),
    sample("ZIP64 locator astray", ended64(lambda end: replace(end, at=0)), code="zip-end64-locator"),
    sample("ZIP64 locator far away", ended64(lambda end: replace(end, at=(1 << 64) - 1)), code="zip-end64-locator"),
    sample("ZIP64 locator of two disks", ended64(lambda end: replace(end, disks=2)), code="zip-end64-locator"),
    sample("ZIP64 end record with an extension", ended64(lambda end: replace(end, record_size=45)), code="zip-end64-size"),
    sample("two counts of entries", ended64(lambda end: end, lambda end: replace(end, entries=1)), code="zip-end64-mismatch"),
    sample("two directories", ended64(lambda end: replace(end, offset=0)), code="zip-end64-mismatch"),
    sample("ZIP64 sizes without ZIP64", ended(lambda end: replace(end, offset=SENTINEL)), code="zip-end-mismatch"),
    sample("a million entries", ended64(lambda end: replace(end, entries=10**6), lambda end: replace(end, entries=0xFFFF)), code="zip-too-many-entries"),
]  # fmt: skip

HEADERS = [
    sample("entry's data missing", lambda: and_entry(replace(INNER, is_local=False, central=lambda told: replace(told, offset=0))), code="zip-local-central-mismatch"),
    sample("entry listed twice", lambda: build_zip([*PLAIN.entries(), replace(PLAIN.entries()[0], is_local=False, central=lambda told: replace(told, offset=0))]), code="zip-duplicate-name"),
    sample("name used twice", lambda: build_zip([*PLAIN.entries(), PLAIN.entries()[1]]), code="zip-duplicate-name"),
    sample("entry inside an entry", quoted_overlap, code="zip-overlap"),
    sample("data runs into the directory", lambda: both(lambda told: replace(told, packed=1 << 20)), code="zip-overlap"),
    sample("entry points to no entry", lambda: second(central=lambda told: replace(told, offset=7)), code="zip-local-header"),
    sample("entry points behind the directory", lambda: second(central=lambda told: replace(told, offset=1 << 30)), code="zip-local-header"),
    sample("comment of an entry", lambda: second(central=lambda told: replace(told, comment=b"hi")), code="zip-entry-comment"),
    sample("entry on another disk", lambda: second(central=lambda told: replace(told, disk=1)), code="zip-multi-disk"),
    sample("other name in front", lambda: second(local=lambda told: replace(told, name=b"demo/abc.py")), code="zip-local-central-mismatch"),
    sample("other flags in front", lambda: second(local=lambda told: replace(told, flags=0x0800)), code="zip-local-central-mismatch"),
    sample("other method in front", lambda: second(local=lambda told: replace(told, method=0)), code="zip-local-central-mismatch"),
    sample("other checksum in front", lambda: second(local=lambda told: replace(told, crc=1)), code="zip-local-central-mismatch"),
    sample("other packed size in front", lambda: second(local=lambda told: replace(told, packed=1)), code="zip-local-central-mismatch"),
    sample("other unpacked size in front", lambda: second(local=lambda told: replace(told, unpacked=1)), code="zip-local-central-mismatch"),
    sample("encrypted", lambda: second(flags=0x0001), code="zip-encrypted"),
    sample("strongly encrypted", lambda: second(flags=0x0040), code="zip-encrypted"),
    sample("masked headers", lambda: second(flags=0x2000), code="zip-encrypted"),
    sample("patch data", lambda: second(flags=0x0020), code="zip-flags"),
    sample("version 6.3", lambda: and_entry(replace(INNER, version=63)), code="zip-flags"),
    sample("bzip2", lambda: both(lambda told: replace(told, method=12)), code="zip-method"),
    sample("LZMA", lambda: both(lambda told: replace(told, method=14)), code="zip-method"),
    sample("Zstandard", lambda: both(lambda told: replace(told, method=93)), code="zip-method"),
    sample("deflate64", lambda: both(lambda told: replace(told, method=9)), code="zip-method"),
    sample("extra field too long", lambda: second(local=lambda told: replace(told, extra=b"\x99\x99\x05\x00ab")), code="zip-extra-length"),
    sample("extra field cut", lambda: second(central=lambda told: replace(told, extra=b"\x00\x00\x00")), code="zip-extra-length"),
    sample("two ZIP64 fields", lambda: second(central=lambda told: replace(told, extra=zip64_sizes() * 2)), code="zip-duplicate-extra"),
    sample("two Unicode paths", lambda: second(local=lambda told: replace(told, extra=unicode_path(told.name) * 2)), code="zip-duplicate-extra"),
    sample("other Unicode path", lambda: second(central=lambda told: replace(told, extra=unicode_path(b"demo/abc.py"))), code="zip-unicode-path"),
    sample("Unicode path with a wrong checksum", lambda: second(local=lambda told: replace(told, extra=unicode_path(told.name, crc_of=b"x"))), code="zip-unicode-path"),
    sample("ZIP64 field missing", lambda: both(lambda told: replace(told, packed=SENTINEL)), code="zip-zip64-missing"),
    sample("ZIP64 field too short", lambda: both(lambda told: replace(told, packed=SENTINEL, unpacked=SENTINEL, extra=zip64_sizes(1))), code="zip-zip64-extra"),
    sample("ZIP64 field of odd length", lambda: both(lambda told: replace(told, extra=extra_field(1, b"abc"))), code="zip-zip64-extra"),
    sample("ZIP64 field without need, other size", lambda: second(local=lambda told: replace(told, extra=zip64_sizes(told.unpacked, told.packed + 1))), code="zip-zip64-extra"),
    sample("path not marked as UTF-8", lambda: and_entry(ZipEntry("demo/ä.py", flags=0)), code="path-encoding"),
    sample("path not UTF-8", lambda: and_entry(ZipEntry(b"demo/\xe4.py", flags=0x0800)), code="path-encoding"),
]  # fmt: skip

DATA = [
    sample("stored with two sizes", lambda: and_entry(replace(INNER, is_deflated=False, local=lambda told: replace(told, unpacked=1), central=lambda told: replace(told, unpacked=1))), code="zip-size-mismatch"),
    sample("unpacks to more than it says", lambda: both(lambda told: replace(told, unpacked=told.unpacked - 1)), code="zip-size-mismatch"),
    sample("unpacks to less than it says", lambda: both(lambda told: replace(told, unpacked=told.unpacked + 1)), code="zip-size-mismatch"),
    sample("wrong checksum", lambda: both(lambda told: replace(told, crc=1)), code="zip-crc"),
    sample("damaged data", lambda: second(packed=b"\xff" * len(deflate(MODULE))), code="zip-deflate"),
    sample("deflate stream cut short", lambda: second(packed=deflate(MODULE)[:-1], local=shorter, central=shorter), code="zip-deflate"),
    sample("data hidden behind the deflate stream", lambda: second(packed=deflate(MODULE) + b"evil", local=longer, central=longer), code="zip-deflate-rest"),
    sample("stored data with a descriptor", lambda: and_entry(with_descriptor(replace(INNER, is_deflated=False))), code="zip-data-descriptor"),
    sample("wrong descriptor", lambda: and_entry(with_descriptor(INNER, crc=zlib.crc32(b""))), code="zip-data-descriptor"),
    sample("zip bomb by ratio", zeros, code="zip-bomb-ratio"),
    sample("zip bomb by its total", lambda: declared(17 << 30), code="zip-bomb-total"),
    sample("ZIP file and tar archive at once", polyglot, code="polyglot"),
]  # fmt: skip

MALFORMED_ZIPS = [*ENDS, *HEADERS, *DATA]
