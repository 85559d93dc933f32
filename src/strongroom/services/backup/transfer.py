"""Bytes on their way between stores and targets: several at once, each hashed as it passes.

Decides how many move at once, and that a wrong digest stops the one who writes.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from strongroom.core.errors import StorageFault
from strongroom.core.names import Sha256

T = TypeVar("T")

Progress = Callable[[int, int], None]
"""Is told how many of how many blobs are done."""

_AT_ONCE = 8
_CHUNK_BYTES = 1024 * 1024


async def each(items: Sequence[T], work: Callable[[T], Awaitable[None]], *, progress: Progress | None) -> None:
    """Do the work for each item, several at once; the first error stops all of it, and is raised."""
    waiting, done = iter(items), 0

    async def take() -> None:
        nonlocal done
        for item in waiting:
            await work(item)
            done += 1
            if progress is not None:
                progress(done, len(items))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(take())
    except BaseExceptionGroup as faults:
        raise faults.exceptions[0] from None


async def checked(chunks: AsyncIterator[bytes], sha256: Sha256, *, what: str) -> AsyncIterator[bytes]:
    """Yield the chunks, and raise `StorageFault` after the last when all of them have another digest."""
    digest = hashlib.sha256()
    async for chunk in chunks:
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != sha256:
        raise StorageFault(
            "backup-damaged", f"{what} holds other bytes than it should", "Run `strongroom verify`, or `backup verify`."
        )


async def once(data: bytes) -> AsyncIterator[bytes]:
    """Yield the bytes as one chunk."""
    yield data


async def whole(chunks: AsyncIterator[bytes]) -> bytes:
    """Return all chunks as one."""
    return b"".join([chunk async for chunk in chunks])


async def file_chunks(path: Path) -> AsyncIterator[bytes]:
    """Yield a local file."""
    with path.open("rb") as file:  # reads go to a thread
        while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
            yield chunk


async def save_chunks(path: Path, chunks: AsyncIterator[bytes]) -> None:
    """Write the chunks into a new local file."""
    with path.open("xb") as file:  # writes go to a thread
        async for chunk in chunks:
            await asyncio.to_thread(file.write, chunk)
