from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from strongroom.http.api.paging import Page, cut, make_cursor, read_page, read_serial

names = st.lists(st.text(min_size=1, max_size=20).filter(str.isprintable), unique=True, max_size=30)


@given(names, st.integers(1, 10), st.booleans())
def test_pages_hold_each_entry_once(entries: list[str], limit: int, newest_first: bool) -> None:  # noqa: FBT001  # hypothesis gives it by position
    """Walking from cursor to cursor gives every entry once and in order."""
    seen: list[str] = []
    page = Page(limit, None)
    while True:
        items, cursor = cut(entries, page, key=str, newest_first=newest_first)
        assert len(items) <= limit
        seen += items
        if cursor is None:
            break
        page = Page(limit, bytes.fromhex(cursor).decode())
    assert seen == sorted(entries, reverse=newest_first)


@given(names, st.text(max_size=20))
def test_any_cursor_is_a_place(entries: list[str], after: str) -> None:
    """A cursor need not name an entry: the page begins where it would be."""
    items, _ = cut(entries, Page(1000, after), key=str)
    assert items == [entry for entry in sorted(entries) if entry > after]


@given(st.integers(0, 2**62))
def test_a_serial_survives_its_cursor(serial: int) -> None:
    """The cursor of a serial leads back to it."""
    assert read_serial(Page(1, bytes.fromhex(make_cursor(str(serial))).decode())) == serial


@given(st.text(max_size=300))
def test_a_serial_fits_the_catalog(after: str) -> None:
    """Whatever a cursor holds, the catalog is asked for a serial that it can compare with."""
    serial = read_serial(Page(1, after))
    assert serial is not None
    assert 0 <= serial <= 2**62


@given(st.binary(min_size=1, max_size=200))
def test_any_hexadecimal_cursor_is_read(raw: bytes) -> None:
    """A cursor of the right form never fails."""
    import asyncio

    assert asyncio.run(read_page(5, raw.hex())).after is not None
