"""Making room: copies of upstream files that were not used for the longest time are given up.

Decides which: bytes of upstream files only, and never what lies beside them, which is
small and keeps resolving fast. Own files are not looked at. How blobs go that nobody needs
then, `services/removing.py` decides; no transaction is open while the store removes. Does
not decide how much room there is, nor when.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta

from strongroom.core.mirrored import Copy
from strongroom.core.names import Sha256
from strongroom.ports import Catalog, Clock, Remover, Transaction

NO_TIME = timedelta(0)
_MOST_COPIES = 100


@dataclass(frozen=True, slots=True)
class EvictionReport:
    """How many copies were given up, how much room that made, and what is stored still."""

    copies: int
    freed_bytes: int
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class Eviction:
    """Keeps copies of upstream files within a limit."""

    catalog: Catalog
    clock: Clock
    remover: Remover

    async def evict(self, limit_bytes: int, *, unused_for: timedelta = NO_TIME) -> EvictionReport:
        """Give up copies until the stored ones are within the limit, or all that are left were used too recently.

        Rows first, then blobs: a crash in between leaves blobs that nobody names, for the sweep.
        Raises `Unavailable` when the store takes too long to remove, `StorageFault`.
        """
        copies: list[Copy] = []
        given_up = 0
        freed_bytes = 0

        def choose(tx: Transaction) -> Collection[Sha256]:
            copies[:] = self._give_up(tx, limit_bytes, unused_for=unused_for)
            return {copy.sha256 for copy in copies}

        while True:
            removed = await self.remover.remove(choose)
            if not copies:
                break
            given_up += len(copies)
            sizes = {copy.sha256: copy.size_bytes for copy in copies}  # a blob that several copies had counts once
            freed_bytes += sum(sizes[sha256] for sha256 in removed)
        stored_bytes = await self.catalog.read(lambda tx: tx.copies.stored_bytes())
        return EvictionReport(given_up, freed_bytes, stored_bytes)

    def _give_up(self, tx: Transaction, limit_bytes: int, *, unused_for: timedelta) -> tuple[Copy, ...]:
        """Change the rows of some copies, and return them as they were."""
        copies = self._choose(tx, limit_bytes, unused_for=unused_for)
        for copy in copies:
            tx.copies.save(replace(copy, stored_at=None, size_bytes=0))
        return copies

    def _choose(self, tx: Transaction, limit_bytes: int, *, unused_for: timedelta) -> tuple[Copy, ...]:
        """Return the copies to be given up next, the least used first; a bounded number of them."""
        excess_bytes = tx.copies.stored_bytes() - limit_bytes
        chosen: list[Copy] = []
        for copy in tx.copies.list_least_used(_MOST_COPIES) if excess_bytes > 0 else ():
            used_at = copy.last_used_at or copy.stored_at
            if excess_bytes <= 0 or used_at is None or used_at > self.clock.now() - unused_for:
                break
            excess_bytes -= copy.size_bytes
            chosen.append(copy)
        return tuple(chosen)
