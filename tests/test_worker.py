"""The regular jobs: one that fails is tried again, whatever the fault was."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from datetime import datetime, timedelta
from functools import partial

import pytest

from strongroom.core.errors import StrongroomError, Unavailable
from strongroom.core.mirrored import Copy
from strongroom.core.model import Lease
from strongroom.core.names import TokenId
from strongroom.core.replica import Lag
from strongroom.ports import Primary, Transaction
from strongroom.services.mirror.asked import AskedCounter
from strongroom.services.mirror.mirror import Mirroring, Passage
from strongroom.services.mirror.name_lists import NameLists
from strongroom.services.mirror.names import UpstreamNames
from strongroom.services.mirror.parts import Parts
from strongroom.services.replica import Follower, Replica
from strongroom.services.sweep import Sweep
from strongroom.services.turns import Turns
from strongroom.worker import Job, at_work, own_jobs, replica_jobs, shared_jobs, until_told_to_stop
from tests.factories import DEMO, MAIN, OPERATOR, PUBLIC, a_copy, a_token, a_user
from tests.fakes import START, join
from tests.services.mirror.mirrored import Town
from tests.services.replicating import Pair


def passage_of(parts: Parts) -> Passage:
    """Put together what deals with upstreams."""
    return Passage(
        parts,
        mirror=Mirroring.of(parts),
        names=UpstreamNames(parts.catalog, parts.blobs),
        lists=NameLists(parts),
        asked=AskedCounter(parts.catalog, parts.clock),
        outcomes={},
    )


@pytest.mark.parametrize(
    "fault",
    [Unavailable("catalog-busy", "The catalog is busy"), TimeoutError("too slow"), KeyError("unforeseen")],
    ids=lambda fault: type(fault).__name__,
)
def test_a_job_that_fails_is_logged_and_tried_again(fault: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """Neither an expected nor an unforeseen fault ends the job, nor shows at the end of the worker."""
    calls = 0
    again = asyncio.Event()

    async def run() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise fault
        again.set()

    async def scene() -> None:
        async with at_work((Job("sweep", 0.001, run, first_seconds=0),)):
            await asyncio.wait_for(again.wait(), 5)

    asyncio.run(scene())
    (record,) = [record for record in caplog.records if record.name == "strongroom.worker"]
    assert record.message == "a regular job failed"
    assert (record.exc_info is None) == isinstance(fault, StrongroomError)


def test_a_job_at_work_is_cancelled_at_the_end() -> None:
    """The worker's end does not wait for a long job."""
    began = asyncio.Event()
    ends: list[str] = []

    async def run() -> None:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            ends.append("cancelled")

    async def scene() -> None:
        async with at_work((Job("sweep", 0, run, first_seconds=0),)):
            await asyncio.wait_for(began.wait(), 5)

    asyncio.run(scene())
    assert ends == ["cancelled"]


class Node:
    """A process on a town's stores: what it does for itself, and in turns with others for all."""

    def __init__(self, town: Town) -> None:
        parts = town.parts
        self.catalog, self.turns = parts.catalog, Turns(parts.catalog, parts.clock)
        self.passage = passage_of(parts)
        self.purged: list[datetime] = []
        self.sweep = Sweep(parts.catalog, parts.blobs, parts.clock, parts.remover, self)

    async def purge_incoming(self, older_than: datetime) -> int:
        """Be the place where arriving bytes are kept."""
        self.purged.append(older_than)
        return 0

    def own(self, last_used: dict[TokenId, datetime] | None = None) -> dict[str, Job]:
        """Return the jobs that it does for itself."""
        jobs = own_jobs(self.catalog, lambda: last_used or {}, sweep=self.sweep, passage=self.passage)
        return {job.name: job for job in jobs}

    def shared(self, *, cache_bytes: int = 0) -> dict[str, Job]:
        """Return the jobs that one process does for all."""
        jobs = shared_jobs(self.turns, self.sweep, passage=self.passage, cache_bytes=cache_bytes)
        return {job.name: job for job in jobs}

    def do(self, *jobs: Job) -> None:
        """Do jobs, and end the mirror's part of the process."""

        async def scene() -> None:
            for job in jobs:
                await job.run()
            await self.passage.mirror.close()

        asyncio.run(scene())


def test_lists_of_names_come_soon_after_the_start_and_askings_are_kept() -> None:
    """The first list half a minute after it, for uploads to be compared with; askings once a minute."""
    town = Town()
    node = Node(town)
    node.passage.asked.note(PUBLIC, DEMO)
    names = node.shared()["fetch the lists of upstreams' names"]
    askings = node.own()["keep names that nobody owns"]
    assert (names.first_seconds, names.every_seconds) == (30, 3600)
    assert (askings.first_seconds, askings.every_seconds) == (60, 60)
    node.do(names, askings, node.own()["keep times of last use of copies"])
    assert [asked.kind for asked in town.client.asked] == ["list"]
    assert [item.count for item in town.house.look(lambda tx: tx.asked_names.list())] == [1]


