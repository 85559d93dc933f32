"""Whether these blobs are the catalog's: looked at when the two are opened, settled once and for all.

Decides the order of steps by which two stores that never met get one id, so that any
number of nodes may come first at once, and any of them may die in between. Which pairs fit
is decided in `core/ownership.py`; who removes blobs asks again (`ports/ownership.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from strongroom.core.access import SERVER, Right
from strongroom.core.caller import Caller
from strongroom.core.events import BlobsAdopted
from strongroom.core.names import Sha256
from strongroom.core.ownership import Places, Sight, StoreId, demand_fit, demand_same_mark
from strongroom.ports import Blobs, Catalog, Clock, Secrets, Transaction

_ID_BYTES = 16
_FIRST_DIGEST = Sha256("0" * 64)


@dataclass(slots=True)
class Ownership:
    """The use cases of two stores that belong together."""

    catalog: Catalog
    blobs: Blobs
    clock: Clock
    secrets: Secrets
    places: Places
    _is_settled: bool = field(default=False, init=False)

    async def settle(self) -> None:
        """See that the blobs are the catalog's, and give both their id where they meet for the first time.

        Raises `ConfigurationFault` for blobs of another catalog, `Unavailable` and
        `StorageFault` where it cannot be seen. Once seen, this process looks no more.
        """
        if self._is_settled:
            return
        mark = await self.blobs.read_mark()  # before the row: whoever wrote a mark had written the row
        known = await self.catalog.read(lambda tx: tx.store.find())
        if mark is None:
            demand_fit(known, await self._look(), places=self.places)
            known = await self.catalog.write(lambda tx: _choose(tx, self._make_id()))
            mark = await self.blobs.write_mark(known.text)
        known = demand_same_mark(known, mark, places=self.places)
        if not known.is_marked:
            await self.catalog.write(lambda tx: _confirm(tx, known.text))
        self._is_settled = True

    async def adopt(self, caller: Caller) -> None:
        """Make these blobs the catalog's because the operator says so, with an event; administrators only.

        Both get a new id: another catalog that has called them its own removes none of them
        from now on. A replica records nothing: its log is its primary's.
        """

        def change(tx: Transaction) -> None:
            caller.demand(Right.ADMINISTER, SERVER, indexes=tx.indexes.list())
            if tx.followed.find() is None:
                tx.events.append(BlobsAdopted(blobs=self.places.blobs), at=self.clock.now(), actor=caller.actor)

        await self._take_over(change)

    async def take_over(self) -> None:
        """Make these blobs the catalog's that a backup has just filled; the log stays the backup's."""
        await self._take_over(lambda _tx: None)

    async def _take_over(self, change: Callable[[Transaction], None]) -> None:
        fresh = self._make_id()

        def begin(tx: Transaction) -> None:
            change(tx)
            tx.store.save(fresh)

        await self.catalog.write(begin)
        await self.blobs.write_mark(fresh.text, replaces=True)
        await self.catalog.write(lambda tx: _confirm(tx, fresh.text))

    def _make_id(self) -> StoreId:
        return StoreId(self.secrets.token_bytes(_ID_BYTES).hex())

    async def _look(self) -> Sight:
        has_events, names_blobs = await self.catalog.read(lambda tx: (bool(tx.events.serial()), _names_blobs(tx)))
        return Sight(has_events, names_blobs, has_blobs=await self._has_blobs())

    async def _has_blobs(self) -> bool:
        async for _info in self.blobs.list():
            return True
        return False


def _names_blobs(tx: Transaction) -> bool:
    return bool(tx.files.list_named(_FIRST_DIGEST, 1) or tx.copies.list_named(_FIRST_DIGEST, 1) or tx.name_lists.list())


def _choose(tx: Transaction, fresh: StoreId) -> StoreId:
    """Return the catalog's id: the one that it has by now, or this one."""
    known = tx.store.find()
    if known is not None:
        return known
    tx.store.save(fresh)
    return fresh


def _confirm(tx: Transaction, text: str) -> None:
    """Note that the blobs carry the id, unless it has changed meanwhile."""
    if tx.store.find() == StoreId(text):
        tx.store.save(StoreId(text, is_marked=True))
