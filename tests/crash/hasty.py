"""The negative control: blobs that reach their final path after they were promised, piece by piece.

Everything works as long as nobody is killed. The proof must see the difference.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from strongroom.adapters.blobs.local import LocalBlobs
from strongroom.core.names import Sha256
from strongroom.ports import Incoming

_PIECE_BYTES = 4096


class HastyBlobs(LocalBlobs):
    """The local store with the order of writes broken: no fsync, no link, and the commit does not wait."""

    def __init__(self, directory: Path) -> None:
        """Begin like the real store."""
        super().__init__(directory, 0)
        self._writing: set[asyncio.Task[None]] = set()

    async def keep(self, incoming: Incoming) -> Sha256:
        """Promise the bytes, and begin to write them straight to the final path."""
        sha256 = await incoming.sha256()
        data = await asyncio.to_thread(incoming.path.read_bytes)
        task = asyncio.ensure_future(self._write(self.find_path(sha256), data))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return sha256

    async def _write(self, final: Path, data: bytes) -> None:
        await asyncio.to_thread(final.parent.mkdir, parents=True, exist_ok=True)
        with final.open("wb", buffering=0) as file:
            for start in range(0, len(data), _PIECE_BYTES):
                await asyncio.to_thread(file.write, data[start : start + _PIECE_BYTES])
                await asyncio.sleep(0.001)
