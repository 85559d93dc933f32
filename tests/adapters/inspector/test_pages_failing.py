"""What becomes of a page whose reader fails: it alone is lost, and where no child can be started, none is."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import time

import msgspec
import pytest

from strongroom.adapters.inspector import pages as module
from strongroom.adapters.inspector.page_messages import PageFailed, encode
from strongroom.adapters.inspector.pages import MOST_CHILDREN, PageReadingFailed, ProcessPages
from strongroom.core.errors import UpstreamFault
from tests.adapters.inspector.children import BABBLER, CRASHER, SHOUTER, SLEEPER, answering, instead
from tests.adapters.inspector.long_pages import BODIES, PAGE, child_of, children_of, long, parse, play, read

NONSENSE = {
    "a crash": CRASHER,
    "no message": BABBLER,
    "an endless message": SHOUTER,
    "an empty message": answering(b""),
    "no text": answering(encode(PageFailed("x"))[:-1] + b"\xff"),
    "an unknown kind": answering(msgspec.msgpack.encode({"type": "PageEaten", "content": b""})),
    "half a message": answering(encode(PageFailed("some text"))[:-4]),
}


@pytest.mark.parametrize("script", NONSENSE.values(), ids=NONSENSE.keys())
def test_a_child_that_fails_costs_one_page(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It crashes, or answers nonsense: the page fails, the child is ended, and the next page gets a fresh one."""

    async def scene(pages: ProcessPages) -> None:
        with monkeypatch.context() as patched:
            instead(patched, script)
            with pytest.raises(PageReadingFailed):
                await read(pages)
        assert child_of(pages) is None
        assert await read(pages) == parse(PAGE)

    play(scene)


def test_a_fault_of_ours_is_told_and_costs_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child's traceback is the message, for the log; the child has answered, so it stays."""
    instead(monkeypatch, answering(encode(PageFailed("Traceback: a fault of ours"))))

    async def scene(pages: ProcessPages) -> None:
        with pytest.raises(PageReadingFailed, match="a fault of ours"):
            await read(pages)
        assert child_of(pages) is not None

    play(scene)


def test_the_deadline_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that does not answer in time is killed, and those who wait behind it get a fresh one."""

    async def scene(pages: ProcessPages) -> None:
        with monkeypatch.context() as patched:
            instead(patched, SLEEPER)
            patched.setattr(module, "_SECONDS", 0.3)
            started = time.monotonic()
            with pytest.raises(PageReadingFailed, match="took too long"):
                await read(pages)
            assert time.monotonic() - started < 5
        assert child_of(pages) is None
        assert await read(pages) == parse(PAGE)

    play(scene)


def test_who_goes_away_takes_the_child_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer belongs to nobody; who waited behind it is served by a fresh one."""

    async def scene(pages: ProcessPages) -> None:
        with monkeypatch.context() as patched:
            instead(patched, SLEEPER)
            leaving = [asyncio.create_task(read(pages)) for _ in range(MOST_CHILDREN)]
            waiting = asyncio.create_task(read(pages))
            await asyncio.sleep(0.3)
        assert len(children_of(pages)) == MOST_CHILDREN
        for task in leaving:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await waiting == parse(PAGE)

    play(scene)


def test_a_child_that_died_while_idle_is_replaced() -> None:
    """One that the system killed costs no page."""

    async def scene(pages: ProcessPages) -> None:
        await read(pages)
        ((pid, child),) = children_of(pages).items()
        child._process.send_signal(signal.SIGKILL)
        await child._process.wait()
        assert await read(pages) == parse(PAGE)
        assert pid not in children_of(pages)

    play(scene)


def test_a_child_that_the_system_killed_at_work_costs_one_page() -> None:
    """When the machine runs out of memory the page may be asked for again."""

    async def scene(pages: ProcessPages) -> None:
        await read(pages)
        child = child_of(pages)
        assert child is not None
        os.kill(child, signal.SIGSTOP)
        asking = asyncio.create_task(read(pages))
        await asyncio.sleep(0.2)
        os.kill(child, signal.SIGKILL)
        with pytest.raises(PageReadingFailed):
            await asking
        assert await read(pages) == parse(PAGE)

    play(scene)


def test_a_page_that_needs_more_memory_than_there_is_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It harms neither the server nor the next page."""
    monkeypatch.setattr(module, "_MEMORY_BYTES", 128 << 20)

    async def scene(pages: ProcessPages) -> None:
        await read(pages)
        with pytest.raises(PageReadingFailed):
            await read(pages, long(f'{{"files": [{"[]," * 10_000_000}[]]}}'))
        assert await read(pages) == parse(PAGE)

    play(scene)


@pytest.mark.parametrize("fault", [BlockingIOError(errno.EAGAIN, "no more processes"), OSError(errno.EMFILE, "files")])
def test_without_room_for_a_process_a_page_is_read_all_the_same(
    fault: OSError, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In a thread, with a warning that names the cause; as soon as there is room, a child reads again."""

    async def refuse(*_: object, **__: object) -> None:
        raise fault

    async def scene(pages: ProcessPages) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(asyncio, "create_subprocess_exec", refuse)
            for body in BODIES:
                assert await read(pages, body) == parse(body)
            with pytest.raises(UpstreamFault):
                await read(pages, long("{}"))
            assert child_of(pages) is None
        assert len(caplog.records) == 3
        await read(pages)
        assert child_of(pages) is not None

    play(scene)
    assert {(record.levelno, record.message) for record in caplog.records} == {
        (logging.WARNING, "a page is read without a process of its own")
    }
    assert "process" in caplog.records[0].__dict__["fields"]["cause"].lower()
    assert len(caplog.records) == 3
