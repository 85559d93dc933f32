"""Blobs under their sha256, on every store."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from strongroom.core.errors import StorageFault
from strongroom.core.names import Sha256
from strongroom.ports import BlobInfo, Blobs

CONTENT = bytes(range(256)) * 10_000
MISSING = Sha256("0" * 64)


def digest_of(data: bytes) -> Sha256:
    """Return the sha256 of the bytes."""
    return Sha256(hashlib.sha256(data).hexdigest())


async def keep(blobs: Blobs, data: bytes, *, chunk_bytes: int = 100_000) -> Sha256:
    """Receive the bytes in chunks and keep them."""
    incoming = await blobs.receive()
    for start in range(0, len(data), chunk_bytes):
        await incoming.write(data[start : start + chunk_bytes])
    return await blobs.keep(incoming)


async def listed(blobs: Blobs) -> list[BlobInfo]:
    """Return all blobs in the order of their digests."""
    return sorted([info async for info in blobs.list()], key=lambda info: info.sha256)


async def collect(blobs: Blobs, sha256: Sha256, *, start: int, stop: int) -> bytes:
    """Return a part of a blob."""
    return b"".join([chunk async for chunk in blobs.stream(sha256, start, stop=stop)])


def run(work: Callable[[], Awaitable[None]]) -> None:
    """Run the test's coroutine."""

    async def main() -> None:
        await work()

    asyncio.run(main())


@pytest.mark.parametrize("size_bytes", [0, 1, 100_000, len(CONTENT)])
def test_the_store_tells_the_size_of_what_it_has(blobs: Blobs, size_bytes: int) -> None:
    """And nothing of what it has not, or has no longer, whatever was read before."""
    data = CONTENT[:size_bytes]

    async def work() -> None:
        assert await blobs.find_size(digest_of(data)) is None
        sha256 = await keep(blobs, data)
        assert await blobs.get(sha256) == data
        assert await blobs.find_size(sha256) == size_bytes
        await blobs.remove(sha256)
        assert await blobs.find_size(sha256) is None

    run(work)


@pytest.mark.parametrize("size_bytes", [0, 1, 100_000, len(CONTENT)])
@pytest.mark.parametrize("is_short", [False, True])
def test_what_is_kept_comes_back(*, blobs: Blobs, size_bytes: int, is_short: bool) -> None:
    """Digest, size and bytes are those that were written, an empty blob's too."""
    data = CONTENT[:size_bytes]

    async def work() -> None:
        incoming = await blobs.receive(is_short=is_short)
        for start in range(0, size_bytes, 70_001):
            await incoming.write(data[start : start + 70_001])
        assert incoming.size_bytes == size_bytes
        assert await incoming.sha256() == digest_of(data)
        assert incoming.path.read_bytes() == data
        assert await blobs.keep(incoming) == digest_of(data)
        assert not incoming.path.exists()
        assert await blobs.get(digest_of(data)) == data

    run(work)


@pytest.mark.parametrize("is_short", [False, True])
def test_nothing_is_listed_before_it_is_kept(*, blobs: Blobs, is_short: bool) -> None:
    """Bytes that arrive are no blob yet, and those that are discarded never become one."""

    async def work() -> None:
        incoming = await blobs.receive(is_short=is_short)
        await incoming.write(CONTENT)
        assert await listed(blobs) == []
        await incoming.discard()
        await incoming.discard()
        assert not incoming.path.exists()
        assert await listed(blobs) == []
        with pytest.raises(StorageFault):
            await blobs.keep(incoming)
        with pytest.raises(StorageFault):
            await blobs.get(digest_of(CONTENT))

    run(work)


def test_discarding_what_was_kept_is_harmless(blobs: Blobs) -> None:
    """The blob stays, and the same upload cannot be kept twice."""

    async def work() -> None:
        incoming = await blobs.receive()
        await incoming.write(CONTENT)
        sha256 = await blobs.keep(incoming)
        await incoming.discard()
        with pytest.raises(StorageFault):
            await blobs.keep(incoming)
        assert await blobs.get(sha256) == CONTENT

    run(work)


