"""Following: what brings a replica to where its primary is, page by page.

The bytes come first, then in one transaction the events and the rows that name these
bytes: whatever a replica lists, it can give out, unless its primary cannot; such bytes
are asked for again at each look, and until they are here the replica is not level. Every
page is checked against the chain of the log that is here. One process follows for all
(`worker.py`), but two that follow at once harm nothing: of the same page only the first
is stored.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice

from strongroom.core.errors import StrongroomError
from strongroom.core.model import Lease
from strongroom.core.names import Sha256
from strongroom.core.replica import Followed, Lag, Page, check_page
from strongroom.ports import Blobs, Catalog, Clock, OpenPrimary, Primary, Seals, Secrets, Transaction
from strongroom.services.replica.applying import apply_page
from strongroom.services.replica.feed import load_hash
from strongroom.services.replica.fetching import Fetching, tell_lacking
from strongroom.services.replica.lacking import find_sizes, load_lacking, save_lacking

EVENTS_AT_ONCE = 500
LOOK_SECONDS = 1.0
_AGAIN_AT_ONCE = 8
"""How many of the bytes that the primary did not have are asked for again at one look."""
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


@dataclass(frozen=True, slots=True)
class Position:
    """Where this replica stands: its last change, that one's hash, and the bytes that it lists and does not have."""

    followed: Followed
    serial: int
    since_hash: bytes
    lacking: frozenset[Sha256]


