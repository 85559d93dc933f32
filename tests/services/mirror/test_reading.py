"""An upstream's answer, read: long ones beside the event loop, hostile ones without harm; and who is asked again."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from datetime import datetime, timedelta
from typing import cast

import pytest

from strongroom.adapters.inspector.pages import InlinePages, PageReadingFailed
from strongroom.core.errors import UpstreamFault, UpstreamTimeout
from strongroom.core.mirrored import UpstreamPage
from strongroom.core.names import IndexName, ProjectName
from strongroom.core.simpleapi import parse
from strongroom.core.simpleapi.parse import merge_page
from strongroom.ports import PageBody, PageReader
from strongroom.services.mirror import reading
from strongroom.services.mirror.breaker import PAUSE, Breakers
from strongroom.services.mirror.flights import Flights
from strongroom.services.mirror.memory import Address
from strongroom.services.mirror.reading import read_confirmation, read_page
from tests.factories import DEMO, PUBLIC, UPSTREAM_URL, a_mirror, a_missing_page, sha256_of
from tests.fakes import START
from tests.replacing import replace

ADDRESS = Address(PUBLIC, UPSTREAM_URL, DEMO)
SILENCE = UpstreamFault("upstream-unreachable", "The upstream cannot be reached")


def a_body(files: int) -> PageBody:
    """Make a page with so many releases."""
    listed = [
        {"filename": f"demo-{n}.tar.gz", "url": f"/f/demo-{n}.tar.gz", "hashes": {"sha256": sha256_of(str(n))}}
        for n in range(files)
    ]
    content = json.dumps({"meta": {"api-version": "1.0"}, "name": "demo", "files": listed}).encode()
    return PageBody(content, "application/vnd.pypi.simple.v1+json", f"{UPSTREAM_URL}demo/")


def read(
    body: PageBody,
    kept: UpstreamPage | None = None,
    *,
    after: timedelta = timedelta(seconds=1),
    reader: PageReader | None = None,
) -> UpstreamPage:
    """Read an answer that came so long after the start."""
    return asyncio.run(read_page(reader or InlinePages(), body, kept=kept, address=ADDRESS, now=START + after))


@pytest.mark.parametrize("files", [3, 2000], ids=["short", "long"])
def test_a_page_is_read_and_laid_over_the_one_before(files: int) -> None:
    """Short or long: what says the same is the page of before, confirmed, with the very same files."""
    first = read(a_body(files))
    assert len(first.files) == files
    again = read(a_body(files), first, after=timedelta(days=1))
    assert again == replace(first, fetched_at=START + timedelta(days=1))
    assert again.files is first.files
    more = read(a_body(files + 1), first)
    assert len(more.files) == files + 1


def test_whatever_a_page_does_to_its_reader_is_a_fault_of_the_upstream(caplog: pytest.LogCaptureFixture) -> None:
    """So a kept page can stand for it; the log tells what happened. A page that is none is an ordinary fault."""
    with pytest.raises(UpstreamFault, match="cannot be read") as raised:
        read(PageBody(b"{}", cast("str", None), UPSTREAM_URL))
    assert raised.value.code == "upstream-page"
    assert [(record.levelno, record.exc_info is None) for record in caplog.records] == [(logging.ERROR, False)]
    caplog.clear()
    with pytest.raises(UpstreamFault):
        read(PageBody(b"{}", "application/json", UPSTREAM_URL))
    assert not caplog.records


class FailingReader(InlinePages):
    """A reader that raises."""

    def __init__(self, fault: Exception) -> None:
        self.fault = fault

    async def read(self, body: PageBody, *, index: IndexName, project: ProjectName, now: datetime) -> UpstreamPage:
        """Raise."""
        raise self.fault


@pytest.mark.parametrize("fault", [PageReadingFailed("its process ended"), KeyError("x"), MemoryError(), OSError("x")])
@pytest.mark.parametrize("has_kept", [False, True], ids=["nothing kept", "a page kept"])
def test_a_reader_may_raise_anything(*, fault: Exception, has_kept: bool, caplog: pytest.LogCaptureFixture) -> None:
    """It becomes one fault, with a cause and a hint, and the log has the traceback and whose page it was."""
    kept = read(a_body(1)) if has_kept else None
    with pytest.raises(UpstreamFault, match="page of 'demo' cannot be read") as raised:
        read(a_body(3), kept, reader=FailingReader(fault))
    assert (raised.value.code, raised.value.__cause__) == ("upstream-page", fault)
    assert "log" in raised.value.hint
    (record,) = caplog.records
    assert record.exc_info is not None
    assert (record.levelno, record.exc_info[1]) == (logging.ERROR, fault)
    assert record.__dict__["fields"] == {"index": PUBLIC, "project": DEMO}


def test_a_fault_of_the_upstream_travels_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    """The reader has judged the page: the same object, and nothing to log."""
    with pytest.raises(UpstreamFault) as raised:
        read(a_body(3), reader=FailingReader(SILENCE))
    assert raised.value is SILENCE
    assert not caplog.records


def test_who_stops_asking_is_not_told_of_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    """A cancellation is none."""

    class Waiting(InlinePages):
        async def read(self, body: PageBody, *, index: IndexName, project: ProjectName, now: datetime) -> UpstreamPage:
            await asyncio.Event().wait()
            raise AssertionError

    async def scene() -> None:
        asking = asyncio.create_task(read_page(Waiting(), a_body(1), kept=None, address=ADDRESS, now=START))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(scene())
    assert not caplog.records


@pytest.mark.parametrize(("files", "is_beside"), [(200, False), (201, True)])
def test_long_kept_pages_are_laid_over_beside_the_event_loop(
    *, files: int, is_beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is merged with many files takes long, so others have their turns meanwhile."""
    kept = read(a_body(files))
    threads: list[bool] = []

    def merge(*arguments: UpstreamPage, now: datetime) -> UpstreamPage:
        threads.append(threading.current_thread() is not threading.main_thread())
        return merge_page(*arguments, now=now)

    monkeypatch.setattr(reading, "merge_page", merge)
    assert len(read(a_body(3), kept).files) == files
    assert threads == [is_beside]


