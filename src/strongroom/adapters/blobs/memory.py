"""Blobs in memory, for tests of everything above them.

What arrives still goes through a temporary file, since an archive is inspected by
its path. `capacity_bytes` makes the store full.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from strongroom.core.errors import StorageFault, StorageFull
from strongroom.core.names import Sha256
from strongroom.ports import BlobInfo, Incoming

_CHUNK_BYTES = 64 * 1024


class MemoryIncoming:
    """`ports.Incoming` as an ordinary temporary file."""

    def __init__(self, room_bytes: int) -> None:
        """Make the file; more than `room_bytes` will not fit."""
        self._room_bytes = room_bytes
        self._file = tempfile.NamedTemporaryFile(prefix="strongroom-", buffering=0)  # noqa: SIM115 - closed by discard
        self._size_bytes = 0
        self._digest = hashlib.sha256()

    @property
    def path(self) -> Path:
        return Path(self._file.name)

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    async def write(self, chunk: bytes) -> None:
        if self._size_bytes + len(chunk) > self._room_bytes:
            raise StorageFull("disk-full", "The store is full", "Free some space and try again.")
        self._file.write(chunk)
        self._digest.update(chunk)
        self._size_bytes += len(chunk)

    async def sha256(self) -> Sha256:
        return Sha256(self._digest.hexdigest())

    async def discard(self) -> None:
        self._file.close()

    def take(self) -> bytes:
        """Return all bytes and remove the file; raise `StorageFault` when it is gone."""
        if self._file.closed:
            raise StorageFault("blob-fault", "The upload's temporary file is incomplete or gone")
        with self._file:
            self._file.seek(0)
            return self._file.read()


class MemoryBlobs:
    """`ports.Blobs` as a dictionary."""

    def __init__(self, capacity_bytes: int = 1024 * 1024 * 1024) -> None:
        self._capacity_bytes = capacity_bytes
        self._blobs: dict[Sha256, tuple[bytes, datetime]] = {}
        self._mark: str | None = None

    async def receive(self, *, is_short: bool = False) -> Incoming:
        room_bytes = self._room_bytes()
        if room_bytes <= 0:
            raise StorageFull("disk-full", "The store is full", "Free some space and try again.")
        return MemoryIncoming(room_bytes)

    async def keep(self, incoming: Incoming) -> Sha256:
        if not isinstance(incoming, MemoryIncoming):
            raise TypeError("these bytes were received by another store")
        return await self.put(incoming.take())

    async def put(self, data: bytes) -> Sha256:
        sha256 = Sha256(hashlib.sha256(data).hexdigest())
        if sha256 not in self._blobs:
            if len(data) > self._room_bytes():
                raise StorageFull("disk-full", "The store is full", "Free some space and try again.")
            self._blobs[sha256] = (data, datetime.now(UTC))
        return sha256

    async def get(self, sha256: Sha256) -> bytes:
        return self._get(sha256)

    def find_path(self, sha256: Sha256) -> Path | None:
        return None

    async def find_size(self, sha256: Sha256) -> int | None:
        return len(self._blobs[sha256][0]) if sha256 in self._blobs else None

    async def stream(self, sha256: Sha256, start: int, *, stop: int) -> AsyncIterator[bytes]:
        data = self._get(sha256)
        if stop > len(data):
            raise StorageFault("blob-short", f"The blob {sha256} ends before byte {stop}")
        for offset in range(start, stop, _CHUNK_BYTES):
            yield data[offset : min(offset + _CHUNK_BYTES, stop)]

    async def link(self, sha256: Sha256, *, seconds: int) -> str | None:
        """Return None: nobody else reaches this memory."""
        return None

    async def check(self) -> None:
        await self.receive()

    async def read_mark(self) -> str | None:
        return self._mark

    async def write_mark(self, mark: str, *, replaces: bool = False) -> str:
        self._mark = mark if replaces or self._mark is None else self._mark
        return self._mark

    async def list(self) -> AsyncIterator[BlobInfo]:
        for sha256, (data, modified_at) in sorted(self._blobs.items()):
            yield BlobInfo(sha256, len(data), modified_at)

    async def remove(self, sha256: Sha256) -> None:
        self._blobs.pop(sha256, None)

    def _get(self, sha256: Sha256) -> bytes:
        if sha256 not in self._blobs:
            raise StorageFault("blob-missing", f"The blob {sha256} is missing")
        return self._blobs[sha256][0]

    def _room_bytes(self) -> int:
        return self._capacity_bytes - sum(len(data) for data, _ in self._blobs.values())