@dataclass(slots=True)
class Follower:
    """Keeps this replica level with its primary; remembers the connection between two looks."""

    stores: Stores
    open_primary: OpenPrimary
    trouble: str = ""
    """Why the last look failed, empty when it did not."""
    _known: Position | None = field(default=None, init=False)
    """Where this replica stood when this process last looked; None where nobody is followed."""
    _primary: Primary | None = field(default=None, init=False)
    _credentials: bytes = field(default=b"", init=False)
    _sizes: dict[Sha256, int | None] = field(default_factory=dict, init=False)
    """Of the bytes that are lacking; also the order in which they are asked for again."""

    async def keep_level(self) -> None:
        """Follow until nobody is followed any more; raises no trouble with the primary."""
        while True:
            await self.catch_up()
            if self._known is None:
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> bool:
        """Note where this replica stands, and return whether it is one; asks nobody. Raises `Unavailable`."""
        self._known = await self.stores.catalog.read(_load_position)
        return self._known is not None

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
        await self._ask_again()

    def find_lag(self) -> Lag | None:
        """Return how far behind this replica is, as far as this process knows, without asking; None for no replica."""
        known = self._known
        if known is None:
            return None
        return Lag(known.followed.behind(self.stores.clock.now()), len(known.lacking))

    async def count_missing(self) -> int:
        """Ask the primary how many changes are missing here, and copy none; raises what stands in the way."""
        position = await self.stores.catalog.read(_load_position)
        if position is None:
            return 0
        page = await self._fetch(await self._connect(position.followed), position, limit=1)
        return page.head - position.serial

    async def close(self) -> None:
        """Close the connection to the primary."""
        if self._primary is not None:
            await self._primary.close()
            self._primary = None

    async def copy_page(self) -> bool:
        """Copy the next page and return whether there is more; raises what stands in the way."""
        position = self._known = await self.stores.catalog.read(_load_position)
        if position is None:
            await self.close()
            return False
        primary = await self._connect(position.followed)
        asked_at = self.stores.clock.now()
        page = await self._fetch(primary, position, limit=EVENTS_AT_ONCE)
        async with self._leased(page) as lease:
            lacking = await Fetching(self.stores.blobs).fetch(primary, page.rows.needed_blobs())
            tell_lacking(lacking - position.lacking)
            after = replace(position.followed, level_at=max(asked_at, position.followed.level_at))
            arrived = Position(after, page.serial, b"", position.lacking | lacking)
            if page.entries or self._is_heartbeat(position, arrived):
                arrived = await self._store(page, arrived, lease=lease)
        if not page.is_last or arrived.lacking:
            arrived = replace(arrived, followed=position.followed)
        self._known = arrived
        return not page.is_last

    async def _connect(self, followed: Followed) -> Primary:
        """Return the connection, a new one when the token is another."""
        if self._primary is None or self._credentials != followed.credentials:
            await self.close()
            self._primary = self.open_primary(followed.url, self.stores.seals.unseal(followed.credentials))
            self._credentials = followed.credentials
        return self._primary

    async def _fetch(self, primary: Primary, position: Position, *, limit: int) -> Page:
        page = await primary.get_page(position.serial, limit=limit)
        key = self.stores.secrets.derive_key("audit")
        check_page(page, key=key, since=position.serial, since_hash=position.since_hash)
        return page

    async def _ask_again(self) -> None:
        """Ask for some of what is listed and lacking, the next ones at each look; a lease is not needed: rows name it.

        What arrives counts as here at the next look.
        """
        known, primary, stores = self._known, self._primary, self.stores
        if known is None or primary is None or not known.lacking:
            return
        if not known.lacking <= self._sizes.keys():
            self._sizes = await stores.catalog.read(lambda tx: find_sizes(tx, known.lacking))
        asked = {sha256: self._sizes.pop(sha256) for sha256 in [*islice(self._sizes, _AGAIN_AT_ONCE)]}
        asked = {sha256: size_bytes for sha256, size_bytes in asked.items() if sha256 in known.lacking}
        self._sizes |= asked
        arrived = frozenset(asked) - await Fetching(stores.blobs).fetch(primary, asked)
        if arrived:
            await stores.catalog.write(lambda tx: save_lacking(tx, load_lacking(tx) - arrived, now=stores.clock.now()))
            _log.info("the primary has blobs again that it had lost", extra={"fields": {"blobs": len(arrived)}})

    @asynccontextmanager
    async def _leased(self, page: Page) -> AsyncIterator[Lease | None]:
        """Keep the sweep away from what the page's files need, until the rows name it or the block has failed."""
        stores, needed = self.stores, tuple(page.rows.needed_blobs())
        if not needed:
            yield None
            return
        lease = Lease(stores.secrets.token_bytes(16).hex(), stores.clock.now() + _LEASE_LIFETIME, needed)

        def take(tx: Transaction) -> None:
            tx.demand_not_removed(lease.sha256, now=stores.clock.now())
            tx.leases.add(lease)

        await stores.catalog.write(take)
        try:
            yield lease
        except BaseException:
            with suppress(StrongroomError):  # then it expires
                await stores.catalog.write(lambda tx: tx.leases.remove(lease.lease_id))
            raise

    @staticmethod
    def _is_heartbeat(position: Position, arrived: Position) -> bool:
        return not arrived.lacking and arrived.followed.level_at - position.followed.level_at >= _HEARTBEAT

    async def _store(self, page: Page, arrived: Position, *, lease: Lease | None) -> Position:
        """Store the page; return where the replica stands then, as far as others have not moved it."""

        def change(tx: Transaction) -> Position:
            if lease is not None:
                tx.leases.end(lease.lease_id)  # without it the sweep may have taken the bytes
            held = tx.followed.find()
            if held is None or tx.events.serial() != page.since:
                return arrived  # promoted meanwhile, or another process was faster
            apply_page(tx, page.entries, rows=page.rows)
            lacking = save_lacking(tx, arrived.lacking, now=self.stores.clock.now())
            level_at = arrived.followed.level_at if page.is_last and not lacking else held.level_at
            followed = replace(held, serial=page.serial, level_at=max(level_at, held.level_at))
            tx.followed.save(followed)
            return replace(arrived, followed=followed, lacking=lacking)

        return await self.stores.catalog.write(change)


def _load_position(tx: Transaction) -> Position | None:
    followed = tx.followed.find()
    if followed is None:
        return None
    serial = tx.events.serial()
    return Position(followed, serial, load_hash(tx, serial), load_lacking(tx))
