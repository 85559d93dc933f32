"""Reads that share a thread: one snapshot for several, one culprit spoils nobody else's, and help for the slow."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest
from sqlalchemy import Connection, create_engine

from strongroom.adapters.sql.reads import TOGETHER, Reads
from strongroom.core.errors import Unavailable


class Desk:
    """Reads on an empty database, how many transactions they took, and what keeps them from beginning."""

    def __init__(self, *, at_once: int = 4) -> None:
        self.transactions = 0
        self.fails: list[Exception] = []
        self.ends_badly = False
        self.slow: list[Slow] = []
        self.threads = ThreadPoolExecutor(at_once)
        self.reads = Reads(self.threads, self.begin, at_once=at_once)
        self._engine = create_engine("sqlite://")

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Begin a transaction, or fail."""
        self.transactions += 1
        if self.fails:
            raise self.fails.pop()
        with self._engine.connect() as connection:
            yield connection
        if self.ends_badly:
            raise Unavailable("catalog-busy", "The connection was lost")


def give(number: int) -> Callable[[Connection], int]:
    """Return a read that returns the number."""
    return lambda _: number


class Slow:
    """A read that keeps a thread busy; whatever comes meanwhile waits."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self._began = threading.Event()

    def __call__(self, _: Connection) -> str:
        """Take until it may end."""
        self._began.set()
        self.may_end.wait(30)
        return "slow"

    async def begin(self, desk: Desk) -> asyncio.Task[str]:
        """Return the read when it has begun."""
        task = asyncio.create_task(desk.reads.read(self))
        await asyncio.to_thread(self._began.wait, 30)
        return task


@contextmanager
def held(desk: Desk) -> Iterator[Slow]:
    """Give a slow read, which ends at the end, and the desk's threads with all its slow reads."""
    slow = Slow()
    desk.slow.append(slow)
    try:
        yield slow
    finally:
        for each in desk.slow:  # the threads end when the last of them does
            each.may_end.set()
        desk.threads.shutdown()


def test_reads_that_wait_share_a_transaction() -> None:
    """Each gets its own result; there are no more of them in one than was decided."""

    async def scene() -> None:
        desk = Desk(at_once=1)
        with held(desk) as slow:
            first = await slow.begin(desk)
            others = [asyncio.create_task(desk.reads.read(give(n))) for n in range(TOGETHER + 1)]
            await asyncio.sleep(0)
        assert await asyncio.gather(*others) == list(range(TOGETHER + 1))
        assert await first == "slow"
        assert desk.transactions == 3

    asyncio.run(scene())


