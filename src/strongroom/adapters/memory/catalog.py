"""`ports.Catalog` in memory, with the same semantics as on a database; it forgets all at the end.

Runs each transaction where it is called: there is nothing to wait for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from typing import TypeVar

from strongroom.adapters.memory.accounts import MemoryTokens, MemoryUsers
from strongroom.adapters.memory.followed import MemoryFollowed
from strongroom.adapters.memory.log import MemoryEvents, MemoryLeases
from strongroom.adapters.memory.packages import MemoryFiles, MemoryIndexes, MemoryProjects
from strongroom.adapters.memory.passage import (
    MemoryAskedNames,
    MemoryCopies,
    MemoryExemptions,
    MemoryNameLists,
    MemoryPromotions,
    MemoryReservations,
    MemoryUpstreamPages,
)
from strongroom.adapters.memory.state import State
from strongroom.adapters.memory.store import MemoryStoreIds
from strongroom.adapters.memory.turns import MemoryTurns
from strongroom.core.errors import Unavailable
from strongroom.ports import CatalogHealth, Transaction

T = TypeVar("T")


class MemoryCatalog:
    """A catalog whose committed state is replaced as a whole."""

    looks_at_once = True

    def __init__(self, *, chain_key: bytes = bytes(32)) -> None:
        self._chain_key = chain_key
        self._state = State()
        self._change_mark = 0
        self._is_closed = False
        self._writing = Lock()

    async def read(self, fn: Callable[[Transaction], T]) -> T:
        """Run the function on the committed state."""
        self._require_open()
        return fn(self._transaction(self._state))

    async def look(self, fn: Callable[[Transaction], T]) -> T:
        """Run the function on the committed state."""
        return await self.read(fn)

    async def write(self, fn: Callable[[Transaction], T]) -> T:
        """Run the function on a copy, which becomes the committed state unless it raises."""
        self._require_open()
        with self._writing:
            state = self._state.copy()
            result = fn(self._transaction(state))
            state.is_writable = False
            self._state = state
            self._change_mark += 1
        return result

    def change_mark(self) -> int:
        """Return how many transactions were committed."""
        return self._change_mark

    def access_mark(self) -> int:
        """Return the same: a transaction may have changed access."""
        return self._change_mark

    async def check(self) -> CatalogHealth:
        """Say that all is well, unless it is closed."""
        self._require_open()
        return CatalogHealth(is_writable=True, is_migrated=True, at=datetime.now(UTC))

    def waiting_writes(self) -> int:
        """Return 0: nothing waits."""
        return 0

    async def close(self) -> None:
        """Refuse all further transactions."""
        self._is_closed = True

    def _require_open(self) -> None:
        if self._is_closed:
            raise Unavailable("catalog-closed", "The server is stopping", "Try again later.")

    def _transaction(self, state: State) -> Transaction:
        return Transaction(
            indexes=MemoryIndexes(state),
            projects=MemoryProjects(state),
            files=MemoryFiles(state),
            users=MemoryUsers(state),
            tokens=MemoryTokens(state),
            events=MemoryEvents(state, self._chain_key),
            leases=MemoryLeases(state),
            reservations=MemoryReservations(state),
            upstream_pages=MemoryUpstreamPages(state),
            copies=MemoryCopies(state),
            name_lists=MemoryNameLists(state),
            asked_names=MemoryAskedNames(state),
            exemptions=MemoryExemptions(state),
            promotions=MemoryPromotions(state),
            followed=MemoryFollowed(state),
            turns=MemoryTurns(state),
            store=MemoryStoreIds(state),
        )
