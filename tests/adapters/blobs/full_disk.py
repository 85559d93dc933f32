"""Run on a small disk that nobody else uses: fill it with an upload, and see what stands afterwards."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from strongroom.adapters.blobs.files import CHUNK_BYTES
from strongroom.adapters.blobs.local import LocalBlobs
from strongroom.core.errors import StorageFault, StorageFull
from strongroom.ports import Incoming
from tests.contracts.test_blobs import digest_of, keep, listed

FITS = b"a" * CHUNK_BYTES


async def write_without_end(incoming: Incoming) -> None:
    """Append until the store says no."""
    while True:
        await incoming.write(bytes(CHUNK_BYTES))


async def fill(disk: Path) -> None:
    """Fail while bytes arrive and while small ones are put, and go on when there is room again."""
    blobs = LocalBlobs(disk, minimum_free_bytes=0)
    assert await keep(blobs, FITS) == digest_of(FITS)
    too_large = await blobs.receive()
    with pytest.raises(StorageFull):
        await write_without_end(too_large)
    with pytest.raises(StorageFull):
        await blobs.put(b"b" * CHUNK_BYTES)
    with pytest.raises(StorageFault):
        await blobs.keep(too_large)
    assert [info.sha256 for info in await listed(blobs)] == [digest_of(FITS)]
    assert await blobs.get(digest_of(FITS)) == FITS
    await too_large.discard()
    assert os.listdir(disk / "incoming") == []
    assert await keep(blobs, b"c" * CHUNK_BYTES) == digest_of(b"c" * CHUNK_BYTES)


if __name__ == "__main__":
    asyncio.run(fill(Path(sys.argv[1])))
