"""Making room: copies of upstream files that were not used for the longest time are given up.

Decides which: bytes of upstream files only, and never what lies beside them, which is
small and keeps resolving fast. Own files are not looked at. A blob goes only when no file,
copy, name list or lease names it. Does not decide how much room there is, nor when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta

from strongroom.core.errors import Unavailable
from strongroom.core.mirrored import Copy
from strongroom.core.names import Sha256
from strongroom.ports import Blobs, Catalog, Clock, Transaction

NO_TIME = timedelta(0)
_AT_ONCE = 100
_REMOVAL_SECONDS = 60


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
    blobs: Blobs
    clock: Clock

    async def evict(self, limit_bytes: int, *, unused_for: timedelta = NO_TIME) -> EvictionReport:
        """Give up copies until the stored ones are within the limit, or all that are left were used too recently.

        Rows first, then blobs: a crash in between leaves blobs that nobody names, for the sweep.
        """
        copies, freed_bytes = 0, 0
        while given_up := await self.catalog.write(lambda tx: self._give_up(tx, limit_bytes, unused_for=unused_for)):
            removed = await self._remove_unneeded({copy.sha256 for copy in given_up})
            copies += len(given_up)
            freed_bytes += sum({copy.sha256: copy.size_bytes for copy in given_up if copy.sha256 in removed}.values())
        stored_bytes = await self.catalog.read(lambda tx: tx.copies.stored_bytes())
        return EvictionReport(copies, freed_bytes, stored_bytes)

    def _give_up(self, tx: Transaction, limit_bytes: int, *, unused_for: timedelta) -> list[Copy]:
        """Return the copies that were given up, as they were; a bounded number of them."""
        excess_bytes = tx.copies.stored_bytes() - limit_bytes
        given_up: list[Copy] = []
        for copy in tx.copies.list_least_used(_AT_ONCE) if excess_bytes > 0 else ():
            used_at = copy.last_used_at or copy.stored_at
            if excess_bytes <= 0 or used_at is None or used_at > self.clock.now() - unused_for:
                break
            tx.copies.save(replace(copy, stored_at=None, size_bytes=0))
            excess_bytes -= copy.size_bytes
            given_up.append(copy)
        return given_up

    async def _remove_unneeded(self, digests: Collection[Sha256]) -> frozenset[Sha256]:
        """Remove the blobs that nobody needs, inside a write transaction, and return them.

        Whoever is about to rely on a blob takes a lease in a transaction first: so it comes
        before (and the lease is seen here) or after (and the blob is gone and stored again).
        """
        loop = asyncio.get_running_loop()  # free meanwhile: transactions run in a thread of their own

        def remove(sha256: Sha256) -> None:
            removal = asyncio.run_coroutine_threadsafe(self.blobs.remove(sha256), loop)
            try:
                removal.result(_REMOVAL_SECONDS)
            except TimeoutError:
                removal.cancel()  # not later, when somebody may rely on the blob
                raise Unavailable("blobs-slow", "The blob store takes too long to remove a blob") from None

        def change(tx: Transaction) -> frozenset[Sha256]:
            needed = {sha256 for lease in tx.leases.list() for sha256 in lease.sha256}
            needed |= {names.sha256 for names in tx.name_lists.list()}
            needed |= tx.files.find_named(digests) | tx.copies.find_named(digests)
            unneeded = frozenset(digests) - needed
            for sha256 in unneeded:
                remove(sha256)
            return unneeded

        return await self.catalog.write(change)
