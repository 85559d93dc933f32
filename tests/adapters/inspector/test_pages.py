"""Reading upstreams' pages: short ones at once, long ones in a child that lives as long as the server."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from strongroom.adapters.inspector import child_process
from strongroom.adapters.inspector.pages import (
    MOST_CHILDREN,
    SHORT_BYTES,
    InlinePages,
    PageReadingFailed,
    ProcessPages,
)
from strongroom.core.errors import UpstreamFault
from strongroom.core.page_content import decode_content, encode_content
from strongroom.ports import PageBody, PageReader
from tests.adapters.inspector.children import CRASHER, SLEEPER, instead
from tests.adapters.inspector.long_pages import (
    BODIES,
    BODY_IDS,
    LONG,
    PAGE,
    SHORT,
    URL,
    a_json_page,
    an_html_page,
    child_of,
    children_of,
    long,
    parse,
    play,
    read,
)
from tests.factories import DEMO, STAGING
from tests.fakes import START
from tests.replacing import replace


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
    """Short pages need none; one reads all long ones, and a second one helps when a page waits."""

    async def scene(pages: ProcessPages) -> None:
        await read(pages, a_json_page(SHORT))
        assert child_of(pages) is None
        await read(pages)
        first = child_of(pages)
        assert first is not None
        await read(pages)
        assert child_of(pages) == first
        read_at_once = await asyncio.gather(*(read(pages, body) for body in BODIES * 3))
        assert read_at_once == [parse(body) for body in BODIES * 3]
        assert first in children_of(pages)
        assert len(children_of(pages)) == MOST_CHILDREN

    play(scene)


@pytest.mark.parametrize("body", [a_json_page(SHORT), an_html_page(SHORT)], ids=["JSON", "HTML"])
def test_the_size_decides(body: PageBody, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to 16 KiB no process is asked, and one byte above it is."""
    instead(monkeypatch, CRASHER)

    async def scene(pages: ProcessPages) -> None:
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


def test_closing_ends_a_child_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for it is told that it ended."""
    instead(monkeypatch, SLEEPER)

    async def scene(pages: ProcessPages) -> None:
        asking = asyncio.create_task(read(pages))
        await asyncio.sleep(0.3)
        (child,) = children_of(pages).values()
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
        (child,) = children_of(pages).values()
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
