"""Removing blobs: said in the catalog first, then done, a few at a time (`core/removals.py` says why).

The one way by which the sweep and the eviction of copies remove anything. Decides that
the blobs are the catalog's own, that nobody needs them, and that the removal goes on only
as long as nobody has ended it. Does not decide which blobs are asked about.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from strongroom.core.errors import Unavailable
from strongroom.core.model import Lease
from strongroom.core.names import Sha256
from strongroom.core.removals import REMOVAL_SECONDS, make_removal, renew_removal
from strongroom.ports import Blobs, Catalog, Clock, Transaction, demand_own_blobs

_AT_ONCE = 16
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Removing:
    """`ports.Remover` on the catalog and its blobs."""

    catalog: Catalog
    blobs: Blobs
    clock: Clock
    removal_seconds: float = REMOVAL_SECONDS

    async def remove(self, choose: Callable[[Transaction], Collection[Sha256]]) -> frozenset[Sha256]:
        """Remove those of the chosen blobs that nobody needs, and return them.

        An upload of the same bytes names them in a transaction, too, before it relies on a
        blob that is there already: so it comes before (and its lease is seen here) or after
        (and it is told to come back). When something fails, what was written down is left to
        expire: a request to the store may still be on its way. Whoever comes after that ends
        the removal, and it goes no further, also where this process stood still meanwhile.
        """
        await demand_own_blobs(self.catalog, self.blobs)
        removal_id, removed = secrets.token_hex(16), set[Sha256]()
        try:
            async with asyncio.timeout(self.removal_seconds):
                removal = await self.catalog.write(lambda tx: self._write_down(tx, choose(tx), removal_id=removal_id))
                for start in range(0, len(removal.sha256), _AT_ONCE):
                    if not await self.catalog.write(lambda tx: self._go_on(tx, removal)):
                        _log.warning("a removal was ended by somebody else", extra={"fields": {"removal": removal_id}})
                        return frozenset(removed)
                    some = removal.sha256[start : start + _AT_ONCE]
                    await self._remove(some)
                    removed.update(some)
        except TimeoutError:
            raise Unavailable(
                "blobs-slow", "The blob store takes too long to remove blobs", "The next sweep goes on."
            ) from None
        if removed:
            await self.catalog.write(lambda tx: tx.leases.remove(removal.lease_id))
        return frozenset(removed)

    def _write_down(self, tx: Transaction, digests: Collection[Sha256], *, removal_id: str) -> Lease:
        removal = make_removal(removal_id, sorted(tx.find_unneeded(digests)), now=self.clock.now())
        if removal.sha256:
            tx.leases.add(removal)
        return removal

    def _go_on(self, tx: Transaction, removal: Lease) -> bool:
        """Let the removal count anew from now on; return False when somebody has ended it."""
        if removal.lease_id not in {lease.lease_id for lease in tx.leases.list_removals()}:
            return False
        tx.leases.replace(renew_removal(removal, now=self.clock.now()))
        return True

    async def _remove(self, digests: Sequence[Sha256]) -> None:
        """Remove some at once; all of them have ended when this raises what one of them raised."""
        ends = await asyncio.gather(*map(self.blobs.remove, digests), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end
