"""The rows about copies of upstream files: found, changed under a lease, noted as used.

Decides in which order bytes and row are written: the lease names the digest, the bytes
are made durable, one transaction changes the row and drops the lease. Does not decide
where the bytes come from, nor which copies are given up (`eviction.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from strongroom.core.errors import StorageFault, StrongroomError
from strongroom.core.mirrored import Copy, UpstreamFile
from strongroom.core.model import Lease
from strongroom.core.names import Filename, IndexName, Sha256
from strongroom.ports import Transaction
from strongroom.services.mirror.parts import Parts
from strongroom.services.mirror.writes import Writes

LEASE_LIFETIME = timedelta(hours=24)
"""Longer than bytes take to be stored; after it the sweep may remove what a crash left."""

_MOST_USES = 50_000
_log = logging.getLogger(__name__)


_Key = tuple[IndexName, Filename, Sha256]


@dataclass(frozen=True, slots=True)
class Keeping:
    """Bytes that are to be kept: their digest, how they are stored, and what the row says then."""

    sha256: Sha256
    store: Callable[[], Awaitable[Sha256]]
    change: Callable[[Copy], Copy]


class KeptCopies:
    """What is kept of upstream files. One per worker process."""

    def __init__(self, parts: Parts, writes: Writes) -> None:
        self._parts = parts
        self._writes = writes
        self._last_used: dict[tuple[IndexName, Filename], datetime] = {}
        self._expected: dict[_Key, list[Keeping]] = {}

    async def find(self, file: UpstreamFile) -> Copy | None:
        """Return what is kept of the file as its page describes it, and remember that stored bytes were used.

        Bytes that the row promises and that are gone count as not stored.
        """
        copy = await self._parts.catalog.look(lambda tx: tx.copies.find(file.index, file.filename))
        if copy is None or copy.sha256 != file.sha256:
            copy = None
        for keeping in self._expected.get(_key(file), ()):
            copy = keeping.change(copy or _blank(file))
        if copy is None or copy.stored_at is None:
            return copy
        if not self._is_here(copy):
            return replace(copy, stored_at=None, size_bytes=0)
        self._note_use(copy)
        return copy

    def expect(self, file: UpstreamFile, keeping: Keeping) -> None:
        """Let `find` show what is about to be kept; `keep` follows, and ends it."""
        self._expected.setdefault(_key(file), []).append(keeping)

    async def keep(self, file: UpstreamFile, keeping: Keeping) -> Copy:
        """Store the bytes, then change the row of the file; raises `StorageFull`, `StorageFault`, `Unavailable`.

        Unless it succeeds, neither the row nor the lease stays behind.
        """
        (copy,) = await self.keep_all([(file, keeping)])
        return copy

    async def keep_all(self, wanted: Sequence[tuple[UpstreamFile, Keeping]]) -> list[Copy]:
        """Keep the bytes of several files under one lease; raises like `keep`, and then none of them is kept."""
        now = self._parts.clock.now()
        digests = tuple(sorted({keeping.sha256 for _, keeping in wanted}))
        lease = Lease(self._parts.secrets.token_bytes(16).hex(), now + LEASE_LIFETIME, digests)
        try:
            await self._writes.write(lambda tx: _name_blobs(tx, lease, now=now))
            for _, keeping in wanted:
                if await keeping.store() != keeping.sha256:
                    raise StorageFault("blob-digest", "The blob store kept other bytes than the ones that arrived")
            return await self._writes.write(lambda tx: _commit(tx, wanted, lease=lease))
        except BaseException:
            await self._release(lease)
            raise
        finally:
            for file, keeping in wanted:
                self._forget_expected(file, keeping)

    async def flush_uses(self) -> None:
        """Write down the times of last use; raises `Unavailable`, and then forgets none."""
        taken, self._last_used = self._last_used, {}
        if not taken:
            return
        try:
            await self._writes.write(lambda tx: tx.copies.touch(taken))
        except StrongroomError:
            self._last_used = taken | self._last_used
            raise

    def _forget_expected(self, file: UpstreamFile, keeping: Keeping) -> None:
        left = [other for other in self._expected.pop(_key(file), ()) if other is not keeping]
        if left:
            self._expected[_key(file)] = left

    def _note_use(self, copy: Copy) -> None:
        key = (copy.index, copy.filename)
        if key in self._last_used or len(self._last_used) < _MOST_USES:
            self._last_used[key] = self._parts.clock.now()

    def _is_here(self, copy: Copy) -> bool:
        """Return whether the bytes are where they should be: what is gone or cut can be fetched again."""
        path = self._parts.blobs.find_path(copy.sha256)
        try:
            return path is None or path.stat().st_size == copy.size_bytes
        except OSError:
            return False

    async def _release(self, lease: Lease) -> None:
        try:
            await self._writes.write(lambda tx: tx.leases.remove(lease.lease_id))
        except StrongroomError as fault:
            fields = {"lease_id": lease.lease_id, "code": fault.code}
            _log.warning("a lease is left to expire", extra={"fields": fields})


def _name_blobs(tx: Transaction, lease: Lease, *, now: datetime) -> None:
    tx.demand_not_removed(lease.sha256, now=now)
    tx.leases.add(lease)


def _commit(tx: Transaction, wanted: Sequence[tuple[UpstreamFile, Keeping]], *, lease: Lease) -> list[Copy]:
    copies = [_change_row(tx, file, keeping=keeping) for file, keeping in wanted]
    tx.leases.end(lease.lease_id)  # without it the sweep may have taken the bytes
    return copies


def _change_row(tx: Transaction, file: UpstreamFile, *, keeping: Keeping) -> Copy:
    """Change the row as it is now: the other things that are kept of the file may have come meanwhile."""
    earlier = tx.copies.find(file.index, file.filename)
    if earlier is None or earlier.sha256 != file.sha256:
        earlier = _blank(file)
    copy = keeping.change(earlier)
    tx.copies.save(copy)
    return copy


def _key(file: UpstreamFile) -> _Key:
    return file.index, file.filename, file.sha256


def _blank(file: UpstreamFile) -> Copy:
    return Copy(file.index, file.project, file.filename, file.sha256)
