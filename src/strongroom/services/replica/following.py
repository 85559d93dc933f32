"""Following: what brings a replica to where its primary is, page by page.

The bytes come first, then in one transaction the events and the rows that name these
bytes: whatever a replica lists, it can give out. Every page is checked against the chain
of the log that is here. Two workers that follow at once harm nothing: of the same page
only the first is stored. Does not decide when it is time to look again (`worker.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from strongroom.core.errors import NotFound, StorageFault, StrongroomError
from strongroom.core.model import Lease
from strongroom.core.names import Sha256
from strongroom.core.replica import NEVER, Followed, Page, check_page
from strongroom.ports import Blobs, Catalog, Clock, OpenPrimary, Primary, Seals, Secrets, Transaction
from strongroom.services.replica.applying import apply_page
from strongroom.services.replica.feed import load_hash

EVENTS_AT_ONCE = 500
_BLOBS_AT_ONCE = 4
_HEARTBEAT = timedelta(seconds=2)
"""How much later a replica that is level must be than the row says, before it writes that down."""
_LEASE_LIFETIME = timedelta(hours=24)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stores:
    """What a replica writes to: the catalog itself, not the one that refuses changes."""

    catalog: Catalog
    blobs: Blobs
    clock: Clock
    secrets: Secrets
    seals: Seals


@dataclass(slots=True)
class Follower:
    """Keeps this replica level with its primary; remembers the connection between two looks."""

    stores: Stores
    open_primary: OpenPrimary
    trouble: str = ""
    """Why the last look failed, empty when it did not."""
    level_at: datetime | None = None
    """When this process last found that nothing was missing; None where nobody is followed, or never yet."""
    _primary: Primary | None = field(default=None, init=False)
    _credentials: bytes = field(default=b"", init=False)

    async def catch_up(self) -> None:
        """Copy all that is missing; does nothing where nobody is followed. Trouble is told in the log, once."""
        try:
            await self.copy_all()
        except StrongroomError as fault:
            if self.trouble != fault.sentence:
                self.trouble = fault.sentence
                fields = {"code": fault.code, "why": fault.sentence}
                _log.warning("the primary cannot be followed", extra={"fields": fields})
            return
        if self.trouble and self._primary is not None:
            self.trouble = ""
            _log.info("the primary is followed again")

    async def copy_all(self) -> None:
        """Copy all that is missing; raises what stands in the way."""
        while await self.copy_page():
            pass

    def find_lag(self) -> timedelta | None:
        """Return how long ago this process last had everything, without asking anybody; None for no replica."""
        return None if self.level_at is None else self.stores.clock.now() - self.level_at

    async def count_missing(self) -> int:
        """Ask the primary how many changes are missing here, and copy none; raises what stands in the way."""
        followed, serial, since_hash = await self.stores.catalog.read(_load_position)
        if followed is None:
            return 0
        page = await self._fetch(await self._connect(followed), serial, limit=1, since_hash=since_hash)
        return page.head - serial

    async def close(self) -> None:
        """Close the connection to the primary."""
        if self._primary is not None:
            await self._primary.close()
            self._primary = None

    async def copy_page(self) -> bool:
        """Copy the next page and return whether there is more; raises what stands in the way."""
        followed, serial, since_hash = await self.stores.catalog.read(_load_position)
        if followed is None:
            self.level_at = None
            await self.close()
            return False
        if self.level_at is None and followed.level_at != NEVER:
            self.level_at = followed.level_at  # as another worker, or this one before it was restarted
        primary = await self._connect(followed)
        asked_at = self.stores.clock.now()
        page = await self._fetch(primary, serial, limit=EVENTS_AT_ONCE, since_hash=since_hash)
        lease = await self._copy_blobs(primary, page)
        if page.entries or asked_at - followed.level_at >= _HEARTBEAT:
            await self._store(page, asked_at, lease=lease)
        if page.is_last:
            self.level_at = asked_at
        return not page.is_last

    async def _connect(self, followed: Followed) -> Primary:
        """Return the connection, a new one when the token is another."""
        if self._primary is None or self._credentials != followed.credentials:
            await self.close()
            self._primary = self.open_primary(followed.url, self.stores.seals.unseal(followed.credentials))
            self._credentials = followed.credentials
        return self._primary

    async def _fetch(self, primary: Primary, since: int, *, limit: int, since_hash: bytes) -> Page:
        page = await primary.get_page(since, limit=limit)
        check_page(page, key=self.stores.secrets.derive_key("audit"), since=since, since_hash=since_hash)
        return page

    async def _copy_blobs(self, primary: Primary, page: Page) -> Lease | None:
        """Make durable what the page's files need; the lease keeps the sweep away until the rows name it."""
        needed = page.rows.needed_blobs()
        if not needed:
            return None
        stores = self.stores
        lease = Lease(stores.secrets.token_bytes(16).hex(), stores.clock.now() + _LEASE_LIFETIME, tuple(needed))

        def take(tx: Transaction) -> None:
            tx.demand_not_removed(lease.sha256, now=stores.clock.now())
            tx.leases.add(lease)

        await stores.catalog.write(take)
        try:
            await self._copy_missing(primary, needed)
        except BaseException:
            await stores.catalog.write(lambda tx: tx.leases.remove(lease.lease_id))
            raise
        return lease

    async def _copy_missing(self, primary: Primary, needed: Mapping[Sha256, int | None]) -> None:
        turns = asyncio.Semaphore(_BLOBS_AT_ONCE)

        async def copy(sha256: Sha256, size_bytes: int | None) -> None:
            async with turns:
                if not await self._has(sha256, size_bytes):
                    await self._copy_blob(primary, sha256, size_bytes=size_bytes)

        try:
            async with asyncio.TaskGroup() as group:
                for sha256, size_bytes in needed.items():
                    group.create_task(copy(sha256, size_bytes))
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from faults

    async def _has(self, sha256: Sha256, size_bytes: int | None) -> bool:
        """Return whether the blob is here, to its last byte."""
        end = 1 if size_bytes is None else size_bytes
        try:
            async for _ in self.stores.blobs.stream(sha256, max(end - 1, 0), stop=end):
                return True
        except StorageFault:
            return False
        return size_bytes == 0

    async def _copy_blob(self, primary: Primary, sha256: Sha256, *, size_bytes: int | None) -> None:
        """Fetch the bytes and keep them; what the primary has lost, or has deleted since, is told and left out."""
        incoming = await self.stores.blobs.receive()
        try:
            async for chunk in primary.read_blob(sha256, size_bytes=size_bytes):
                await incoming.write(chunk)
            if await incoming.sha256() != sha256:
                raise StorageFault(
                    "replica-bytes", f"The primary sent other bytes than {sha256}", "Run `strongroom verify` there."
                )
            await self.stores.blobs.keep(incoming)
        except NotFound:
            _log.warning("the primary does not have a blob that it lists", extra={"fields": {"sha256": sha256}})
        finally:
            await incoming.discard()

    async def _store(self, page: Page, asked_at: datetime, *, lease: Lease | None) -> None:
        def change(tx: Transaction) -> None:
            if lease is not None:
                tx.leases.end(lease.lease_id)  # without it the sweep may have taken the bytes
            followed = tx.followed.find()
            if followed is None or tx.events.serial() != page.since:
                return  # promoted meanwhile, or another worker was faster
            apply_page(tx, page.entries, rows=page.rows)
            level_at = asked_at if page.is_last else followed.level_at
            tx.followed.save(replace(followed, serial=page.serial, level_at=max(level_at, followed.level_at)))

        await self.stores.catalog.write(change)


def _load_position(tx: Transaction) -> tuple[Followed | None, int, bytes]:
    serial = tx.events.serial()
    return tx.followed.find(), serial, load_hash(tx, serial)