def save_copy(tx: Transaction, copy: Copy) -> None:
    """Store what is kept of a file."""
    tx.copies.save(copy)


def test_room_for_upstream_files_is_made_where_there_is_a_limit(caplog: pytest.LogCaptureFixture) -> None:
    """Every ten minutes; without a limit nothing is given up."""
    caplog.set_level(logging.INFO)
    town = Town()
    node = Node(town)
    asyncio.run(join(town.house.catalog, town.blobs))
    copies = [a_copy("demo-1.0.tar.gz"), a_copy("demo-2.0.tar.gz", last_used_at=START + timedelta(hours=1))]
    for copy in copies:
        town.house.change(partial(save_copy, copy=copy))
    town.house.clock.advance(timedelta(days=1))
    assert "make room for upstream files" not in node.shared()
    making_room = node.shared(cache_bytes=20)["make room for upstream files"]
    assert making_room.every_seconds == 600
    node.do(making_room, making_room)
    assert [copy.filename for copy in town.house.look(lambda tx: tx.copies.list_least_used(9))] == ["demo-2.0.tar.gz"]
    assert [record.message for record in caplog.records].count("gave up copies of upstream files") == 1


def test_the_sweep_is_daily_in_all_and_not_for_each_process(caplog: pytest.LogCaptureFixture) -> None:
    """Three nodes ask every quarter of an hour; one sweeps, and says what it swept away."""
    caplog.set_level(logging.INFO)
    town = Town()
    nodes = [Node(town) for _ in range(3)]
    town.house.change(lambda tx: tx.leases.add(Lease("old", START - timedelta(days=3))))
    for _ in range(4 * 24):
        for node in nodes:
            job = node.shared()["sweep"]
            assert job.every_seconds == 900
            node.do(job)
        town.house.clock.advance(timedelta(minutes=15))
    assert sum(len(node.purged) for node in nodes) == 1
    assert town.house.look(lambda tx: tx.leases.list()) == ()
    assert [record.message for record in caplog.records].count("swept away what uploads had left") == 1
    nodes[2].do(nodes[2].shared()["sweep"])
    assert sum(len(node.purged) for node in nodes) == 2


def test_each_process_looks_after_its_own_machine() -> None:
    """Temporary files of dead uploads, and when its tokens were used."""
    town = Town()
    nodes = [Node(town) for _ in range(2)]
    for node in nodes:
        node.do(node.own()["remove temporary files of dead uploads"], node.own()["keep times of last use"])
        assert node.purged == [town.house.clock.now() - timedelta(days=1)]
    token = a_token()
    town.house.add_user(a_user(str(token.owner)))
    town.house.add_token(token)
    nodes[0].do(nodes[0].own({token.token_id: START})["keep times of last use"])
    (found,) = town.house.look(lambda tx: tx.tokens.list())
    assert found.last_used_at == START


def test_a_worker_stops_when_it_is_told_to() -> None:
    """SIGTERM and SIGINT alike."""

    async def scene(number: signal.Signals) -> None:
        stopping = asyncio.create_task(until_told_to_stop())
        await asyncio.sleep(0.01)
        assert not stopping.done()
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stopping, 5)

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.run(scene(number))


def test_one_process_of_a_replica_follows_and_the_others_look(caplog: pytest.LogCaptureFixture) -> None:
    """The primary is asked once for all; the job ends, and its turn with it, when nobody is followed any more."""
    pair = Pair()
    pair.do(pair.primary.indexes.create(OPERATOR, MAIN))
    pair.begin()
    first, stores = pair.use_cases, pair.follower.stores
    other = Replica(Follower(stores, _no_primary))

    async def scene() -> None:
        (following,) = replica_jobs(Turns(stores.catalog, stores.clock, "first"), first)
        (looking,) = replica_jobs(Turns(stores.catalog, stores.clock, "other"), other)

        async def follow() -> None:
            await following.run()

        job = asyncio.create_task(follow())
        while not await Turns(stores.catalog, stores.clock, "looking").list():  # noqa: ASYNC110 - a turn that is taken tells nobody
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # nothing here waits for anything but the next look
        assert not job.done()
        await looking.run()
        assert other.follower.find_lag() == Lag(timedelta(0))
        await first.promote(OPERATOR, although_it_answers=True)
        await asyncio.wait_for(job, 5)
        await looking.run()
        assert other.follower.find_lag() is None

    asyncio.run(scene())
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []
    turn = asyncio.run(stores.catalog.read(lambda tx: tx.turns.find("follow")))
    assert turn is not None
    assert turn.expires_at <= stores.clock.now()


def _no_primary(_url: str, _token: str) -> Primary:
    raise AssertionError("this process asks nobody")
