"""The process that is killed: publishes and reads until it dies, and says each success first.

Messages to the parent, one a line of bytes: `ready`, `try VERSION` before an upload,
`ack FILENAME SHA256 VERSION` after the use case has returned (where the handler would
send its 200), `bad SENTENCE` when a reader saw what must never be seen.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import random
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

from strongroom.core.access import ProjectTarget
from strongroom.core.errors import NotFound
from strongroom.core.model import File
from strongroom.core.names import parse_project_name
from strongroom.services.download import FoundFile
from tests.crash.store import MAIN, Store, opened
from tests.crash.work import PROJECTS, Work, version_of, wheel_of

Tell = Callable[[str], None]


def run(work: Work, answers: Connection, *, orders: Connection | None = None) -> None:
    """Be the process; with `orders`, wait for one between opening the store and the first upload."""
    os.setsid()
    asyncio.run(_run(work, lambda line: answers.send_bytes(line.encode()), orders=orders))


async def _run(work: Work, tell: Tell, *, orders: Connection | None) -> None:
    async with opened(work.data, is_hasty=work.is_hasty) as store:
        tell("ready")
        if orders is not None:
            orders.recv_bytes()
        numbers = iter(itertools.count()) if work.limit is None else iter(range(work.limit))
        reader = asyncio.ensure_future(_read_for_ever(store, work, tell=tell)) if work.limit is None else None
        await asyncio.gather(*(_publish(store, work, numbers=numbers, tell=tell) for _ in range(work.tasks)))
        if reader is not None:
            reader.cancel()
        tell("done")


async def _publish(store: Store, work: Work, *, numbers: Iterator[int], tell: Tell) -> None:
    for number in numbers:
        wheel = wheel_of(version_of(work, number))
        tell(f"try {wheel.version}")
        published = await store.upload(wheel)
        tell(f"ack {published.file.filename} {published.file.sha256} {wheel.version}")


async def _read_for_ever(store: Store, work: Work, *, tell: Tell) -> None:
    chance = random.Random(work.trial)
    while True:
        for fault in await read_project(store, chance.choice(PROJECTS), most=5):
            tell(f"bad {fault}")
        await asyncio.sleep(0)


async def read_project(store: Store, project: str, *, most: int | None = None) -> list[str]:
    """Download the newest files that the project's page lists; return what is wrong with them."""
    try:
        page = await store.services.browse.get_project_page(ProjectTarget(MAIN, parse_project_name(project)))
    except NotFound:
        return []
    files = page.files if most is None else page.files[-most:]
    return [fault for file in files if isinstance(file, File) for fault in await _read_file(store, file)]


async def _read_file(store: Store, file: File) -> list[str]:
    download, faults = store.services.download, []
    digest = hashlib.sha256()
    try:
        async for chunk in download.stream(file.sha256, start=0, stop=file.size_bytes):
            digest.update(chunk)
        if digest.hexdigest() != file.sha256:
            faults.append(f"{file.filename}: listed as {file.sha256}, downloads as {digest.hexdigest()}")
        if hashlib.sha256(await download.get_metadata(FoundFile(file))).hexdigest() != file.metadata_sha256:
            faults.append(f"{file.filename}: the metadata is not what is listed")
    except Exception as error:  # whatever it is, a listed file could not be had
        faults.append(f"{file.filename}: listed, but {type(error).__name__}: {error}")
    return faults
