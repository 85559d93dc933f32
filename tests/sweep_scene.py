"""Uploads, deletions and uploads of the same bytes again, beside a sweep that has no patience at all.

In one process, on the real use cases: what is acknowledged must stay readable until it is
deleted, however the sweep comes in between. A few contents under many filenames, so that
nearly every upload finds its bytes there, going, or just gone.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from strongroom.adapters.blobs.local import LocalBlobs
from strongroom.adapters.blobs.memory import MemoryBlobs
from strongroom.adapters.clock import SystemClock
from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.adapters.sql.catalog import open_catalog
from strongroom.core.archive import Inspected
from strongroom.core.errors import StorageFault, Unavailable
from strongroom.core.model import File, PackageType
from strongroom.core.names import Filename, Sha256, parse_filename
from strongroom.core.upload import UploadForm
from strongroom.ports import Blobs, Catalog, Transaction
from strongroom.services.publish import Publish
from strongroom.services.releases import Releases, Selection
from strongroom.services.removing import Removing
from strongroom.services.sweep import Sweep
from strongroom.services.upkeep import Upkeep
from tests.factories import DEMO, MAIN, OPERATOR, an_index
from tests.fakes import SeededSecrets, join

CONTENTS = 12
CLIENTS = 8
_ON_DISK, _IN_MEMORY = 200, 3_000
_METADATA = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nSummary: {}\n"


@dataclass(slots=True)
class Tally:
    """What happened, and what is wrong."""

    events: int = 0
    told_to_wait: int = 0
    swept: int = 0
    faults: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        """Say it in one line."""
        return (
            f"{self.events} events, {self.swept} blobs swept away, {self.told_to_wait} uploads told to come back, "
            f"{len(self.faults)} faults"
        )


class SameInspector:
    """Says of any bytes what their first line says: the archive gate has proofs of its own."""

    async def inspect(self, path: Path, filename: Filename, *, size_bytes: int) -> Inspected:
        """Return METADATA that some contents share."""
        number = int(path.read_bytes().split(b"\n")[0]) % (CONTENTS // 2)  # noqa: ASYNC240 - a few bytes
        return Inspected(_METADATA.format(number).encode(), PackageType.WHEEL, "py3")

    async def close(self) -> None:
        """Close nothing."""


class Scene:
    """One store, its clients and its sweep."""

    def __init__(self, catalog: Catalog, blobs: Blobs, *, seed: int) -> None:
        clock = SystemClock()
        secrets = SeededSecrets(str(seed))
        self.catalog, self.blobs = catalog, blobs
        self.publish = Publish(catalog, blobs, SameInspector(), clock, secrets, 1_000_000)
        self.releases = Releases(catalog, clock)
        self.sweep = Sweep(catalog, blobs, clock, Removing(catalog, blobs, clock))
        self.upkeep = Upkeep(catalog, blobs, clock)
        self.tally = Tally()
        self._chance = random.Random(seed)
        self._numbers = iter(range(10**9))

    async def play(self, events: int) -> Tally:
        """Let so many things happen, then ask what is lost and what is left over."""
        await join(self.catalog, self.blobs)
        await self.catalog.write(lambda tx: tx.indexes.add(an_index()))
        sweeping = asyncio.create_task(self._keep_sweeping())
        async with asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(self._be_client(events))
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)
        await self._check()
        return self.tally

    async def _be_client(self, events: int) -> None:
        while self.tally.events < events:
            file = await self._upload(self._chance.randrange(CONTENTS))
            if self._chance.random() < 0.998:
                await self._read(file)
                await self.releases.delete(OPERATOR, Selection(MAIN, DEMO, filename=file.filename))
                self.tally.events += 1

    async def _upload(self, content: int) -> File:
        """Publish one of the contents under a name of its own, as often as it takes."""
        filename = parse_filename(f"demo-1.0-{next(self._numbers) + 1}-py3-none-any.whl")
        while True:
            try:
                async with self.publish.begin(OPERATOR, MAIN) as upload:
                    await upload.write(f"{content}\n{'x' * 50 * content}".encode())
                    published = await upload.finish(UploadForm(filename))
            except Unavailable as fault:
                if fault.code != "being-removed":
                    raise
                self.tally.told_to_wait += 1
                await asyncio.sleep(0.001)
                continue
            self.tally.events += 1
            return published.file

    async def _read(self, file: File) -> None:
        """Read what was acknowledged, a little later."""
        await asyncio.sleep(self._chance.choice((0, 0.001)))
        for sha256 in (file.sha256, file.metadata_sha256):
            try:
                assert sha256 is not None
                await self.blobs.get(sha256)
            except StorageFault as fault:
                self.tally.faults.append(f"{file.filename}: acknowledged, and lost: {fault.message}")

    async def _keep_sweeping(self) -> None:
        while True:
            self.tally.swept += (await self.sweep.sweep(OPERATOR, grace=timedelta(0))).blobs
            await asyncio.sleep(0)

    async def _check(self) -> None:
        report = await self.upkeep.verify(OPERATOR)
        self.tally.faults += [f"{fault.needed_by}: {fault.problem}" for fault in report.faults]
        # What a cancelled sweep had written down it may not have removed: that stands until it expires.
        await self.catalog.write(_forget_removals)
        await self.sweep.sweep(OPERATOR, grace=timedelta(0))
        needed = await self.catalog.read(lambda tx: {*tx.files.list_named(Sha256("0"), 10**6)})
        stored = {info.sha256 async for info in self.blobs.list()}
        self.tally.faults += [f"{sha256}: an orphan" for sha256 in stored - needed]
        self.tally.faults += [f"{sha256}: lost" for sha256 in needed - stored]
        left = await self.catalog.read(lambda tx: tx.leases.list())
        self.tally.faults += [f"{lease.lease_id}: a lease that nobody ended" for lease in left]


def _forget_removals(tx: Transaction) -> None:
    for lease in tx.leases.list_removals():
        tx.leases.remove(lease.lease_id)


def play_in_memory(events: int, *, seed: int) -> Tally:
    """Play on memory stores."""
    return asyncio.run(Scene(MemoryCatalog(), MemoryBlobs(), seed=seed).play(events))


def play_on_disk(folder: Path, events: int, *, seed: int) -> Tally:
    """Play on SQLite and a local directory."""

    async def scene() -> Tally:
        catalog = open_catalog(f"sqlite:///{folder / 'catalog.sqlite3'}", chain_key=bytes(32))
        try:
            return await Scene(catalog, LocalBlobs(folder, 0), seed=seed).play(events)
        finally:
            await catalog.close()

    return asyncio.run(scene())


def prove_sweep(folder: Path, events: int, *, seed: int, tell: Callable[[str], None]) -> Tally:
    """Play in rounds, short ones on disk among long ones in memory, until so many things have happened."""
    total, number = Tally(), 0
    while total.events < events:
        left = events - total.events
        if number % 5 == 0:
            place = folder / str(number)
            place.mkdir()
            tally = play_on_disk(place, min(_ON_DISK, left), seed=seed + number)
        else:
            tally = play_in_memory(min(_IN_MEMORY, left), seed=seed + number)
        number += 1
        total.events += tally.events
        total.told_to_wait += tally.told_to_wait
        total.swept += tally.swept
        total.faults += tally.faults
        tell(total.sentence())
    return total
