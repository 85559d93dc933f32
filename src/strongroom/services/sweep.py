"""The sweep: bytes that nobody needs go, and so does what crashed uploads left.

Decides what may go: a blob older than the grace that no file, no copy of an upstream's
file, no list of names and no lease names. Writes no event, because nothing that anybody
can see is changed. Holds neither the list of all blobs nor that of all needed ones: it
walks the store in the order of digests, with a window of what is needed beside it. The
window only saves work; the transaction that writes the removal down decides.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from strongroom.core.access import SERVER, Right
from strongroom.core.caller import Caller
from strongroom.core.errors import Unavailable
from strongroom.core.model import Lease
from strongroom.core.names import Sha256
from strongroom.core.removals import REMOVAL_SECONDS, make_removal
from strongroom.ports import BlobInfo, Blobs, Catalog, Clock, Transaction

GRACE = timedelta(hours=24)
"""How long bytes without a row stay: longer than any upload takes."""
_CANDIDATES = 500
_WINDOW = 20_000
_AT_ONCE = 16
_log = logging.getLogger(__name__)


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
    incoming: IncomingArea | None = None
    removal_seconds: float = REMOVAL_SECONDS

    async def sweep(self, caller: Caller, *, grace: timedelta = GRACE, dry_run: bool = False) -> SweepReport:
        """Remove blobs that nobody needs and that are older than `grace`, expired leases, dead uploads.

        However short the grace, leased bytes stay, and so does a temporary file for `GRACE`: it
        may belong to an upload in flight, and no lease names it. Raises `Unavailable` when
        the store takes too long to remove; what is left then goes with the next sweep.
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
        """Remove those that are still not needed: write it down, remove them, and say that it is over.

        An upload of the same bytes names them in a transaction, too, before it relies on a
        blob that is there already: so it comes before (and its lease is seen here) or after
        (and it is told to come back). When something fails, what was written down is left to
        expire: a request to the store may still be on its way.
        """
        if not candidates:
            return []
        if dry_run:
            return await self.catalog.read(lambda tx: _find_unneeded(tx, candidates))
        removal_id = secrets.token_hex(16)
        try:
            async with asyncio.timeout(self.removal_seconds):
                removal, unneeded = await self.catalog.write(
                    lambda tx: self._write_down(tx, candidates, removal_id=removal_id)
                )
                for start in range(0, len(unneeded), _AT_ONCE):
                    await self._remove(unneeded[start : start + _AT_ONCE])
        except TimeoutError:
            raise Unavailable(
                "blobs-slow", "The blob store takes too long to remove blobs", "The next sweep goes on."
            ) from None
        await self.catalog.write(lambda tx: tx.leases.remove(removal.lease_id))
        return unneeded

    def _write_down(
        self, tx: Transaction, candidates: list[BlobInfo], *, removal_id: str
    ) -> tuple[Lease, list[BlobInfo]]:
        unneeded = _find_unneeded(tx, candidates)
        removal = make_removal(removal_id, (info.sha256 for info in unneeded), now=self.clock.now())
        if unneeded:
            tx.leases.add(removal)
        return removal, unneeded

    async def _remove(self, infos: list[BlobInfo]) -> None:
        """Remove some at once; all of them have ended when this raises what one of them raised."""
        ends = await asyncio.gather(*(self.blobs.remove(info.sha256) for info in infos), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end

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
            found = await self._catalog.read(lambda tx: _list_needed(tx, sha256))
            self._window, self._first = frozenset(found), sha256
            self._last = found[-1] if len(found) == _WINDOW else "~"  # behind all digests
        return sha256 in self._window


def _list_needed(tx: Transaction, first: Sha256) -> list[Sha256]:
    """Return the needed digests from that one on, in order: a window full, or all there are."""
    found = {*tx.files.list_named(first, _WINDOW), *tx.copies.list_named(first, _WINDOW)}
    found |= {names.sha256 for names in tx.name_lists.list() if names.sha256 >= first}
    return sorted(found)[:_WINDOW]


def _find_unneeded(tx: Transaction, candidates: list[BlobInfo]) -> list[BlobInfo]:
    """Return those that nothing names as this transaction sees it; another sweep's removals are left to that."""
    digests = {info.sha256 for info in candidates}
    needed = {sha256 for lease in tx.leases.list() for sha256 in digests.intersection(lease.sha256)}
    needed |= {names.sha256 for names in tx.name_lists.list()}
    needed |= tx.files.find_named(digests) | tx.copies.find_named(digests)
    return [info for info in candidates if info.sha256 not in needed]
