"""The quick way through a central directory: it finds what the careful one finds, and faults where that does."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.core.archive.fault import Fault
from strongroom.core.archive.zip_end import EndRecord
from strongroom.core.archive.zip_layout import read_directory
from strongroom.core.archive.zip_records import FLAG_UTF8, CentralHeader, scan_central
from tests.archives.zips import SENTINEL, Fields, unicode_path, zip64_sizes
from tests.replacing import replace

PART = b".dist-info/"
PLAIN = Fields(b"demo/__init__.py", flags=0, method=8, crc=1, packed=2, unpacked=3, attributes=0)
FOUND = replace(PLAIN, name=b"demo-1.0.dist-info/METADATA")
ODD = (
    {"name": b"demo-1.0.DIST-Info/RECORD"},
    {"name": b"\x84.dist-info/x"},
    {"name": b""},
    {"flags": FLAG_UTF8},
    {"flags": FLAG_UTF8, "name": "\u212a\u0130.dist-info/x".encode()},
    {"flags": FLAG_UTF8, "name": b"\xff"},
    {"flags": 8},
    {"flags": 6},
    {"flags": 1},
    {"flags": 0x10},
    {"method": 0},
    {"method": 9},
    {"version": 45},
    {"version": 46},
    {"version": 0x0114},
    {"disk": 1},
    {"comment": b"said"},
    {"comment": PART},
    {"extra": b"\x99\x00\x04\x00abcd"},
    {"extra": b"\x99\x00\x05\x00abcd"},
    {"extra": unicode_path(b"demo/other.py")},
    {"packed": SENTINEL},
    {"unpacked": SENTINEL},
    {"offset": SENTINEL},
    {"offset": SENTINEL, "extra": zip64_sizes(1 << 33)},
    {"packed": SENTINEL, "unpacked": SENTINEL, "extra": zip64_sizes(1 << 34, 1 << 33)},
)
"""What is not as usual in an entry: harmless, or a fault."""

ENTRIES = st.builds(
    lambda fields, odd: replace(fields, **odd),
    st.sampled_from([PLAIN, FOUND]),
    st.one_of(st.just({}), st.sampled_from(ODD)),
)


def pack(*entries: Fields) -> bytes:
    """Return a directory of these entries."""
    return b"".join(fields.pack_central(number * 100) for number, fields in enumerate(entries))


def read_all(directory: bytes, entries: int) -> list[CentralHeader] | str:
    """Return what the careful way finds, or the code of its fault."""
    try:
        return read_directory(io.BytesIO(directory), EndRecord(entries, 0, len(directory), len(directory)))
    except Fault as fault:
        return fault.verdict.code


def scan(directory: bytes, entries: int) -> tuple[list[CentralHeader], list[int]] | str | None:
    """Return what the quick way finds, or the code of its fault."""
    try:
        return scan_central(directory, entries=entries, part=PART)
    except Fault as fault:
        return fault.verdict.code


def may_matter(header: CentralHeader) -> bool:
    """Say whether a reader sees the part in the name, or cannot read the name."""
    encoding = "utf-8" if header.common.flags & FLAG_UTF8 else "cp437"
    try:
        return PART.decode() in header.common.name.decode(encoding).lower()
    except UnicodeDecodeError:
        return True


def check(directory: bytes, entries: int) -> None:
    """Fail where the two ways differ."""
    careful, quick = read_all(directory, entries), scan(directory, entries)
    if isinstance(careful, str):
        assert quick in (careful, None)
        return
    assert isinstance(quick, tuple)
    headers, passed = quick
    assert sorted(passed + [header.header_offset for header in headers]) == sorted(
        header.header_offset for header in careful
    )
    left = iter(careful)
    assert all(header in left for header in headers), "in their order"
    assert [header for header in headers if may_matter(header)] == [header for header in careful if may_matter(header)]


@given(entries=st.lists(ENTRIES, max_size=6), more=st.sampled_from([0, 0, 0, 1, -1]))
@settings(max_examples=400, deadline=None)
def test_whatever_the_entries_are(entries: list[Fields], more: int) -> None:
    """All kinds of entries, in any order, and a number that may be wrong."""
    check(pack(*entries), max(0, len(entries) + more))


@given(data=st.data(), entries=st.lists(ENTRIES, min_size=1, max_size=4))
@settings(max_examples=400, deadline=None)
def test_damaged_directories(data: st.DataObject, entries: list[Fields]) -> None:
    """Bytes changed, cut out and put in, wherever they are."""
    directory = bytearray(pack(*entries))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(directory)))
        directory[start : start + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    check(bytes(directory), len(entries))


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_an_odd_entry_is_judged_as_ever(odd: dict[str, object]) -> None:
    """Alone, and between others that are passed over."""
    fields = replace(PLAIN, **odd)
    check(pack(fields), 1)
    check(pack(PLAIN, fields, FOUND, PLAIN), 4)


def test_the_first_fault_counts() -> None:
    """Where several entries are at fault, the first one's is told."""
    faults = [replace(PLAIN, comment=b"said"), replace(PLAIN, flags=1), replace(PLAIN, method=9)]
    assert scan(pack(PLAIN, *faults), 4) == "zip-entry-comment"
    assert scan(pack(PLAIN, *reversed(faults)), 4) == "zip-method"


def test_usual_entries_are_passed_over() -> None:
    """Only their places are told."""
    usual = [replace(PLAIN, name=b"demo/%d.py" % number) for number in range(500)]
    found = scan(pack(*usual, FOUND, *usual, replace(FOUND, name=b"a.DIST-INFO/b")), 1002)
    assert isinstance(found, tuple)
    headers, passed = found
    assert [header.common.name for header in headers] == [FOUND.name, b"a.DIST-INFO/b"]
    assert passed == [number * 100 for number in range(1001) if number != 500]


def test_a_part_outside_of_names_hides_none() -> None:
    """It may stand in a header's numbers, or begin in one entry and end in the next."""
    crc, packed, unpacked = struct.unpack("<III", PART + b"x")
    check(pack(replace(PLAIN, crc=crc, packed=packed, unpacked=unpacked), FOUND), 2)
    check(pack(replace(PLAIN, name=b"demo.dist-info"), FOUND, replace(PLAIN, name=b"demo/a.dist-info")), 3)


@pytest.mark.parametrize(("size", "entries"), [(0, 1), (45, 1), (46, 1), (61, 1), (62, 2), (62, 0), (63, 1), (70, 2)])
def test_a_directory_that_does_not_add_up(size: int, entries: int) -> None:
    """It is left to the careful way, which refuses it."""
    directory = (pack(PLAIN) + bytes(20))[:size]
    assert scan(directory, entries) is None
    assert isinstance(read_all(directory, entries), str)


def test_a_directory_without_entries() -> None:
    """It holds nothing."""
    assert scan(b"", 0) == ([], [])


def test_code_page_437_keeps_what_is_looked_for() -> None:
    """No other byte is read as ASCII, in either case: bytes can be searched instead of text."""
    for number in range(128, 256):
        assert not any(letter.isascii() for letter in bytes([number]).decode("cp437").lower())
