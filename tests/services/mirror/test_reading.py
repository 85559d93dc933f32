"""An upstream's answer, read: long ones beside the event loop, hostile ones without harm; and who is asked again."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import timedelta
from typing import cast

import pytest

from strongroom.adapters.inspector.pages import InlinePages
from strongroom.core.errors import UpstreamFault, UpstreamTimeout
from strongroom.core.mirrored import UpstreamPage
from strongroom.ports import PageBody, PageReader
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
