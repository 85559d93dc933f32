"""The regular jobs: one that fails is tried again, whatever the fault was."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from functools import partial

import pytest

from strongroom.core.errors import StrongroomError, Unavailable
from strongroom.core.mirrored import Copy
from strongroom.ports import Transaction
from strongroom.services.mirror.asked import AskedCounter
from strongroom.services.mirror.files import FileMirror
from strongroom.services.mirror.mirror import Mirroring, Passage
from strongroom.services.mirror.name_lists import NameLists
from strongroom.services.mirror.names import UpstreamNames
from strongroom.services.mirror.pages import PageMirror
from strongroom.worker import Job, at_work, upstream_jobs
from tests.factories import DEMO, PUBLIC, a_copy
from tests.fakes import START
from tests.services.mirror.mirrored import Town


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


def test_lists_of_names_come_soon_after_the_start_and_askings_are_kept() -> None:
    """The first list half a minute after it, for uploads to be compared with; askings once a minute."""
    town = Town()
    parts = town.parts
    passage = Passage(
        parts,
        mirror=Mirroring(PageMirror(parts), FileMirror(parts)),
        names=UpstreamNames(parts.catalog, parts.blobs),
        lists=NameLists(parts),
        asked=AskedCounter(parts.catalog, parts.clock),
    )
    passage.asked.note(PUBLIC, DEMO)
    jobs = upstream_jobs(passage)
    assert {(job.first_seconds, job.every_seconds) for job in jobs} >= {(30, 3600), (60, 60)}

    async def scene() -> None:
        for job in jobs:
            await job.run()
        await passage.mirror.close()

    asyncio.run(scene())
    assert [asked.kind for asked in town.client.asked] == ["list"]
    assert [item.count for item in town.house.look(lambda tx: tx.asked_names.list())] == [1]


def save_copy(tx: Transaction, copy: Copy) -> None:
    """Store what is kept of a file."""
    tx.copies.save(copy)


def test_room_for_upstream_files_is_made_where_there_is_a_limit(caplog: pytest.LogCaptureFixture) -> None:
    """Every ten minutes; without a limit nothing is given up."""
    caplog.set_level(logging.INFO)
    town = Town()
    parts = town.parts
    passage = Passage(
        parts,
        mirror=Mirroring(PageMirror(parts), FileMirror(parts)),
        names=UpstreamNames(parts.catalog, parts.blobs),
        lists=NameLists(parts),
        asked=AskedCounter(parts.catalog, parts.clock),
    )
    copies = [a_copy("demo-1.0.tar.gz"), a_copy("demo-2.0.tar.gz", last_used_at=START + timedelta(hours=1))]
    for copy in copies:
        town.house.change(partial(save_copy, copy=copy))
    town.house.clock.advance(timedelta(days=1))
    unlimited = upstream_jobs(passage)
    limited = upstream_jobs(passage, cache_bytes=20)
    (making_room,) = [job for job in limited if job.name not in {job.name for job in unlimited}]
    assert making_room.every_seconds == 600

    async def scene() -> None:
        for _ in range(2):
            await making_room.run()

    asyncio.run(scene())
    assert [copy.filename for copy in town.house.look(lambda tx: tx.copies.list_least_used(9))] == ["demo-2.0.tar.gz"]
    assert [record.message for record in caplog.records].count("gave up copies of upstream files") == 1
