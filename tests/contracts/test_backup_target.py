"""Places for backups: the same in memory, in a directory and in a bucket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from strongroom.adapters.backup.memory import MemoryTarget
from strongroom.adapters.blobs.bucket_backups import BucketTarget
from strongroom.adapters.blobs.bucket_store import open_bucket
from strongroom.adapters.blobs.directory_backups import DirectoryTarget
from strongroom.core.errors import StorageFault
from strongroom.ports.backup import BackupTarget
from tests.contracts.buckets import BucketServer


@pytest.fixture(params=("memory", "directory", "bucket"))
def target(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BackupTarget:
    """Open every target in turn; only asking for the bucket starts its server."""
    if request.param == "bucket":
        server: BucketServer = request.getfixturevalue("bucket_server")
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        made = BucketTarget(open_bucket(server.make_url()))
        asyncio.run(until_there(made))
        return made
    return MemoryTarget() if request.param == "memory" else DirectoryTarget(tmp_path / "not" / "yet")


async def until_there(target: BackupTarget) -> None:
    """Wait for the bucket itself, which its server makes a moment after it answers."""
    for _ in range(100):
        try:
            await target.write("first", chunks(b""))
            await listed(target, "a")
        except StorageFault:
            await asyncio.sleep(0.1)
        else:
            return


async def chunks(*parts: bytes, fault: Exception | None = None) -> AsyncIterator[bytes]:
    """Yield the parts, then raise the fault."""
    for part in parts:
        yield part
    if fault is not None:
        raise fault


async def read(target: BackupTarget, path: str) -> bytes:
    """Return a file whole."""
    return b"".join([chunk async for chunk in target.read(path)])


async def listed(target: BackupTarget, folder: str) -> dict[str, int]:
    """Return the sizes of all files below the folder."""
    return {kept.path: kept.size_bytes async for kept in target.list(folder)}


def test_a_file_is_written_listed_and_read(target: BackupTarget) -> None:
    """By its path, below any folder of it; an empty one too, and one that is written over."""

    async def work() -> None:
        assert await listed(target, "a") == {}
        await target.write("a/b/one", chunks(b"on", b"e"))
        await target.write("a/two", chunks())
        await target.write("b/other", chunks(b"x"))
        assert await listed(target, "a") == {"a/b/one": 3, "a/two": 0}
        assert await read(target, "a/b/one") == b"one"
        await target.write("a/b/one", chunks(b"anew"))
        assert await read(target, "a/b/one") == b"anew"
        assert await read(target, "a/two") == b""

    asyncio.run(work())


def test_a_file_whose_bytes_fail_is_not_written(target: BackupTarget) -> None:
    """Neither anew nor over one that is there, and no draft of it is listed."""

    async def work() -> None:
        with pytest.raises(KeyError):
            await target.write("a/one", chunks(b"half", fault=KeyError("gone")))
        assert await listed(target, "a") == {}
        await target.write("a/one", chunks(b"whole"))
        with pytest.raises(KeyError):
            await target.write("a/one", chunks(b"half", fault=KeyError("gone")))
        assert await read(target, "a/one") == b"whole"
        assert await listed(target, "a") == {"a/one": 5}

    asyncio.run(work())


def test_a_large_file_is_written_and_read_in_pieces(target: BackupTarget) -> None:
    """Larger than what a bucket takes or gives at once."""
    data = bytes(range(256)) * 4096 * 9

    async def work() -> None:
        await target.write("a/large", chunks(data[:1000], data[1000:]))
        assert await listed(target, "a") == {"a/large": len(data)}
        assert await read(target, "a/large") == data

    asyncio.run(work())


def test_a_missing_file_is_a_fault_of_the_store(target: BackupTarget) -> None:
    """With its path."""
    with pytest.raises(StorageFault, match="a/one is missing in the target"):
        asyncio.run(read(target, "a/one"))


def test_a_directory_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    """As one sentence, for writing, reading and listing."""
    (tmp_path / "file").write_bytes(b"")
    target = DirectoryTarget(tmp_path / "file")
    with pytest.raises(StorageFault, match="cannot be used in the target: File exists"):
        asyncio.run(target.write("a/one", chunks(b"one")))
    with pytest.raises(StorageFault, match="Not a directory"):
        asyncio.run(read(target, "a/one"))
    with pytest.raises(StorageFault, match="Not a directory"):
        asyncio.run(listed(target, "a"))
