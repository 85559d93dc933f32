"""Places for backups: the same in memory and in a directory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from strongroom.adapters.backup.directory import DirectoryTarget
from strongroom.adapters.backup.memory import MemoryTarget
from strongroom.core.errors import StorageFault
from strongroom.ports.backup import BackupTarget


@pytest.fixture(params=("memory", "directory"))
def target(request: pytest.FixtureRequest, tmp_path: Path) -> BackupTarget:
    """Open every target in turn."""
    return MemoryTarget() if request.param == "memory" else DirectoryTarget(tmp_path / "not" / "yet")


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
