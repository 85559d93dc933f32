"""A disk that is really full, a process that really may open no more files, and a write that fails on the way."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest

from strongroom.adapters.blobs.files import CHUNK_BYTES
from strongroom.adapters.blobs.local import LocalBlobs
from strongroom.core.errors import StorageFault, StorageFull, StrongroomError, Unavailable
from tests.contracts.test_blobs import digest_of, keep, listed
from tests.small_disk import run_on_small_disk

CONTENT = b"content" * 1000
DISK_BYTES = 4 * CHUNK_BYTES


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    """Open a store that was used before."""
    opened = LocalBlobs(tmp_path, minimum_free_bytes=0)
    asyncio.run(opened.put(b"there before"))
    return opened


@contextmanager
def no_more_files() -> Iterator[None]:
    """Let this process open no further file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_too_many_open_files_pass(blobs: LocalBlobs, tmp_path: Path) -> None:
    """Nothing can begin, be stored, be read or be checked: each is a 503 with its fix; then all goes on."""

    async def work() -> None:
        incoming = await blobs.receive()
        await incoming.write(CONTENT)
        with no_more_files():
            for call in (blobs.receive(), blobs.put(CONTENT), blobs.get(digest_of(b"there before")), blobs.check()):
                with pytest.raises(Unavailable) as caught:
                    await call
                assert caught.value.code == "too-many-files"
                assert "LimitNOFILE" in caught.value.hint
            with pytest.raises(Unavailable):
                await blobs.keep(incoming)
        await incoming.discard()
        assert os.listdir(tmp_path / "incoming") == []
        assert [info.sha256 for info in await listed(blobs)] == [digest_of(b"there before")]
        assert await keep(blobs, CONTENT) == digest_of(CONTENT)
        await blobs.check()

    asyncio.run(work())


@pytest.mark.parametrize(
    ("number", "expected"), [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, StorageFault)]
)
def test_a_write_that_fails_while_bytes_arrive(
    blobs: LocalBlobs, tmp_path: Path, number: int, expected: type[StrongroomError]
) -> None:
    """The client hears of it at once, what came in is never kept, and the next upload succeeds."""

    async def work() -> None:
        incoming = await blobs.receive()
        await incoming.write(bytes(CHUNK_BYTES))
        with mock.patch("os.write", side_effect=OSError(number, "no")), pytest.raises(expected):
            await incoming.write(bytes(CHUNK_BYTES))
        with pytest.raises(StorageFault):
            await incoming.write(bytes(CHUNK_BYTES))
        with pytest.raises(StorageFault):
            await blobs.keep(incoming)
        await incoming.discard()
        assert os.listdir(tmp_path / "incoming") == []
        assert len(await listed(blobs)) == 1
        assert await keep(blobs, CONTENT) == digest_of(CONTENT)

    asyncio.run(work())


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """On a filesystem of four megabytes: refused while it arrives, nothing left over, and what fits is kept."""
    run_on_small_disk("tests.adapters.blobs.full_disk", tmp_path, size_bytes=DISK_BYTES)
    assert os.listdir(tmp_path) == [], "the disk was the child's own"


def test_a_disk_that_lost_a_write_is_doubted(blobs: LocalBlobs) -> None:
    """The check fails until something has become durable again, and asks for no more than before from then on."""

    async def work() -> None:
        fails = mock.patch("os.fsync", side_effect=OSError(errno.EIO, "no"))
        await blobs.check()
        with fails, pytest.raises(StorageFault):
            await blobs.put(CONTENT)
        with fails, pytest.raises(StorageFault):
            await blobs.check()
        await blobs.check()
        with fails:
            await blobs.check()

    asyncio.run(work())


def test_small_bytes_whose_file_cannot_be_made_are_no_lost_write(blobs: LocalBlobs, tmp_path: Path) -> None:
    """Nothing was written, so the disk is not doubted, and the fault says at what it failed."""
    with (
        mock.patch("os.open", side_effect=OSError(errno.EACCES, "Permission denied")),
        pytest.raises(StorageFault, match="Opening a temporary file failed"),
    ):
        asyncio.run(blobs.put(CONTENT))
    assert not blobs._is_doubted
    assert os.listdir(tmp_path / "incoming") == []
    assert asyncio.run(blobs.put(CONTENT)) == digest_of(CONTENT)
