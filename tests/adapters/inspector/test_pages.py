"""Reading upstreams' pages: short ones at once, long ones in a child; and what becomes of a child that fails."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from strongroom.adapters.inspector import child_process
from strongroom.adapters.inspector import pages as module
from strongroom.adapters.inspector.page_messages import PageFailed, encode
from strongroom.adapters.inspector.pages import SHORT_BYTES, InlinePages, PageReadingFailed, ProcessPages
from strongroom.core.errors import UpstreamFault
from strongroom.core.mirrored import UpstreamPage
from strongroom.core.page_content import decode_content, encode_content
from strongroom.ports import PageBody, PageReader
from tests.adapters.inspector.children import BABBLER, CRASHER, SHOUTER, SLEEPER, answering, instead
from tests.adapters.inspector.long_pages import LONG, SHORT, URL, a_json_page, an_html_page, long, parse
from tests.factories import DEMO, PUBLIC, STAGING
from tests.fakes import START
from tests.replacing import replace

BODIES = [a_json_page(SHORT), a_json_page(LONG), an_html_page(SHORT), an_html_page(LONG)]
BODY_IDS = ["short JSON", "long JSON", "short HTML", "long HTML"]
PAGE = a_json_page(LONG)
"""A long one, which does not fit into a pipe either."""


NONSENSE = {
    "a crash": CRASHER,
    "no message": BABBLER,
    "an endless message": SHOUTER,
    "an empty message": answering(b""),
    "no text": answering(encode(PageFailed("x"))[:-1] + b"\xff"),
    "an unknown kind": answering(msgspec.msgpack.encode({"type": "PageEaten", "content": b""})),
    "half a message": answering(encode(PageFailed("some text"))[:-4]),
}


@asynccontextmanager
async def reading() -> AsyncIterator[ProcessPages]:
    """Run with a reader and close it."""
    pages = ProcessPages()
    try:
        yield pages
    finally:
        await pages.close()
        assert pages._child is None or not pages._child.is_alive


def play(scene: Callable[[ProcessPages], Coroutine[Any, Any, None]]) -> None:
    """Run a scene with a reader."""

    async def run() -> None:
        async with reading() as pages:
            await scene(pages)

    asyncio.run(run())


async def read(pages: PageReader, body: PageBody = PAGE) -> UpstreamPage:
    """Read the page of `demo`."""
    return await pages.read(body, index=PUBLIC, project=DEMO, now=START)


def child_of(pages: ProcessPages) -> int | None:
    """Return the process id of the reader's child, if it has one."""
    return None if pages._child is None else pages._child._process.pid


@pytest.mark.parametrize("body", BODIES, ids=BODY_IDS)
@pytest.mark.parametrize("make", [ProcessPages, InlinePages])
def test_pages_are_read_as_the_core_reads_them(make: Callable[[], PageReader], body: PageBody) -> None:
    """Files, what is left out, status and ETag: all the same, wherever a page is read, and however often."""

    async def scene() -> None:
        pages = make()
        expected = parse(body)
        assert (len(body.content) > SHORT_BYTES) == (len(expected.files) == LONG)
        assert expected.skipped
        assert expected.status_reason
        assert expected.etag == body.etag
        for _ in range(2):
            assert await read(pages, body) == expected
        await pages.close()

    asyncio.run(scene())


def test_the_time_and_the_names_are_those_of_the_question() -> None:
    """One child reads the pages of all indexes, and forgets each."""

    async def scene(pages: ProcessPages) -> None:
        later = START + timedelta(days=1, microseconds=1)
        await read(pages)
        other = replace(PAGE, etag=None)
        page = await pages.read(other, index=STAGING, project=DEMO, now=later)
        assert (page.index, page.project, page.fetched_at, page.etag) == (STAGING, DEMO, later, None)
        assert {(file.index, file.first_seen_at) for file in page.files} == {(STAGING, later)}

    play(scene)


def test_the_stored_form_comes_with_the_page() -> None:
    """The child has packed it already; a page that is changed afterwards is packed anew."""

    async def scene(pages: ProcessPages) -> None:
        page = await read(pages)
        assert page.packed is not None
        assert encode_content(page) is page.packed.content
        assert decode_content(page.packed.content).files == page.files
        shorter = replace(page, files=page.files[1:])
        assert decode_content(encode_content(shorter)).files == page.files[1:]

    play(scene)


@pytest.mark.parametrize(
    "body",
    [
        long("{}"),
        long('{"files": [], "meta": {"api-version": "2.0"}}'),
        long("<html></html>", "text/html"),
        long("", "image/png"),
        long("", "text/\udcff"),
        PageBody(b"{}", "application/json", URL),
    ],
    ids=["no page", "version 2", "no index", "an image", "no type", "short"],
)
@pytest.mark.parametrize("make", [ProcessPages, InlinePages])
def test_a_refusal_is_the_one_of_the_core(make: Callable[[], PageReader], body: PageBody) -> None:
    """An upstream's fault, with its code, sentence and hint, and the child reads the next page."""
    with pytest.raises(UpstreamFault) as expected:
        parse(body)

    async def scene() -> None:
        pages = make()
        with pytest.raises(UpstreamFault) as raised:
            await read(pages, body)
        assert type(raised.value) is UpstreamFault
        assert raised.value.code == expected.value.code
        assert raised.value.message.isprintable()
        if "\udcff" not in body.content_type:
            assert raised.value.message == expected.value.message
        assert raised.value.hint == expected.value.hint
        child = child_of(pages) if isinstance(pages, ProcessPages) else None
        assert await read(pages) == parse(PAGE)
        if child is not None:
            assert isinstance(pages, ProcessPages)
            assert child_of(pages) == child
        await pages.close()

    asyncio.run(scene())


