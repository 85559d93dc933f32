"""Making room: copies of upstream files that were not used for the longest time are given up.

Decides which: bytes of upstream files only, and never what lies beside them, which is
small and keeps resolving fast. Own files are not looked at. A blob goes only when no file,
copy, name list or lease names it; that it goes is written down first (`core/removals.py`),
so no transaction is open while the store removes. Does not decide how much room there
is, nor when.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta

from strongroom.core.errors import Unavailable
from strongroom.core.mirrored import Copy
from strongroom.core.model import Lease
from strongroom.core.names import Sha256
from strongroom.core.removals import REMOVAL_SECONDS, make_removal
from strongroom.ports import Blobs, Catalog, Clock, Transaction

NO_TIME = timedelta(0)
_MOST_COPIES = 100
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class EvictionReport:
    """How many copies were given up, how much room that made, and what is stored still."""

    copies: int
    freed_bytes: int
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class _GivenUp:
    """Copies as they were, and the removal of those of their blobs that nobody needs any more."""

    copies: tuple[Copy, ...]
    removal: Lease

    def freed_bytes(self) -> int:
        """Return how much room the removal makes; a blob that several copies had counts once."""
        sizes = {copy.sha256: copy.size_bytes for copy in self.copies}
        return sum(sizes[sha256] for sha256 in self.removal.sha256)


@dataclass(frozen=True, slots=True)
class Eviction:
    """Keeps copies of upstream files within a limit."""

    catalog: Catalog
    blobs: Blobs
    clock: Clock
    removal_seconds: float = REMOVAL_SECONDS

    async def evict(self, limit_bytes: int, *, unused_for: timedelta = NO_TIME) -> EvictionReport:
        """Give up copies until the stored ones are within the limit, or all that are left were used too recently.

        Rows first, then blobs: a crash in between leaves blobs that nobody names, for the sweep.
        Raises `Unavailable` when the store takes too long to remove, `StorageFault`.
        """
        copies, freed_bytes = 0, 0
        while True:
            given_up = await self.catalog.write(lambda tx: self._give_up(tx, limit_bytes, unused_for=unused_for))
            if not given_up.copies:
                break
            await self._remove(given_up.removal)
            copies += len(given_up.copies)
            freed_bytes += given_up.freed_bytes()
        stored_bytes = await self.catalog.read(lambda tx: tx.copies.stored_bytes())
        return EvictionReport(copies, freed_bytes, stored_bytes)

    def _give_up(self, tx: Transaction, limit_bytes: int, *, unused_for: timedelta) -> _GivenUp:
        """Change the rows of some copies, and write down which blobs are to be removed.

        Whoever is about to rely on a blob takes a lease in a transaction, too: so it comes
        before (and the lease is seen here) or after (and it is told to come back).
        """
        copies = self._choose(tx, limit_bytes, unused_for=unused_for)
        for copy in copies:
            tx.copies.save(replace(copy, stored_at=None, size_bytes=0))
        unneeded = _find_unneeded(tx, {copy.sha256 for copy in copies})
        removal = make_removal(secrets.token_hex(16), sorted(unneeded), now=self.clock.now())
        if unneeded:
            tx.leases.add(removal)
        return _GivenUp(copies, removal)

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

    async def _remove(self, removal: Lease) -> None:
        """Remove the blobs, and say that it is over.

        When something fails, what was written down is left to expire: a request to the
        store may still be on its way. The sweep removes the rest.
        """
        if not removal.sha256:
            return
        try:
            async with asyncio.timeout(self.removal_seconds):
                for start in range(0, len(removal.sha256), _AT_ONCE):
                    await self._remove_some(removal.sha256[start : start + _AT_ONCE])
        except TimeoutError:
            raise Unavailable(
                "blobs-slow", "The blob store takes too long to remove blobs", "The next sweep goes on."
            ) from None
        await self.catalog.write(lambda tx: tx.leases.remove(removal.lease_id))

    async def _remove_some(self, digests: Collection[Sha256]) -> None:
        """Remove some at once; all of them have ended when this raises what one of them raised."""
        ends = await asyncio.gather(*map(self.blobs.remove, digests), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end


def _find_unneeded(tx: Transaction, digests: Collection[Sha256]) -> frozenset[Sha256]:
    """Return those that nothing names as this transaction sees it."""
    needed = {sha256 for lease in tx.leases.list() for sha256 in lease.sha256}
    needed |= {names.sha256 for names in tx.name_lists.list()}
    needed |= tx.files.find_named(digests) | tx.copies.find_named(digests)
    return frozenset(digests) - needed
