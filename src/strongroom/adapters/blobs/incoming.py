"""Bytes that arrive: appended to a temporary file and hashed on the way, in threads.

Small chunks are gathered first, so that a chunk does not cost a thread each; the file is
made with the first write, unless it was opened before. Does not decide where the bytes
end up: that is `local.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import Executor
from io import FileIO
from pathlib import Path
from threading import RLock
from typing import TypeVar

from strongroom.adapters.blobs.files import CHUNK_BYTES, demand_room, open_new, raising_port_errors, write_all
from strongroom.core.errors import StorageFault
from strongroom.core.names import Sha256

T = TypeVar("T")


class LocalIncoming:
    """`ports.Incoming` as a file that only its maker knows.

    It leaves the minimum of free space: many large files at once must not take the room
    that the catalog needs.
    """

    def __init__(self, path: Path, threads: Executor, *, minimum_free_bytes: int = 0) -> None:
        self._path = path
        self._threads = threads
        self._minimum_free_bytes = minimum_free_bytes
        self._file: FileIO | None = None
        self._lock = RLock()
        self._digest = hashlib.sha256()
        self._size_bytes = 0
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._has_failed = False
        self._is_removed = False

    @property
    def path(self) -> Path:
        """The temporary file; it is there and holds everything written once `sha256` was awaited."""
        return self._path

    @property
    def size_bytes(self) -> int:
        """How much was written so far."""
        return self._size_bytes

    async def write(self, chunk: bytes) -> None:
        """Append; raises `StorageFull`, `StorageFault`."""
        self.append(chunk)
        if self._gathered_bytes >= CHUNK_BYTES:
            await self._run(self._flush)

    async def sha256(self) -> Sha256:
        """Return the digest of all that was written."""
        return await self._run(self._flush)

    async def discard(self) -> None:
        """Close and remove the temporary file; harmless when that happened before."""
        if not self._is_removed:
            await self._run(self.remove)

    def open(self) -> FileIO:
        """Return the file, made now if it was not before; blocks, and raises `OSError`."""
        if self._file is None:
            self._file = open_new(self._path)
        return self._file

    def append(self, chunk: bytes) -> None:
        """Gather a chunk for the next write."""
        self._gathered.append(chunk)
        self._gathered_bytes += len(chunk)
        self._size_bytes += len(chunk)

    def finish(self, use: Callable[[int, Sha256], None]) -> Sha256:
        """Write the rest, hand descriptor and digest to `use`, then remove the temporary name; blocks.

        Raises `StorageFault` when an earlier step failed: bytes may be missing then.
        """
        with self._lock:
            digest = self._flush()
            self._has_failed = True
            with raising_port_errors("Storing an upload"):
                use(self.open().fileno(), digest)
            self._has_failed = False
            self.remove()
            return digest

    def remove(self) -> None:
        """Close and unlink; blocks."""
        with self._lock:
            if self._file is not None and not self._is_removed:
                self._file.close()
                with raising_port_errors("Removing a temporary file"):
                    self._path.unlink(missing_ok=True)
            self._is_removed = True

    def _flush(self) -> Sha256:
        """Write and hash what was gathered; blocks. After one failure every later call fails as well.

        The lock matters when a request is cancelled: its thread may still be writing
        while the file is being discarded.
        """
        with self._lock:
            if self._has_failed or self._is_removed:
                raise StorageFault("blob-fault", "The upload's temporary file is incomplete or gone")
            gathered, self._gathered, self._gathered_bytes = self._gathered, [], 0
            self._has_failed = True
            with raising_port_errors("Writing an upload"):
                demand_room(self._path.parent, self._minimum_free_bytes)
                descriptor = self.open().fileno()
                for chunk in gathered:
                    write_all(descriptor, chunk)
            self._has_failed = False
            for chunk in gathered:
                self._digest.update(chunk)
            return Sha256(self._digest.hexdigest())

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)