def test_a_type_that_is_no_text_is_no_obstacle() -> None:
    """Headers may hold any bytes; the page behind such a one is read as a short one would be."""

    async def scene(pages: ProcessPages) -> None:
        for body in (an_html_page(SHORT), an_html_page(LONG)):
            odd = replace(body, content_type="text/html; charset=\udcff")
            assert await read(pages, odd) == parse(odd)

    play(scene)


def test_no_child_before_the_first_long_page() -> None:
    """Short pages need none; from the first long one on, one child reads all of them, many at once too."""

    async def scene(pages: ProcessPages) -> None:
        await read(pages, a_json_page(SHORT))
        assert child_of(pages) is None
        await read(pages)
        first = child_of(pages)
        assert first is not None
        read_at_once = await asyncio.gather(*(read(pages, body) for body in BODIES))
        assert read_at_once == [parse(body) for body in BODIES]
        assert child_of(pages) == first

    play(scene)


def test_the_size_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to 16 KiB no process is asked, and one byte above it is."""
    instead(monkeypatch, CRASHER)

    async def scene(pages: ProcessPages) -> None:
        body = a_json_page(SHORT)
        await read(pages, replace(body, content=body.content.ljust(SHORT_BYTES)))
        with pytest.raises(PageReadingFailed):
            await read(pages, replace(body, content=body.content.ljust(SHORT_BYTES + 1)))

    play(scene)


def test_the_event_loop_goes_on_while_a_long_page_is_read() -> None:
    """The child works beside the server, so others have their turns."""

    async def scene(pages: ProcessPages) -> None:
        await read(pages)
        turns = 0
        asking = asyncio.create_task(read(pages, a_json_page(4 * LONG)))
        while not asking.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert len((await asking).files) == 4 * LONG
        assert turns > 2

    play(scene)


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
            leaving = asyncio.create_task(read(pages))
            waiting = asyncio.create_task(read(pages))
            await asyncio.sleep(0.3)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert await waiting == parse(PAGE)

    play(scene)


def test_a_child_that_died_while_idle_is_replaced() -> None:
    """One that the system killed costs no page."""

    async def scene(pages: ProcessPages) -> None:
        await read(pages)
        child = pages._child
        assert child is not None
        child._process.send_signal(signal.SIGKILL)
        await child._process.wait()
        assert await read(pages) == parse(PAGE)
        assert pages._child is not child

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


def test_the_word_to_stop_is_the_server_s_alone() -> None:
    """An init system may send SIGTERM to all processes of a unit: the server drains first."""

    async def scene(pages: ProcessPages) -> None:
        await read(pages)
        child = child_of(pages)
        assert child is not None
        os.kill(child, signal.SIGTERM)
        await asyncio.sleep(0.2)
        assert await read(pages) == parse(PAGE)
        assert child_of(pages) == child

    play(scene)


def test_the_child_is_limited() -> None:
    """Two GiB of memory, few open files, no writing, no further processes."""

    async def scene(pages: ProcessPages) -> None:
        await read(pages)
        child = child_of(pages)
        assert child is not None
        kinds = ("RLIMIT_AS", "RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_NPROC", "RLIMIT_CORE")
        limits = [resource.prlimit(child, getattr(resource, kind))[1] for kind in kinds]
        assert limits == [2 << 30, 16, 0, 0, 0]

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


def test_closing_ends_a_child_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for it is told that it ended."""
    instead(monkeypatch, SLEEPER)

    async def scene(pages: ProcessPages) -> None:
        asking = asyncio.create_task(read(pages))
        await asyncio.sleep(0.3)
        child = pages._child
        assert child is not None
        await pages.close()
        with pytest.raises(PageReadingFailed):
            await asking
        assert child._process.returncode == -signal.SIGKILL

    play(scene)


def test_closing_while_a_child_starts_leaves_none_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may answer, and is ended."""
    start: Callable[..., Awaitable[asyncio.subprocess.Process]] = asyncio.create_subprocess_exec
    gate, started = asyncio.Event(), list[asyncio.subprocess.Process]()

    async def start_slowly(*arguments: str, **options: object) -> asyncio.subprocess.Process:
        await gate.wait()
        started.append(await start(*arguments, **options))
        return started[0]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start_slowly)

    async def scene(pages: ProcessPages) -> None:
        asking = asyncio.create_task(read(pages))
        await asyncio.sleep(0)
        await pages.close()
        gate.set()
        assert await asking == parse(PAGE)
        assert started[0].returncode == 0
        assert child_of(pages) is None

    play(scene)


@pytest.mark.parametrize(("is_stopped", "seconds", "status"), [(False, 20, 0), (True, 0.2, -signal.SIGKILL)])
def test_an_idle_child_ends_with_its_pipe(
    *, is_stopped: bool, seconds: float, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself; one that has stopped is killed soon after."""
    monkeypatch.setattr(child_process, "_CLOSING_SECONDS", seconds)

    async def scene(pages: ProcessPages) -> None:
        await read(pages)
        child = pages._child
        assert child is not None
        if is_stopped:
            child._process.send_signal(signal.SIGSTOP)
        await pages.close()
        assert child._process.returncode == status

    play(scene)


def test_after_the_end_no_child_starts(caplog: pytest.LogCaptureFixture) -> None:
    """What is still asked is read in a thread; closing twice does no harm."""

    async def scene(pages: ProcessPages) -> None:
        await pages.close()
        await pages.close()
        assert await read(pages) == parse(PAGE)
        assert child_of(pages) is None

    play(scene)
    assert [record.message for record in caplog.records] == ["a page is read without a process of its own"]


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
