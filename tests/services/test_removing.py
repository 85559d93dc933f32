"""Removing blobs: only one's own, and only as long as nobody has ended the removal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

import pytest

from strongroom.core.errors import StorageFault
from strongroom.core.model import Lease
from strongroom.core.names import Sha256
from strongroom.core.ownership import StoreId
from strongroom.core.removals import REMOVAL_LIFETIME
from strongroom.ports import Transaction
from strongroom.services.removing import Removing
from strongroom.services.sweep import Sweep
from tests.factories import OPERATOR, sha256_of
from tests.fakes import join
from tests.services.house import wait
from tests.services.stored import DamagedBlobs, StoredHouse

MANY = 40


async def do_nothing() -> None:
    """Let nothing happen."""


class HookedBlobs(DamagedBlobs):
    """Blobs during whose removal something happens; `gone` says which went, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.gone: list[Sha256] = []
        self.meanwhile: Callable[[], Awaitable[None]] = do_nothing

    async def remove(self, sha256: Sha256) -> None:
        """Remove it, then let it happen."""
        await super().remove(sha256)
        self.gone.append(sha256)
        await self.meanwhile()


class Place:
    """A store with many blobs that nobody needs."""

    def __init__(self) -> None:
        self.house = StoredHouse()
        self.blobs = HookedBlobs()
        self.digests = sorted(wait(self.blobs.put(f"orphan {number}".encode())) for number in range(MANY))
        self.removing = Removing(self.house.catalog, self.blobs, self.house.clock)
        wait(join(self.house.catalog, self.blobs))

    def remove(self) -> frozenset[Sha256]:
        """Remove what nobody needs of all blobs."""
        return wait(self.removing.remove(lambda _: self.digests))


def test_a_process_that_stood_still_takes_nothing_that_was_promised_meanwhile() -> None:
    """Its removal expired, an upload passed it and ended it: it finds that out before it goes on."""
    place = Place()
    last = place.digests[-1]

    async def stand_still() -> None:
        place.blobs.meanwhile = do_nothing
        place.house.clock.advance(REMOVAL_LIFETIME)
        await place.house.catalog.write(upload)

    def upload(tx: Transaction) -> None:
        tx.demand_not_removed((last,), now=place.house.clock.now())
        tx.leases.add(Lease("upload", place.house.clock.now(), (last,)))

    place.blobs.meanwhile = stand_still
    removed = place.remove()
    assert sorted(removed) == sorted(place.blobs.gone) == place.digests[:16]
    assert place.blobs.has(last)
    assert [lease.lease_id for lease in place.house.look(lambda tx: tx.leases.list())] == ["upload"]


def test_a_removal_counts_anew_for_each_few_blobs() -> None:
    """However long those before took: others are kept waiting as long as it goes on, and no longer."""
    place = Place()
    expiries: set[object] = set()

    async def look() -> None:
        (removal,) = await place.house.catalog.read(lambda tx: tx.leases.list_removals())
        expiries.add(removal.expires_at)
        if not len(place.blobs.gone) % 16:
            place.house.clock.advance(REMOVAL_LIFETIME / 2)

    began = place.house.clock.now()
    place.blobs.meanwhile = look
    assert len(place.remove()) == MANY
    assert expiries == {began + REMOVAL_LIFETIME * factor for factor in (1, 1.5, 2)}
    assert place.house.look(lambda tx: tx.leases.list()) == ()


@pytest.mark.parametrize("known", [None, StoreId("another store", is_marked=True)])
def test_the_blobs_of_another_catalog_are_nobodys_to_remove(known: StoreId | None) -> None:
    """Nothing is chosen, nothing is written down, nothing goes; neither does the sweep take any."""
    place = Place()
    house, asked = place.house, list[Transaction]()

    def choose(tx: Transaction) -> Collection[Sha256]:
        asked.append(tx)
        return place.digests

    if known is None:
        wait(place.blobs.write_mark("a mark that the catalog never saw", replaces=True))
    else:
        house.change(lambda tx: tx.store.save(known))
    with pytest.raises(StorageFault) as refused:
        wait(place.removing.remove(choose))
    assert refused.value.code == "blobs-other"
    with pytest.raises(StorageFault):
        wait(Sweep(house.catalog, place.blobs, house.clock, place.removing).sweep(OPERATOR))
    assert asked == []
    assert place.blobs.gone == []
    assert house.look(lambda tx: tx.leases.list()) == ()


def test_an_expired_removal_is_ended_by_whoever_wants_the_same_bytes() -> None:
    """And only by him."""
    house = StoredHouse()
    house.change(lambda tx: tx.leases.add(Lease("removal:x", house.clock.now(), (sha256_of("a"),))))
    house.change(lambda tx: tx.demand_not_removed((sha256_of("b"),), now=house.clock.now()))
    assert len(house.look(lambda tx: tx.leases.list_removals())) == 1
    house.change(lambda tx: tx.demand_not_removed((sha256_of("a"),), now=house.clock.now()))
    assert house.look(lambda tx: tx.leases.list_removals()) == ()
