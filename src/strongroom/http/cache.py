"""What a worker keeps in memory, and how it never goes stale.

Before each use the worker compares the catalog's change mark (microseconds). When it
moved, the events since the last serial say exactly what to drop: the pages of the
projects that changed, all pages when names may come from other sources, all principals
when rights changed. What comes from upstreams changes without an event, so it has an
end. A log that no longer has the last entry seen has gone back in time: all is dropped.
Does not render anything and does not decide who may read.

However many requests wait, one question to the catalog runs at a time, and its answer
is everybody's who came before it began. A catalog that cannot be reached tells nothing.
What is known then holds for `GRACE_SECONDS` more, so that a restarted database stops no
installation, and no longer, so that a revoked token does not live on (ADR 10).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime

from strongroom.core.access import Signed
from strongroom.core.access_changes import changes_access
from strongroom.core.caller import open_indexes
from strongroom.core.errors import Unavailable, Unreachable
from strongroom.core.events import Entry, Head, ProjectEvent, SourceEvent
from strongroom.core.model import Index
from strongroom.core.names import IndexName, ProjectName
from strongroom.ports import Catalog, Clock, Transaction

Shelf = tuple[IndexName, ProjectName | None]
"""What is dropped together: a project of an index, or (None) the index's project list."""

WAYS = "ways"
"""The key of the ways to upstreams on which a project's files come (`core/screening.py`)."""

GRACE_SECONDS = 30.0
"""How long what is known may be used after it was last certain, while the catalog cannot be reached."""

_PRINCIPALS_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class Moment:
    """When a value was loaded, as the cache's `generation`, and until when it holds (None: until something changes)."""

    generation: int
    until: datetime | None = None


@dataclass(slots=True)
class _Kept:
    values: dict[Hashable, object] = field(default_factory=dict)
    sizes: dict[Hashable, int] = field(default_factory=dict)
    spans: dict[Hashable, tuple[datetime, datetime]] = field(default_factory=dict)
    """From when until when a value holds, where it has an end."""
    size_bytes: int = 0


