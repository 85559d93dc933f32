"""The lists of all names of upstreams: fetched in the background, kept as one blob each.

Decides when a list is fetched again, by which process, and which list is not believed:
an empty one, and one that is suddenly half as long. Then the earlier one stays. Does
not look names up (`names.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from strongroom.core.errors import StorageFault, StrongroomError, UpstreamFault, UpstreamTimeout
from strongroom.core.mirrored import NameList
from strongroom.core.model import Index, Lease
from strongroom.core.names import Sha256
from strongroom.core.simpleapi.parse_list import NameReader
from strongroom.ports import Body, Missing, Transaction, Unchanged
from strongroom.services.mirror.parts import Parts, upstream_of

LIFETIME = timedelta(days=1)
"""How old a list may become."""
CLAIM_LIFETIME = timedelta(hours=1)
"""Longer than a list takes; after it another process may fetch, if the one that claimed to do so has died."""
FETCH_SECONDS = 1800.0
_FEED_BYTES = 1024 * 1024
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Arrived:
    """A list that came, in the form in which it is kept, and its ETag."""

    names: bytes
    etag: str | None

    @property
    def count(self) -> int:
        return self.names.count(b"\n")


@dataclass(frozen=True, slots=True)
class NameLists:
    """Fetches the lists of names."""

    parts: Parts

    async def refresh_due(self) -> None:
        """Fetch each list that is a day old or not there yet; a fault is logged, and the others go on."""
        for index in await self.parts.catalog.read(self._list_due):
            try:
                await self.refresh(index)
            except StrongroomError as fault:
                fields = {"index": index.name, "code": fault.code, "cause": fault.message}
                _log.warning("the list of an upstream's names could not be fetched", extra={"fields": fields})

    async def refresh(self, index: Index) -> bool:
        """Fetch the list, unless another process does so; return whether the one that is kept now is confirmed.

        Raises `UpstreamFault` for an upstream that fails and for a list that is not
        believed, `StorageFull`, `StorageFault`, `Unavailable`. The earlier list stays then.
        """
        now = self.parts.clock.now()
        claim = Lease(f"names:{index.name}", now + CLAIM_LIFETIME)
        if not await self.parts.catalog.write(lambda tx: _claim(tx, claim, now=now)):
            return False
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                await self._fetch(index, claim)
        except TimeoutError:
            raise UpstreamTimeout(
                "upstream-timeout", f"The upstream of the index '{index.name}' takes too long to list its names"
            ) from None
        finally:
            await self._release(claim)
        return True

    async def _release(self, claim: Lease) -> None:
        try:
            await self.parts.catalog.write(lambda tx: tx.leases.remove(claim.lease_id))
        except StrongroomError as fault:
            fields = {"lease_id": claim.lease_id, "code": fault.code}
            _log.warning("a lease is left to expire", extra={"fields": fields})

    def _list_due(self, tx: Transaction) -> tuple[Index, ...]:
        kept = {item.index: item for item in tx.name_lists.list()}
        before = self.parts.clock.now() - LIFETIME
        return tuple(
            index
            for index in tx.indexes.list()
            if index.upstream and not self.parts.is_offline(index)
            if index.name not in kept or kept[index.name].fetched_at <= before
        )

    async def _fetch(self, index: Index, claim: Lease) -> None:
        kept = await self.parts.catalog.read(lambda tx: tx.name_lists.find(index.name))
        answer = await self._ask(index, kept)
        if isinstance(answer, _Arrived):
            _demand_plausible(index, answer.count, kept=kept)
            answer = await self._keep(index, answer, claim=claim)
        await self.parts.catalog.write(lambda tx: _save(tx, answer, index=index))
        fields = {"index": index.name, "names": answer.count}
        _log.info("the list of an upstream's names is here", extra={"fields": fields})

    async def _keep(self, index: Index, arrived: _Arrived, *, claim: Lease) -> NameList:
        """Make the list durable; the lease names it first, so that the sweep leaves it alone."""
        sha256 = Sha256(hashlib.sha256(arrived.names).hexdigest())
        named = replace(claim, sha256=(sha256,))
        await self.parts.catalog.write(lambda tx: _name_blob(tx, named, now=self.parts.clock.now()))
        if await self.parts.blobs.put(arrived.names) != sha256:
            raise StorageFault("blob-digest", "The blob store kept other bytes than the ones that arrived")
        return NameList(index.name, sha256, arrived.count, self.parts.clock.now(), arrived.etag)

    async def _ask(self, index: Index, kept: NameList | None) -> NameList | _Arrived:
        """Return the kept list as confirmed, or the one that came."""
        origin = self.parts.origin(index)
        async with self.parts.client.open_list(origin, etag=kept.etag if kept else None) as answer:
            if isinstance(answer, Unchanged) and kept is not None:
                return replace(kept, fetched_at=self.parts.clock.now())
            if isinstance(answer, Missing | Unchanged):
                raise UpstreamFault(
                    "upstream-list-missing",
                    f"The upstream of the index '{index.name}' gives no list of its names",
                    "First uploads are not compared with its names; reserve those that must be safe.",
                )
            return _Arrived(await _read(answer), answer.etag)


async def _read(body: Body) -> bytes:
    """Return the names; reading them is work for a processor, so it is done in a thread."""
    reader, gathered = NameReader(), bytearray()
    async for chunk in body.chunks():
        gathered += chunk
        if len(gathered) >= _FEED_BYTES:
            await asyncio.to_thread(reader.feed, bytes(gathered))
            gathered.clear()
    await asyncio.to_thread(reader.feed, bytes(gathered))
    return await asyncio.to_thread(reader.finish)


def _claim(tx: Transaction, claim: Lease, *, now: datetime) -> bool:
    """Take the claim, unless a living process has it."""
    earlier = [lease for lease in tx.leases.list() if lease.lease_id == claim.lease_id]
    if any(now < lease.expires_at for lease in earlier):
        return False
    tx.leases.remove(claim.lease_id)
    tx.leases.add(claim)
    return True


def _name_blob(tx: Transaction, claim: Lease, *, now: datetime) -> None:
    tx.demand_not_removed(claim.sha256, now=now)
    tx.leases.replace(claim)


def _save(tx: Transaction, names: NameList, *, index: Index) -> None:
    """Save the row, unless the index has another upstream by now."""
    found = tx.indexes.find(index.name)
    if found is not None and found.upstream is not None and found.upstream.url == upstream_of(index).url:
        tx.name_lists.save(names)


def _demand_plausible(index: Index, count: int, *, kept: NameList | None) -> None:
    """Raise `UpstreamFault` for a list that a fault or an attack has cut, rather than take its names for free."""
    if count == 0 or (kept is not None and 2 * count < kept.count):
        before = f" instead of {kept.count}" if kept is not None else ""
        raise UpstreamFault(
            "upstream-list-shrunk",
            f"The upstream of the index '{index.name}' lists {count} names{before}, so its list is not taken",
            "The earlier list stays. Look at the upstream; set its URL again to begin with a new list.",
        )
