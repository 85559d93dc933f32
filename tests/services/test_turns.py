"""Jobs that one process does for all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import pytest

from strongroom.core.errors import Unavailable
from strongroom.core.turns import TURN_LIFETIME, Turn
from strongroom.ports import Transaction
from strongroom.services.turns import Turns
from tests.fakes import START
from tests.services.house import House, ThreadedCatalog, until, wait

T = TypeVar("T")
DAY = timedelta(days=1)


class Node:
    """A process with turns on a house's catalog, and how often it did the job."""

    def __init__(self, house: House, holder: str, *, renewal_seconds: float = 60) -> None:
        self.turns = Turns(house.catalog, house.clock, holder, renewal_seconds)
        self.times_done = 0

    async def work(self) -> None:
        """Do the job."""
        self.times_done += 1

    def run(self) -> bool:
        """Do the daily job, if it is this node's turn."""
        return wait(self.turns.run("sweep", self.work, every=DAY))


def test_a_daily_job_is_done_once_a_day_in_all() -> None:
    """Whichever node comes first does it; the next day another may."""
    house = House()
    nodes = [Node(house, f"node-{number}") for number in range(3)]
    assert [node.run() for node in nodes] == [True, False, False]
    house.clock.advance(DAY - timedelta(seconds=1))
    assert [node.run() for node in nodes] == [False, False, False]
    house.clock.advance(timedelta(seconds=1))
    assert [node.run() for node in reversed(nodes)] == [True, False, False]
    assert [node.times_done for node in nodes] == [1, 0, 1]
    assert wait(nodes[1].turns.list()) == (Turn("sweep", "node-2", START + DAY, START + DAY),)
    assert house.events() == []


def test_two_jobs_have_turns_of_their_own() -> None:
    """One does not wait for the other."""
    house = House()
    node = Node(house, "node")
    assert node.run()
    assert wait(node.turns.run("names", node.work, every=DAY))
    assert node.times_done == 2


def test_nobody_begins_while_another_works() -> None:
    """Also when it takes longer than the turn: it is renewed meanwhile."""
    house = House()
    slow, other = Node(house, "slow", renewal_seconds=0.001), Node(house, "other")
    refused: list[bool] = []

    async def work() -> None:
        for _ in range(3):
            house.clock.advance(TURN_LIFETIME - timedelta(seconds=1))
            mark = house.catalog.change_mark()
            await until(lambda: house.catalog.change_mark() >= mark + 2)  # noqa: B023 - the first may have begun before
            refused.append(not await other.turns.run("sweep", other.work, every=timedelta(0)))

    assert wait(slow.turns.run("sweep", work, every=timedelta(0)))
    assert refused == [True, True, True]
    assert other.times_done == 0


def test_the_turn_of_a_process_that_died_expires() -> None:
    """Then another one does the job, and the dead one, should it wake up, takes nothing back."""
    house = House()
    died, other = Node(house, "died"), Node(house, "other")

    async def work() -> None:
        house.clock.advance(TURN_LIFETIME)
        assert await other.turns.run("sweep", other.work, every=DAY)

    assert wait(died.turns.run("sweep", work, every=DAY))
    assert other.times_done == 1
    (turn,) = wait(other.turns.list())
    assert turn.holder == "other"


def test_a_job_that_fails_stays_due_for_everybody() -> None:
    """Its fault is told; when it was last done is still known."""
    house = House()
    node, other = Node(house, "node"), Node(house, "other")
    assert node.run()
    house.clock.advance(DAY)

    async def fail() -> None:
        raise Unavailable("blobs-slow", "The blob store takes too long")

    with pytest.raises(Unavailable):
        wait(node.turns.run("sweep", fail, every=DAY))
    assert [turn.done_at for turn in wait(node.turns.list())] == [START]
    assert other.run()


def test_a_cancelled_job_gives_its_turn_back() -> None:
    """A node that is stopped in the middle of a sweep leaves it to the others at once."""
    house = House()
    node, other = Node(house, "node"), Node(house, "other")

    async def scene() -> None:
        began = asyncio.Event()

        async def work() -> None:
            began.set()
            await asyncio.sleep(60)

        running = asyncio.create_task(node.turns.run("sweep", work, every=DAY))
        await began.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    wait(scene())
    assert other.run()


class FailingCatalog(ThreadedCatalog):
    """A catalog that stops taking writes."""

    fails = False

    async def write(self, fn: Callable[[Transaction], T]) -> T:
        """Write, or fail."""
        if self.fails:
            raise Unavailable("catalog-busy", "The catalog is busy")
        return await super().write(fn)


def test_a_catalog_that_fails_meanwhile_does_not_end_the_job(caplog: pytest.LogCaptureFixture) -> None:
    """The turn is left to expire, which is said in the log; the job is done once more then."""
    house = House()
    catalog = house.catalog = FailingCatalog()
    node, other = Node(house, "node", renewal_seconds=0.001), Node(house, "other")

    async def work() -> None:
        catalog.fails = True
        await until(lambda: bool(caplog.records))

    assert wait(node.turns.run("sweep", work, every=DAY))
    catalog.fails = False
    messages = {record.message for record in caplog.records}
    assert messages == {"a turn could not be renewed", "a turn is left to expire"}
    assert not other.run()
    house.clock.advance(TURN_LIFETIME)
    assert other.run()


def test_each_process_has_a_name_of_its_own() -> None:
    """Two on one machine too."""
    house = House()
    assert Turns(house.catalog, house.clock).holder != Turns(house.catalog, house.clock).holder