def test_a_fault_of_merging_is_the_upstream_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that grows by other names at each look is refused, in the thread as well."""
    monkeypatch.setattr(parse, "MOST_FILES", 210)
    kept = read(a_body(205))
    with pytest.raises(UpstreamFault) as raised:
        read(renamed(a_body(10)), kept)
    assert raised.value.code == "upstream-page-too-long"


def renamed(body: PageBody) -> PageBody:
    """Return the page with files that are called otherwise."""
    return replace(body, content=body.content.replace(b"demo-", b"demo-1."))


@pytest.mark.parametrize("kept", [None, a_missing_page()], ids=["nothing", "a missing page"])
def test_nothing_can_be_unchanged(kept: UpstreamPage | None) -> None:
    """An upstream that says so to a question without an ETag is at fault."""
    with pytest.raises(UpstreamFault, match="nobody asked"):
        read_confirmation(kept, address=ADDRESS, now=START)


@pytest.mark.parametrize("fault", [SILENCE, UpstreamTimeout("upstream-timeout", "The upstream sent nothing")])
def test_silence_begins_a_pause(fault: UpstreamFault) -> None:
    """For this index only; after it one request may try, and one that is answered ends it."""
    breakers, index, other = Breakers(), a_mirror(), a_mirror("other")
    breakers.note(index, fault, now=START)
    breakers.demand(other, START)
    with pytest.raises(UpstreamFault, match="not asked again yet"):
        breakers.demand(index, START + PAUSE - timedelta(seconds=1))
    breakers.demand(index, START + PAUSE)
    with pytest.raises(UpstreamFault):
        breakers.demand(index, START + PAUSE)
    breakers.recover(index)
    breakers.demand(index, START + PAUSE)


def test_an_error_that_is_answered_ends_the_pause() -> None:
    """The upstream is there, and quick."""
    breakers, index = Breakers(), a_mirror()
    breakers.note(index, SILENCE, now=START)
    breakers.note(index, UpstreamFault("upstream-status", "The upstream answered 500"), now=START)
    breakers.demand(index, START)


def test_a_clock_that_is_set_back_makes_no_pause_longer() -> None:
    """An hour's correction does not cut the upstream off for an hour."""
    breakers, index = Breakers(), a_mirror()
    breakers.note(index, SILENCE, now=START)
    breakers.demand(index, START - timedelta(hours=1))


def test_work_that_fails_is_begun_anew_by_the_next_caller() -> None:
    """All who waited hear of the fault; nothing of it stays, and none that nobody heard is reported."""

    async def scene() -> None:
        flights: Flights[int] = Flights()
        tries = 0

        async def work() -> int:
            nonlocal tries
            tries += 1
            await asyncio.sleep(0)
            if tries == 1:
                raise SILENCE
            return tries

        outcomes = await asyncio.gather(*(flights.join("a", work) for _ in range(3)), return_exceptions=True)
        assert outcomes == [SILENCE] * 3
        assert await flights.join("a", work) == 2
        flights.launch("a", work)
        await flights.close()
        assert tries == 2

    asyncio.run(scene())
