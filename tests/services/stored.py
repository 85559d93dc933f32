"""A house with bytes that can be damaged, swept and looked at."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from strongroom.adapters.blobs.memory import MemoryBlobs
from strongroom.core.errors import StorageFault
from strongroom.core.mirrored import Copy
from strongroom.core.model import File
from strongroom.core.names import Sha256
from strongroom.core.removals import REMOVAL_SECONDS
from strongroom.services.removing import Removing
from strongroom.services.sweep import Sweep
from strongroom.services.upkeep import Upkeep
from tests.factories import a_copy, a_file, a_project, an_index
from tests.fakes import FrozenClock, join
from tests.services.house import House, wait

DAY = timedelta(days=1)
WHEEL, SDIST = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"


class DamagedBlobs(MemoryBlobs):
    """Blobs that can be overwritten, as a disk does it."""

    def __init__(self) -> None:
        super().__init__()
        self.unreadable: set[Sha256] = set()

    def overwrite(self, sha256: Sha256, data: bytes) -> None:
        """Put other bytes under the digest."""
        self._blobs[sha256] = (data, datetime.now(UTC))

    def has(self, sha256: Sha256) -> bool:
        """Return whether the blob is there."""
        return sha256 in self._blobs

    def _get(self, sha256: Sha256) -> bytes:
        if sha256 in self.unreadable:
            raise StorageFault("blob-fault", "Reading a blob failed")
        return super()._get(sha256)


class Incoming:
    """Temporary files of uploads that died."""

    def __init__(self) -> None:
        self.asked: list[datetime] = []

    async def purge_incoming(self, older_than: datetime) -> int:
        """Remember the question."""
        self.asked.append(older_than)
        return 3


class StoredHouse(House):
    """A house with bytes; its clock stands a day and a minute after they came."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FrozenClock(datetime.now(UTC) + DAY + timedelta(minutes=1))
        self.blobs = DamagedBlobs()
        self.incoming = Incoming()
        self.upkeep = Upkeep(self.catalog, self.blobs, self.clock)
        self.sweep = self.sweep_of(self.blobs)
        self.add_index(an_index())

    def sweep_of(self, blobs: MemoryBlobs, *, removal_seconds: float = REMOVAL_SECONDS) -> Sweep:
        """Return the sweep of these blobs, which are the catalog's from now on."""
        wait(join(self.catalog, blobs))
        remover = Removing(self.catalog, blobs, self.clock, removal_seconds)
        return Sweep(self.catalog, blobs, self.clock, remover, self.incoming)

    def put(self, text: str) -> Sha256:
        """Store a blob."""
        return wait(self.blobs.put(text.encode()))

    def add_file(self, filename: str, *, metadata: str | None = None, provenance: str | None = None) -> File:
        """Store a file with its blobs; its bytes are its name."""
        file = replace(
            a_file(filename),
            sha256=self.put(filename),
            metadata_sha256=None if metadata is None else self.put(metadata),
            provenance_sha256=None if provenance is None else self.put(provenance),
        )
        self.add_files(a_project(), file)
        return file

    def add_copy(self, filename: str, *, metadata: str | None = None, provenance: str | None = None) -> Copy:
        """Store a copy of an upstream's file with its blobs; its bytes are its name."""
        copy = replace(
            a_copy(filename, sha256=self.put(filename)),
            metadata_sha256=None if metadata is None else self.put(metadata),
            provenance_sha256=None if provenance is None else self.put(provenance),
        )
        self.change(lambda tx: tx.copies.save(copy))
        return copy
