"""The sweep: bytes that nobody needs go, and so does what crashed uploads left.

Decides what may go: a blob older than the grace that nobody needs. Writes no event, because nothing that anybody
can see is changed. Holds neither the list of all blobs nor that of all needed ones: it
walks the store in the order of digests, with a window of what is needed beside it. The
window only saves work; the transaction that writes the removal down decides (`removing.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from strongroom.core.access import SERVER, Right
from strongroom.core.caller import Caller
from strongroom.core.model import Lease
from strongroom.core.names import Sha256
from strongroom.ports import BlobInfo, Blobs, Catalog, Clock, Remover, Transaction

GRACE = timedelta(hours=24)
"""How long bytes without a row stay: longer than any upload takes."""
_CANDIDATES = 500
_WINDOW = 20_000


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What was removed, or would be."""

    blobs: int = 0
    freed_bytes: int = 0
    leases: int = 0
    incoming: int = 0
    is_dry_run: bool = False

    def with_blobs(self, removed: list[BlobInfo]) -> SweepReport:
        """Return the report with these blobs counted, too."""
        freed_bytes = self.freed_bytes + sum(info.size_bytes for info in removed)
        return replace(self, blobs=self.blobs + len(removed), freed_bytes=freed_bytes)


class IncomingArea(Protocol):
    """A store that keeps arriving bytes in files of its own, on this machine."""

    async def purge_incoming(self, older_than: datetime) -> int:
        """Remove what was last written before that time, and return how many."""
        ...


@dataclass(frozen=True, slots=True)
class Sweep:
    """The use case of sweeping; administrators only."""

    catalog: Catalog
    blobs: Blobs
    clock: Clock
    remover: Remover
    incoming: IncomingArea | None = None

    async def sweep(self, caller: Caller, *, grace: timedelta = GRACE, dry_run: bool = False) -> SweepReport:
        """Remove blobs that nobody needs and that are older than `grace`, expired leases, dead uploads.

        However short the grace, leased bytes stay, and so does a temporary file for `GRACE`: it
        may belong to an upload in flight, and no lease names it. Raises `StorageFault` when
        the blobs are not known to be this catalog's, `Unavailable` when the store takes too
        long to remove; what is left then goes with the next sweep.
        """
        await self.catalog.read(lambda tx: caller.demand(Right.ADMINISTER, SERVER, indexes=tx.indexes.list()))
        before = self.clock.now() - grace
        report = SweepReport(leases=await self._remove_leases(before, dry_run=dry_run), is_dry_run=dry_run)
        needed, candidates = _Needed(self.catalog), list[BlobInfo]()
        async for info in self.blobs.list():
            if info.modified_at < before and not await needed.has(info.sha256):
                candidates.append(info)
            if len(candidates) >= _CANDIDATES:
                report = report.with_blobs(await self._remove_unneeded(candidates, dry_run=dry_run))
                candidates = []
        report = report.with_blobs(await self._remove_unneeded(candidates, dry_run=dry_run))
        return report if dry_run else replace(report, incoming=await self.purge_incoming(grace))

    async def purge_incoming(self, grace: timedelta = GRACE) -> int:
        """Remove the temporary files that dead uploads left on this machine, and return how many."""
        if self.incoming is None:
            return 0
        return await self.incoming.purge_incoming(self.clock.now() - max(grace, GRACE))

    async def _remove_unneeded(self, candidates: list[BlobInfo], *, dry_run: bool) -> list[BlobInfo]:
        """Remove those that are still not needed."""
        if not candidates:
            return []
        digests = {info.sha256 for info in candidates}
        if dry_run:
            gone = await self.catalog.read(lambda tx: tx.find_unneeded(digests))
        else:
            gone = await self.remover.remove(lambda _: digests)
        return [info for info in candidates if info.sha256 in gone]

    async def _remove_leases(self, before: datetime, *, dry_run: bool) -> int:
        def find(tx: Transaction) -> list[Lease]:
            return [lease for lease in tx.leases.list() if lease.expires_at < before]

        def change(tx: Transaction) -> int:
            expired = find(tx)
            for lease in expired:
                tx.leases.remove(lease.lease_id)
            return len(expired)

        expired = len(await self.catalog.read(find))
        return expired if dry_run or not expired else await self.catalog.write(change)


class _Needed:
    """Which blobs the rows name: a window of their digests, which moves along."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._window: frozenset[Sha256] = frozenset()
        self._first = self._last = ""

    async def has(self, sha256: Sha256) -> bool:
        """Return whether a row names the blob; quick when asked in the order of digests."""
        if not self._first <= sha256 <= self._last:
            found = await self._catalog.read(lambda tx: tx.list_named(sha256, _WINDOW))
            self._window, self._first = frozenset(found), sha256
            self._last = found[-1] if len(found) == _WINDOW else "~"  # behind all digests
        return sha256 in self._window