class Cache:
    """Rendered pages, file facts and principals of one worker process."""

    def __init__(
        self,
        catalog: Catalog,
        clock: Clock,
        *,
        limit_bytes: int = 256 * 1024 * 1024,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog = catalog
        self._clock = clock
        self._limit_bytes = limit_bytes
        self._monotonic = monotonic
        self._certain_at = float("-inf")
        self._size_bytes = 0
        self._mark: int | None = None
        self._access_mark = 0
        self._head: Head | None = None
        self._shelves: OrderedDict[Shelf, _Kept] = OrderedDict()
        self._principals: dict[bytes, Signed] = {}
        self._refreshing = asyncio.Lock()
        self._questions = 0
        self._answered = 0
        """The last question that came to an end, and what was wrong then."""
        self._fault: Unavailable | None = None
        self.generation = 0
        self.indexes: dict[IndexName, Index] = {}
        self.open_indexes: frozenset[IndexName] = frozenset()

    @property
    def serial(self) -> int:
        """Return the catalog's serial as of the last refresh."""
        return 0 if self._head is None else self._head.serial

    def is_current(self) -> bool:
        """Return whether nothing was committed since the last refresh."""
        if self._catalog.change_mark() != self._mark:
            return False
        self._certain_at = self._monotonic()
        return True

    async def refresh(self) -> None:
        """Catch up with the catalog, or while it cannot be reached go on with what is known.

        Raises `Unreachable` when that was last certain too long ago, or when somebody's access is
        known to have changed since, and `Unavailable` for any other delay.
        """
        asked_before = self._questions
        async with self._refreshing:
            if self._answered <= asked_before:
                if self.is_current():
                    return
                await self._ask()
            if self._fault is not None and not self._has_grace(self._fault):
                raise self._fault.with_traceback(None)

    async def _ask(self) -> None:
        self._questions += 1
        try:
            await self._catch_up()
            self._fault = None
        except Unavailable as fault:
            self._fault = fault
        self._answered = self._questions

    def _has_grace(self, fault: Unavailable) -> bool:
        return (
            isinstance(fault, Unreachable)
            and self._monotonic() - self._certain_at <= GRACE_SECONDS
            and self._catalog.access_mark() == self._access_mark
        )

    async def _catch_up(self) -> None:
        asked_at, mark, access_mark = self._monotonic(), self._catalog.change_mark(), self._catalog.access_mark()
        indexes, entries, head = await self._catalog.read(self._load)
        self._apply(entries)
        self._take_indexes(indexes)
        self._head = head
        self._mark, self._access_mark = mark, access_mark
        self._certain_at = asked_at

    def find(self, shelf: Shelf, key: Hashable) -> object | None:
        """Return what was stored, if nothing on its shelf has changed since, nor has it ended."""
        kept = self._shelves.get(shelf)
        if kept is None:
            return None
        span = kept.spans.get(key)
        if span is not None and not span[0] <= self._clock.now() < span[1]:
            return None
        self._shelves.move_to_end(shelf)
        return kept.values.get(key)

    def store(self, shelf: Shelf, key: Hashable, *, value: object, size_bytes: int, moment: Moment) -> None:
        """Keep a value that was loaded at that moment.

        A value whose loading raced a change is not kept: it may be older than the change.
        One that has an end has it, too, where the clock is set back to before it was kept.
        """
        if moment.generation != self.generation or size_bytes > self._limit_bytes // 4:
            return
        kept = self._shelves.setdefault(shelf, _Kept())
        kept.spans.pop(key, None)
        if moment.until is not None:
            kept.spans[key] = (self._clock.now(), moment.until)
        self._shelves.move_to_end(shelf)
        grown_bytes = size_bytes - kept.sizes.get(key, 0)
        kept.size_bytes += grown_bytes
        self._size_bytes += grown_bytes
        kept.sizes[key] = size_bytes
        kept.values[key] = value
        while self._size_bytes > self._limit_bytes:
            _, dropped = self._shelves.popitem(last=False)
            self._size_bytes -= dropped.size_bytes

    def forget(self, shelf: Shelf, key: Hashable) -> None:
        """Forget one value, if it is there."""
        kept = self._shelves.get(shelf)
        if kept is not None and kept.values.pop(key, None) is not None:
            size_bytes = kept.sizes.pop(key)
            kept.size_bytes -= size_bytes
            self._size_bytes -= size_bytes

    def find_principal(self, digest: bytes) -> Signed | None:
        """Return the principal of an Authorization header's digest."""
        return self._principals.get(digest)

    def store_principal(self, digest: bytes, principal: Signed, *, generation: int) -> None:
        """Keep a principal whose loading did not race a change."""
        if generation != self.generation:
            return
        if len(self._principals) >= _PRINCIPALS_LIMIT:
            self._principals.clear()
        self._principals[digest] = principal

    def _load(self, tx: Transaction) -> tuple[tuple[Index, ...], tuple[Entry, ...] | None, Head | None]:
        head = _head_of(tx.events.latest(1))
        return tx.indexes.list(), None if self._mark is None else self._load_entries(tx, head), head

    def _load_entries(self, tx: Transaction, head: Head | None) -> tuple[Entry, ...] | None:
        """Return what has happened since; None when it is too much, or when the log has gone back in time."""
        if self._head is None:
            entries = tx.events.since(0)
            return entries if _head_of(entries[-1:]) == head else None
        # After a failover or a restored database a serial may have been given to another change.
        entries = tx.events.since(self._head.serial - 1)
        goes_on = _head_of(entries[:1]) == self._head
        return entries[1:] if goes_on and _head_of(entries[-1:]) == head else None

    def _apply(self, entries: tuple[Entry, ...] | None) -> None:
        if entries is None:
            self._shelves.clear()
            self._principals.clear()
            self._size_bytes = 0
            self.generation += 1
            return
        for entry in entries:
            self.generation += 1
            if changes_access(entry.event):
                self._principals.clear()
            if isinstance(entry.event, ProjectEvent):
                self._drop_project(entry.event.project)
            if isinstance(entry.event, SourceEvent):
                self._shelves.clear()
                self._size_bytes = 0

    def _drop_project(self, project: ProjectName) -> None:
        """Drop the project's pages in every index: each may get it from the one where it changed."""
        for index in self.indexes:
            self._drop((index, project))
            self._drop((index, None))

    def _drop(self, shelf: Shelf) -> None:
        kept = self._shelves.pop(shelf, None)
        if kept is not None:
            self._size_bytes -= kept.size_bytes

    def _take_indexes(self, indexes: tuple[Index, ...]) -> None:
        self.indexes = {index.name: index for index in indexes}
        self.open_indexes = open_indexes(indexes)


def _head_of(entries: tuple[Entry, ...]) -> Head | None:
    """Return the place of the last of them."""
    return Head(entries[-1].serial, entries[-1].chain_hash) if entries else None
