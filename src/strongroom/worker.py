"""What a process does besides answering: small regular jobs, each harmless to repeat.

Some each process has to do for itself: writing down what was used, ending when the
process that started it is gone. The others one process does for all, in turns
(`services/turns.py`): the daily sweep, the lists of upstreams' names, making room. A job
that fails is logged and tried again at its next time.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from multiprocessing import parent_process

from strongroom.core.caller import operator
from strongroom.core.errors import StrongroomError
from strongroom.core.names import TokenId
from strongroom.ports import Catalog
from strongroom.services.mirror.mirror import Passage
from strongroom.services.ownership import Ownership
from strongroom.services.replica import Replica
from strongroom.services.sweep import Sweep
from strongroom.services.turns import Turns

_log = logging.getLogger(__name__)
_SERVER = operator("server")
_SWEEP_EVERY = timedelta(days=1)
_AGAIN = timedelta(0)
"""For jobs that may be done again at once, but not by two at the same time."""
_FOLLOWING_LIFETIME = timedelta(seconds=10)
"""How long a replica stands still when the process that follows was killed."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do every so many seconds, and the first time that long after the start."""

    name: str
    every_seconds: float
    run: Callable[[], Awaitable[None]]
    first_seconds: float


def own_jobs(
    catalog: Catalog, take_last_used: Callable[[], dict[TokenId, datetime]], *, sweep: Sweep, passage: Passage
) -> tuple[Job, ...]:
    """Return what each serving process does for itself.

    `take_last_used` hands over the tokens used since its last call.
    """

    async def keep_last_used() -> None:
        await _touch(catalog, take_last_used())

    async def purge_incoming() -> None:
        await sweep.purge_incoming()

    started_by = parent_process()  # not asked of the system: it may be gone before the worker has begun
    parent = os.getppid() if started_by is None else started_by.pid

    async def end_with_parent() -> None:
        if os.getppid() != parent:  # killed without warning: this worker would serve on by itself, and hold the port
            os.kill(os.getpid(), signal.SIGTERM)

    return (
        Job("end with the parent", 1, end_with_parent, first_seconds=1),
        Job("keep times of last use", 60, keep_last_used, first_seconds=60),
        Job("keep names that nobody owns", 60, passage.asked.flush, first_seconds=60),
        Job("keep times of last use of copies", 60, passage.mirror.files.flush_uses, first_seconds=60),
        # Temporary files lie on this machine, so no other node can do it.
        Job("remove temporary files of dead uploads", 24 * 3600, purge_incoming, first_seconds=3600),
    )


def shared_jobs(turns: Turns, sweep: Sweep, *, passage: Passage, cache_bytes: int = 0) -> tuple[Job, ...]:
    """Return what one process does for all, on whichever node.

    Copies of upstream files beyond `cache_bytes` are given up; 0 means that there is room for all.
    """

    async def sweep_away() -> None:
        report = await sweep.sweep(_SERVER)
        if report.blobs or report.leases or report.incoming:
            fields = {"blobs": report.blobs, "freed_bytes": report.freed_bytes, "leases": report.leases}
            _log.info("swept away what uploads had left", extra={"fields": fields})

    async def make_room() -> None:
        report = await passage.mirror.files.make_room(cache_bytes)
        if report.copies:
            _log.info("gave up copies of upstream files", extra={"fields": asdict(report)})

    async def sweep_in_turn() -> None:
        await turns.run("sweep", sweep_away, every=_SWEEP_EVERY)

    async def make_room_in_turn() -> None:
        await turns.run("make room", make_room, every=_AGAIN)

    async def fetch_names_in_turn() -> None:
        await turns.run("names", passage.lists.refresh_due, every=_AGAIN)

    making_room = (Job("make room for upstream files", 600, make_room_in_turn, first_seconds=300),)
    return (
        *(making_room if cache_bytes else ()),
        # Each hour, so that a list that could not be fetched is tried for again; one that is a day old is due.
        Job("fetch the lists of upstreams' names", 3600, fetch_names_in_turn, first_seconds=30),
        # Daily, but often asked for: so another one goes on soon where a process died in the middle of it.
        Job("sweep", 900, sweep_in_turn, first_seconds=300),
    )


def ownership_job(ownership: Ownership) -> Job:
    """Return the job that sees whose the blobs are where that could not be seen at the start."""
    return Job("see whose the stored files are", 60, ownership.settle, first_seconds=60)


def replica_jobs(turns: Turns, replica: Replica) -> tuple[Job, ...]:
    """Return the job of a replica: one process follows the primary for all, the others see how far it has come."""
    turns, follower = turns.short(_FOLLOWING_LIFETIME), replica.follower

    async def follow_in_turn() -> None:
        if await follower.look():
            await turns.run("follow", follower.keep_level, every=_AGAIN)

    return (Job("follow the primary", 1, follow_in_turn, first_seconds=0),)


@asynccontextmanager
async def at_work(jobs: tuple[Job, ...]) -> AsyncIterator[None]:
    """Run the jobs as long as the block lasts; a running one is cancelled at its end."""
    tasks = [asyncio.create_task(_repeat(job)) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def until_told_to_stop() -> None:
    """Return at SIGTERM or SIGINT."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    await told.wait()


async def _repeat(job: Job) -> None:
    await asyncio.sleep(job.first_seconds)
    while True:
        try:
            await job.run()
        except StrongroomError as fault:
            _log.warning("a regular job failed", extra={"fields": {"job": job.name, "code": fault.code}})
        except Exception:
            _log.exception("a regular job failed", extra={"fields": {"job": job.name}})
        await asyncio.sleep(job.every_seconds)


async def _touch(catalog: Catalog, last_used: dict[TokenId, datetime]) -> None:
    if last_used:
        await catalog.write(lambda tx: tx.tokens.touch(last_used))
