"""Who reads a file while it arrives: he suffers from no fault of the store, and is told of what is lost."""

from __future__ import annotations

import asyncio
import errno
import logging
import os

import pytest

from strongroom.core.errors import StorageFault, StorageFull, StrongroomError
from strongroom.services.mirror import arrivals
from tests.services.house import wait
from tests.services.mirror.arriving import LONG, WHEEL, Passage, begin, read_all, settle
from tests.services.mirror.test_arrivals import Script, ScriptedBody, scripted


@pytest.mark.parametrize("fault", [StorageFull("disk-full", "Full"), OSError("a surprise")])
def test_who_has_verified_bytes_does_not_suffer_from_the_store(
    fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Storing fails after the digest was right: the readers get all, `stored` fails, and the log has it."""

    async def scene() -> None:
        passage = Passage()
        passage.blobs.keep_fails = fault
        passage.blobs.keep_gate = asyncio.Event()
        arriving = await passage.arriving(passage.offer(WHEEL, LONG))
        chunks = arriving.chunks()
        begun = await anext(chunks)
        passage.blobs.keep_gate.set()
        with pytest.raises((StorageFull, StorageFault)):
            await arriving.stored()
        assert begun + b"".join([chunk async for chunk in chunks]) == LONG
        with pytest.raises(StrongroomError):
            await read_all(arriving)
        await passage.assert_nothing_stored()

    wait(scene())
    assert [record.levelno >= logging.WARNING for record in caplog.records] == [True]


def test_a_slow_reader_of_verified_bytes_does_not_suffer_from_the_store() -> None:
    """What he has not read yet is in memory no longer, and the temporary file has lost its name: he gets all of it."""

    async def scene() -> None:
        passage, file, _ = scripted(ScriptedBody((LONG[: 2**20], LONG[2**20 : 2**21], LONG[2**21 :])))
        passage.blobs.keep_fails = StorageFull("disk-full", "Full")
        passage.blobs.keep_gate = asyncio.Event()
        arriving = await passage.arriving(file)
        chunks = arriving.chunks()
        begun = await anext(chunks)
        await arriving.verified()
        passage.blobs.keep_gate.set()
        with pytest.raises(StorageFull):
            await arriving.stored()
        await passage.assert_nothing_stored()
        assert begun + b"".join([chunk async for chunk in chunks]) == LONG

    wait(scene())


def test_a_slow_reader_of_a_short_file_needs_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it is in memory as long as he reads, so the temporary file is not opened a second time."""

    def refuse(_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    async def scene() -> None:
        content = LONG[: 2**18]
        body = ScriptedBody((content[: 2**17], content[2**17 :]))
        passage = Passage(client=Script([body]))
        monkeypatch.setattr(arrivals, "FileIO", refuse)
        arriving = await passage.arriving(passage.offer(WHEEL, content))
        chunks = arriving.chunks()
        begun = await anext(chunks)
        await arriving.stored()
        assert begun + b"".join([chunk async for chunk in chunks]) == content
        await passage.assert_tidy()

    wait(scene())


def test_no_descriptor_for_the_readers_is_a_fault_that_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process has too many files open when all bytes are here."""

    def refuse(_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    async def scene() -> None:
        gate = asyncio.Event()
        passage, file, _ = scripted(ScriptedBody((LONG[: 2**20], gate, LONG[2**20 :])))
        arriving = await passage.arriving(file)
        chunks = arriving.chunks()
        await anext(chunks)
        monkeypatch.setattr(arrivals, "FileIO", refuse)
        gate.set()
        with pytest.raises(StorageFault, match="failed on this server"):
            await arriving.verified()
        with pytest.raises(StorageFault):
            await anext(arriving.chunks())
        await passage.assert_nothing_stored()

    wait(scene())


def test_a_temporary_file_that_cannot_be_read_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has become shorter, or its disk fails: a reader of older bytes is told so."""

    def fail(*_: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    async def scene() -> None:
        gate = asyncio.Event()
        passage, file, _ = scripted(ScriptedBody((LONG[: 2**20], LONG[2**20 : 2**21], gate, LONG[2**21 :])))
        arriving = await passage.arriving(file)
        await settle()
        passage.blobs.temporary[0].write_bytes(b"")
        with pytest.raises(StorageFault, match="ended early"):
            await anext(arriving.chunks())
        monkeypatch.setattr(os, "pread", fail)
        with pytest.raises(StorageFault, match="Input/output error"):
            await anext(arriving.chunks())
        await passage.mirror.close()
        await passage.assert_tidy()

    wait(scene())


def test_who_comes_while_the_file_gets_its_final_name_reads_it_there() -> None:
    """Its temporary name is gone already, and the copy not told of yet: he waits that moment."""

    async def scene() -> None:
        passage = Passage()
        passage.blobs.keep_gate = asyncio.Event()
        arriving = await passage.arriving(passage.offer(WHEEL, LONG))
        await arriving.verified()
        (temporary,) = passage.blobs.temporary
        away = temporary.rename(temporary.with_suffix(".away"))
        reading = begin(read_all(arriving))
        await settle()
        assert not reading.done()
        away.rename(temporary)
        passage.blobs.keep_gate.set()
        assert await reading == LONG

    wait(scene())