def test_a_read_that_fails_spoils_no_other() -> None:
    """Those behind it get a new transaction: its own may be broken."""

    async def scene() -> None:
        desk = Desk(at_once=1)
        with held(desk) as slow:
            first = await slow.begin(desk)
            others = [asyncio.create_task(desk.reads.read(fn)) for fn in (give(1), lambda _: 1 // 0, give(3))]
            await asyncio.sleep(0)
        one, two, three = await asyncio.gather(*others, return_exceptions=True)
        assert (one, three) == (1, 3)
        assert isinstance(two, ZeroDivisionError)
        assert await first == "slow"
        assert desk.transactions == 3

    asyncio.run(scene())


def test_a_transaction_that_cannot_begin_fails_nobody_else() -> None:
    """The next one is tried anew."""

    async def scene() -> None:
        desk = Desk()
        desk.fails = [Unavailable("catalog-busy", "The catalog has no free connection")]
        with pytest.raises(Unavailable, match="no free connection"):
            await desk.reads.read(lambda _: 1)
        assert await desk.reads.read(lambda _: 2) == 2
        desk.threads.shutdown()

    asyncio.run(scene())


def test_nobody_reads_in_a_snapshot_that_is_older_than_his_wish() -> None:
    """He may have been told of what it does not show."""

    async def scene() -> None:
        desk = Desk(at_once=1)
        with held(desk) as slow:
            first = await slow.begin(desk)
            second = asyncio.create_task(desk.reads.read(lambda _: desk.transactions))
            await asyncio.sleep(0)
        assert (await first, await second) == ("slow", 2)

    asyncio.run(scene())


def test_a_slow_read_keeps_no_quick_one_back() -> None:
    """Not those before it, which have their results; not those behind it, for which another thread reads."""

    async def scene() -> None:
        desk = Desk(at_once=2)
        with held(desk) as blocker, held(desk) as slow:
            blocked = await blocker.begin(desk)
            before, slowly, behind = (asyncio.create_task(desk.reads.read(fn)) for fn in (give(1), slow, give(3)))
            await asyncio.sleep(0)
            blocker.may_end.set()
            async with asyncio.timeout(30):
                assert [await before, await behind] == [1, 3]
            assert not slowly.done()
        assert (await blocked, await slowly) == ("slow", "slow")

    asyncio.run(scene())


def test_a_transaction_that_ends_badly_takes_no_result_back() -> None:
    """It was read; only what comes later notices."""

    async def scene() -> None:
        desk = Desk()
        desk.ends_badly = True
        assert await desk.reads.read(give(1)) == 1
        desk.ends_badly = False
        assert await desk.reads.read(give(2)) == 2
        desk.threads.shutdown()

    asyncio.run(scene())


def test_another_thread_helps_when_one_takes_long() -> None:
    """However many wait for it, and no more of them than there are threads for."""

    async def scene() -> None:
        desk = Desk(at_once=2)
        with held(desk) as slow:
            first = await slow.begin(desk)
            async with asyncio.timeout(30):
                assert await asyncio.gather(*(desk.reads.read(give(n)) for n in range(3))) == [0, 1, 2]
            second = asyncio.create_task(desk.reads.read(slow))
            await asyncio.sleep(0.05)
            third = asyncio.create_task(desk.reads.read(lambda _: "third"))
            await asyncio.sleep(0.05)
            assert not third.done()
        assert [await first, await second, await third] == ["slow", "slow", "third"]

    asyncio.run(scene())


def test_help_that_meets_a_slow_read_gets_help_too() -> None:
    """As long as there are threads, though nobody asks any more."""

    async def scene() -> None:
        desk = Desk(at_once=3)
        with held(desk) as one, held(desk) as two:
            first = await one.begin(desk)
            second, quick = (asyncio.create_task(desk.reads.read(fn)) for fn in (two, give(3)))
            async with asyncio.timeout(30):
                assert await quick == 3
            assert not second.done()
        assert (await first, await second) == ("slow", "slow")

    asyncio.run(scene())


def test_what_nobody_waits_for_is_not_read() -> None:
    """A client that hung up costs nothing more; one that leaves while its read runs disturbs nobody."""
    done: list[int] = []

    def note(number: int, _: Connection) -> None:
        done.append(number)

    async def scene() -> None:
        desk = Desk(at_once=1)
        with held(desk) as slow:
            first = await slow.begin(desk)
            others = [asyncio.create_task(desk.reads.read(partial(note, n))) for n in range(2)]
            await asyncio.sleep(0)
            others[0].cancel()
            first.cancel()
            await asyncio.gather(first, others[0], return_exceptions=True)
        await others[1]

    asyncio.run(scene())
    assert done == [1]


def test_an_event_loop_that_has_ended_disturbs_no_later_one() -> None:
    """The command line runs one loop after the other."""
    desk = Desk(at_once=1)
    may_end = threading.Event()

    async def leave() -> None:
        task = asyncio.create_task(desk.reads.read(lambda _: may_end.wait(30)))
        await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(leave())
    may_end.set()
    assert asyncio.run(desk.reads.read(lambda _: "later")) == "later"
    desk.threads.shutdown()


def test_after_the_end_nothing_is_read() -> None:
    """That is said; a helper that comes too late does no harm."""

    async def scene() -> None:
        desk = Desk(at_once=2)
        with held(desk) as slow:
            first = await slow.begin(desk)
            second = asyncio.create_task(desk.reads.read(lambda _: "second"))
            await asyncio.sleep(0)
            desk.threads.shutdown(wait=False)
            await asyncio.sleep(0.05)
        assert [await first, await second] == ["slow", "second"]
        for _ in range(2):
            with pytest.raises(Unavailable, match="stopping"):
                await desk.reads.read(lambda _: 1)

    asyncio.run(scene())
