"""What the memory store can be told to do: be full."""

from __future__ import annotations

import asyncio

import pytest

from strongroom.adapters.blobs.memory import MemoryBlobs
from strongroom.core.errors import StorageFull
from strongroom.core.names import Sha256
from tests.contracts.test_blobs import digest_of


def test_it_holds_no_more_than_its_capacity() -> None:
    """Arriving and small bytes that do not fit are refused; what is there stays, and room can be made."""

    async def work() -> None:
        blobs = MemoryBlobs(capacity_bytes=10)
        kept = await blobs.put(b"12345678")
        incoming = await blobs.receive()
        with pytest.raises(StorageFull):
            await incoming.write(b"123")
        await incoming.discard()
        with pytest.raises(StorageFull):
            await blobs.put(b"123")
        assert await blobs.put(b"ab") == digest_of(b"ab")
        with pytest.raises(StorageFull):
            await blobs.receive()
        await blobs.remove(kept)
        assert await blobs.put(b"123") == digest_of(b"123")

    asyncio.run(work())


def test_it_has_no_paths() -> None:
    """Nothing can be served from a directory."""
    assert MemoryBlobs().find_path(Sha256("0" * 64)) is None
