"""A node with another key than the catalog's does not start."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from msgspec.structs import replace

from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.adapters.memory.log import MemoryEvents
from strongroom.core.errors import ConfigurationFault, StorageFault
from strongroom.core.events import IndexDeleted
from strongroom.core.replica import Followed
from strongroom.ports import Transaction
from strongroom.services.key import demand_same_key
from tests.factories import MAIN, OPERATOR, PUBLIC
from tests.fakes import START, SeededSecrets
from tests.services.house import House, wait

T = TypeVar("T")
STRANGER = SeededSecrets("another key")


def house_with(events: int) -> House:
    """Make a house whose log has so many entries."""
    house = House()
    for _ in range(events):
        house.change(lambda tx: tx.events.append(IndexDeleted(index=MAIN), at=START, actor=OPERATOR.actor))
    return house


@pytest.mark.parametrize("events", [1, 2, 5])
def test_only_the_catalogs_key_is_taken(events: int) -> None:
    """The first event is enough to tell."""
    house = house_with(events)
    wait(demand_same_key(house.catalog, house.secrets))
    with pytest.raises(ConfigurationFault) as raised:
        wait(demand_same_key(house.catalog, STRANGER))
    assert raised.value.code == "secret-key-other"
    assert "--key-file" in raised.value.hint


def test_a_new_catalog_takes_any_key() -> None:
    """Nothing depends on one yet."""
    wait(demand_same_key(House().catalog, STRANGER))


def test_a_newest_entry_that_was_changed_keeps_nobody_from_starting() -> None:
    """The audit log's own check reports it; the first entry still proves the key."""
    house = house_with(3)

    def tamper(tx: Transaction) -> None:
        assert isinstance(tx.events, MemoryEvents)
        entries = tx.events._state.entries  # as somebody who has the database in his hands
        entries[3] = replace(entries[3], event=IndexDeleted(index=PUBLIC))

    house.change(tamper)
    wait(demand_same_key(house.catalog, house.secrets))
    with pytest.raises(ConfigurationFault):
        wait(demand_same_key(house.catalog, STRANGER))


def test_a_log_that_cannot_be_read_is_not_taken_for_another_key() -> None:
    """What is wrong with it is told by whoever reads it."""

    class UnreadableCatalog(MemoryCatalog):
        async def read(self, fn: Callable[[Transaction], T]) -> T:
            raise StorageFault("catalog-fault", "The entry cannot be read")

    wait(demand_same_key(UnreadableCatalog(), STRANGER))


def test_a_replica_may_hold_another_key_until_it_is_promoted() -> None:
    """Its log is the primary's, and it writes none of its own."""
    house = house_with(2)
    followed = Followed(url="https://primary.example", credentials=b"", serial=2)
    house.change(lambda tx: tx.followed.save(followed))
    wait(demand_same_key(house.catalog, STRANGER))
    house.change(lambda tx: tx.followed.remove())
    with pytest.raises(ConfigurationFault):
        wait(demand_same_key(house.catalog, STRANGER))
