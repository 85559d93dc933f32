"""Lists in pages: `limit` and an opaque `cursor`.

A cursor says after which entry the page begins, so entries that come or go meanwhile
are neither shown twice nor skipped. Any cursor of the right form is a place in the
list: none can be refused, and none tells anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Query

T = TypeVar("T")

MOST_ENTRIES = 1000
USUAL_ENTRIES = 100
CURSOR_PATTERN = "^([0-9a-f]{2}){1,200}$"
_LARGEST_SERIAL = 2**62


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is wanted; `after` is the key of the entry before it."""

    limit: int
    after: str | None


async def read_page(
    limit: Annotated[int, Query(ge=1, le=MOST_ENTRIES, description="The most entries to return.")] = USUAL_ENTRIES,
    cursor: Annotated[
        str | None, Query(pattern=CURSOR_PATTERN, description="`next_cursor` of the page before, as it was.")
    ] = None,
) -> Page:
    """Return the wanted page."""
    return Page(limit, None if cursor is None else bytes.fromhex(cursor).decode("utf-8", "replace"))


WantedPage = Annotated[Page, Depends(read_page)]


def cut(
    entries: Iterable[T], page: Page, *, key: Callable[[T], str], newest_first: bool = False
) -> tuple[list[T], str | None]:
    """Return the page's entries, in the order of their keys, and the cursor of the next page."""
    ordered = sorted(entries, key=key, reverse=newest_first)
    after = page.after
    if after is not None:
        ordered = [entry for entry in ordered if (key(entry) < after if newest_first else key(entry) > after)]
    shown = ordered[: page.limit]
    return shown, make_cursor(key(shown[-1])) if len(ordered) > page.limit else None


def make_cursor(key: str) -> str:
    """Return the cursor of the page that begins after the entry with this key."""
    return key.encode().hex()


def read_serial(page: Page) -> int | None:
    """Return the serial after which a page of events begins; what is none begins at the newest."""
    if page.after is None:
        return None
    digits = page.after[:20]
    return min(int(digits), _LARGEST_SERIAL) if digits.isascii() and digits.isdigit() else _LARGEST_SERIAL