def test_the_same_bytes_are_one_blob(blobs: Blobs) -> None:
    """Keeping and putting bytes that are there changes nothing, even when many do so at once."""

    async def work() -> None:
        kept = await asyncio.gather(*(keep(blobs, CONTENT) for _ in range(8)), *(blobs.put(CONTENT) for _ in range(8)))
        assert set(kept) == {digest_of(CONTENT)}
        assert [(info.sha256, info.size_bytes) for info in await listed(blobs)] == [(kept[0], len(CONTENT))]
        assert await blobs.get(kept[0]) == CONTENT

    run(work)


def test_any_part_of_a_blob_can_be_streamed(blobs: Blobs) -> None:
    """The bytes from start to stop arrive in order, none of them twice."""

    async def work() -> None:
        sha256 = await blobs.put(CONTENT)
        for start, stop in [
            (0, len(CONTENT)),
            (0, 0),
            (5, 6),
            (1_000_000, 2_200_000),
            (len(CONTENT) - 1, len(CONTENT)),
        ]:
            assert await collect(blobs, sha256, start=start, stop=stop) == CONTENT[start:stop]

    run(work)


def test_a_stream_never_ends_early_in_silence(blobs: Blobs) -> None:
    """A missing blob and one that is shorter than asked for raise a fault."""

    async def work() -> None:
        sha256 = await blobs.put(CONTENT)
        with pytest.raises(StorageFault):
            await collect(blobs, sha256, start=0, stop=len(CONTENT) + 1)
        with pytest.raises(StorageFault):
            await collect(blobs, MISSING, start=0, stop=1)

    run(work)


def test_a_stream_may_be_left(blobs: Blobs) -> None:
    """Whoever stops listening closes the file by closing the stream."""

    async def work() -> None:
        sha256 = await blobs.put(CONTENT)
        stream = blobs.stream(sha256, 0, stop=len(CONTENT))
        assert CONTENT.startswith(await anext(stream))
        await stream.aclose()  # type: ignore[attr-defined]  # a generator, as the port's `AsyncIterator` does not say

    run(work)


def test_a_removed_blob_is_gone(blobs: Blobs) -> None:
    """Removing hits one blob, does not mind a missing one, and the bytes can come back."""

    async def work() -> None:
        first, second = await blobs.put(b"first"), await blobs.put(b"second")
        await blobs.remove(first)
        await blobs.remove(first)
        assert [info.sha256 for info in await listed(blobs)] == [second]
        with pytest.raises(StorageFault):
            await blobs.get(first)
        assert await blobs.put(b"first") == first
        assert await blobs.get(first) == b"first"

    run(work)


def test_a_listing_tells_size_and_age(blobs: Blobs) -> None:
    """Each blob is listed with its size and the time at which it was stored."""

    async def work() -> None:
        for number in range(20):
            await blobs.put(str(number).encode())
        infos = await listed(blobs)
        assert [info.sha256 for info in infos] == sorted(digest_of(str(number).encode()) for number in range(20))
        assert sum(info.size_bytes for info in infos) == 30
        assert all(abs(datetime.now(UTC) - info.modified_at) < timedelta(minutes=1) for info in infos)

    run(work)


def test_bytes_of_another_store_are_not_kept(blobs: Blobs) -> None:
    """Handing over what another kind of store has received is a mistake of the program."""

    class Foreign:
        path = None

    async def work() -> None:
        with pytest.raises(TypeError):
            await blobs.keep(Foreign())  # type: ignore[arg-type]  # that is the point

    run(work)


@pytest.mark.parametrize("name", ["../../../secret.key", "A" * 64, "", f"{'0' * 63}/", f"{'0' * 64}\n"])
def test_what_is_no_digest_names_nothing(blobs: Blobs, name: str) -> None:
    """Paths are made of digests: whatever else a row has there reaches no file."""

    async def work() -> None:
        with pytest.raises(StorageFault):
            await blobs.get(Sha256(name))
        with pytest.raises(StorageFault):
            async for _ in blobs.stream(Sha256(name), 0, stop=1):
                pass

    asyncio.run(work())
