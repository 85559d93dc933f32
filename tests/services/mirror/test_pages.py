"""Upstream pages: when the upstream is asked, and what stands for its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import pytest

from strongroom.core.model import ProjectStatus, Yank
from strongroom.core.names import parse_filename, parse_index_name, parse_project_name
from strongroom.ports import Transaction
from strongroom.services.mirror.pages import RECALL, PageMirror
from tests.factories import DEMO, PUBLIC, an_upstream
from tests.fakes import START
from tests.replacing import replace
from tests.services.house import ThreadedCatalog, until
from tests.services.mirror.arriving import settle
from tests.services.mirror.mirrored import Town, at_mirror

T = TypeVar("T")
WHEEL, NEXT = "demo-1.0-py3-none-any.whl", "demo-2.0-py3-none-any.whl"
FRESHNESS = 600


@pytest.fixture
def town() -> Town:
    """Provide an upstream with one release of one project."""
    return Town()


def test_a_page_is_fetched_once_and_kept(town: Town) -> None:
    """While it is fresh nobody asks again; in the catalog it is a moment later, without an event."""

    async def scene(pages: PageMirror) -> None:
        page = await pages.get_page(town.public, DEMO)
        assert [file.filename for file in page.files] == [WHEEL]
        assert page.fetched_at == START
        assert not page.is_missing
        town.pass_time(FRESHNESS - 1)
        assert await pages.get_page(town.public, DEMO) is page

    at_mirror(town, scene)
    assert [asked.url for asked in town.client.asked] == ["https://upstream.example/simple/demo/"]
    stored = town.stored()
    assert stored is not None
    assert stored.files[0].filename == WHEEL
    assert not town.house.entries()


def test_a_kept_page_survives_its_process(town: Town) -> None:
    """Another worker finds the page in the catalog and does not ask while it is fresh."""
    at_mirror(town, lambda pages: pages.get_page(town.public, DEMO))
    page = at_mirror(town, lambda pages: pages.get_page(town.public, DEMO))
    assert page == town.stored()
    assert town.client.count() == 1


def test_a_page_that_is_due_is_asked_for_with_its_etag(town: Town) -> None:
    """The upstream says that it is unchanged, which makes it fresh again, in the catalog too."""

    async def scene(pages: PageMirror) -> None:
        first = await pages.get_page(town.public, DEMO)
        now = town.pass_time(FRESHNESS)
        second = await pages.get_page(town.public, DEMO)
        assert second == replace(first, fetched_at=now)
        assert second.files is first.files
        assert await pages.get_page(town.public, DEMO) is second

    at_mirror(town, scene)
    assert town.client.count("page") == 2
    stored = town.stored()
    assert stored is not None
    assert stored.fetched_at == START + timedelta(seconds=FRESHNESS)


def test_another_worker_spares_the_upstream(town: Town) -> None:
    """When a page is due here, the catalog is asked first whether somebody has a newer one."""

    async def scene(pages: PageMirror) -> None:
        await pages.get_page(town.public, DEMO)
        town.pass_time(FRESHNESS)
        other = PageMirror(town.parts)
        newer = await other.get_page(town.public, DEMO)
        await other.close()
        assert await pages.get_page(town.public, DEMO) == newer

    at_mirror(town, scene)
    assert town.client.count("page") == 2


def test_a_page_without_an_etag_that_says_the_same_is_only_confirmed(town: Town) -> None:
    """It is fetched whole, and nothing of it is changed."""
    town.site.has_etags = False

    async def scene(pages: PageMirror) -> None:
        first = await pages.get_page(town.public, DEMO)
        town.pass_time(FRESHNESS)
        assert (await pages.get_page(town.public, DEMO)).files is first.files

    at_mirror(town, scene)
    assert town.client.count("page") == 2


def test_what_is_new_and_what_vanished_shows_when_the_page_is_due(town: Town) -> None:
    """A file that is gone upstream stays, marked and yanked; nothing changes before."""

    async def scene(pages: PageMirror) -> None:
        first = await pages.get_page(town.public, DEMO)
        town.add_file(NEXT)
        town.site.remove(DEMO, WHEEL)
        assert await pages.get_page(town.public, DEMO) is first
        now = town.pass_time(FRESHNESS)
        old, new = (await pages.get_page(town.public, DEMO)).files
        assert (old.filename, old.vanished_at, old.first_seen_at) == (WHEEL, now, START)
        assert isinstance(old.yank, Yank)
        assert (new.filename, new.vanished_at, new.first_seen_at) == (NEXT, None, now)

    at_mirror(town, scene)


def test_two_hundred_callers_make_one_request(town: Town) -> None:
    """All get the same page, and one who leaves does not end it for the others."""

    async def scene(pages: PageMirror) -> None:
        town.client.gate = asyncio.Event()
        callers = [asyncio.create_task(pages.get_page(town.public, DEMO)) for _ in range(200)]
        await until(lambda: town.client.count() == 1)
        callers[0].cancel()
        await asyncio.sleep(0)
        town.client.gate.set()
        first, *others = await asyncio.gather(*callers, return_exceptions=True)
        assert isinstance(first, asyncio.CancelledError)
        assert len({id(page) for page in others}) == 1
        assert others[0] == await pages.get_page(town.public, DEMO)

    at_mirror(town, scene)
    assert town.client.count() == 1


class SlowCatalog(ThreadedCatalog):
    """A catalog whose reads can be held, each with what it has seen."""

    gate: asyncio.Event | None = None

    async def read(self, fn: Callable[[Transaction], T]) -> T:
        """Read, then wait."""
        seen = await super().read(fn)
        if self.gate is not None:
            await self.gate.wait()
        return seen


def test_a_late_caller_does_not_ask_again(town: Town) -> None:
    """Who looked into the catalog before the page was there takes the one that came meanwhile."""
    catalog = SlowCatalog()
    town.parts = replace(town.parts, catalog=catalog)

    async def scene(pages: PageMirror) -> None:
        town.client.gate, gate = asyncio.Event(), asyncio.Event()
        early = asyncio.create_task(pages.get_page(town.public, DEMO))
        await until(lambda: town.client.count() == 1)
        catalog.gate = gate
        late = asyncio.create_task(pages.get_page(town.public, DEMO))
        await asyncio.sleep(0.01)
        town.client.gate.set()
        page = await early
        gate.set()
        assert await late is page

    at_mirror(town, scene)
    assert town.client.count() == 1


def test_a_page_in_memory_is_not_read_again(town: Town) -> None:
    """A stale one is looked up in the catalog by its time, and what stands on it only where that is newer."""

    async def scene(pages: PageMirror) -> None:
        mark = town.parts.catalog.change_mark()
        first = await pages.get_page(town.public, DEMO)
        await until(lambda: town.parts.catalog.change_mark() > mark)  # it is written down
        newer = town.pass_time(FRESHNESS)
        assert await pages.get_page(town.offline(), DEMO) is first
        await town.parts.catalog.write(lambda tx: tx.upstream_pages.confirm(PUBLIC, DEMO, at=newer))
        town.pass_time(RECALL.seconds)
        assert await pages.get_page(town.offline(), DEMO) == replace(first, fetched_at=newer)

    at_mirror(town, scene)
    assert town.client.count() == 1


def test_a_stale_page_that_may_be_stale_comes_at_once(town: Town) -> None:
    """The newer one is fetched in the background, once for all."""

    async def scene(pages: PageMirror) -> None:
        first = await pages.get_page(town.public, DEMO)
        town.add_file(NEXT)
        town.pass_time(FRESHNESS)
        town.client.gate = asyncio.Event()
        for _ in range(3):
            assert await pages.get_page(town.public, DEMO, may_be_stale=True) is first
        town.client.gate.set()
        await settle()
        second = await pages.get_page(town.public, DEMO, may_be_stale=True)
        assert len(second.files) == 2

    at_mirror(town, scene)
    assert town.client.count() == 2


def test_a_fresh_page_of_the_catalog_needs_no_background_request(town: Town) -> None:
    """Another worker was quicker."""

    async def scene(pages: PageMirror) -> None:
        await pages.get_page(town.public, DEMO)
        town.pass_time(FRESHNESS)
        other = PageMirror(town.parts)
        newer = await other.get_page(town.public, DEMO)
        await other.close()
        await pages.get_page(town.public, DEMO, may_be_stale=True)
        await settle()
        assert await pages.get_page(town.public, DEMO, may_be_stale=True) == newer

    at_mirror(town, scene)
    assert town.client.count() == 2


def test_a_project_that_is_not_there_is_believed_for_a_minute(town: Town) -> None:
    """And not written down: there are more names than could be kept."""
    other = parse_project_name("other")

    async def scene(pages: PageMirror) -> None:
        assert (await pages.get_page(town.public, other)).is_missing
        town.pass_time(59)
        assert (await pages.get_page(town.public, other, may_be_stale=True)).is_missing
        assert town.client.count() == 1
        town.pass_time(1)
        assert (await pages.get_page(town.public, other)).is_missing
        town.add_file("other-1.0.tar.gz", project=other)
        town.pass_time(60)
        assert (await pages.get_page(town.public, other, may_be_stale=True)).files

    at_mirror(town, scene)
    assert town.client.count() == 3
    assert town.stored(other) is not None


def test_a_project_that_vanishes_keeps_its_files_and_its_status(town: Town) -> None:
    """They stay for those who pinned them; quarantine does not end by removal."""
    town.site.statuses[DEMO] = "quarantined"

    async def scene(pages: PageMirror) -> None:
        await pages.get_page(town.public, DEMO)
        town.site.remove(DEMO, WHEEL)
        del town.site.statuses[DEMO]
        now = town.pass_time(FRESHNESS)
        page = await pages.get_page(town.public, DEMO)
        assert not page.is_missing
        assert page.status is ProjectStatus.QUARANTINED
        assert [(file.filename, file.vanished_at) for file in page.files] == [(WHEEL, now)]
        assert page.etag is None

    at_mirror(town, scene)
    stored = town.stored()
    assert stored is not None
    assert stored.files[0].vanished_at is not None


def test_an_empty_project_that_vanishes_is_missing(town: Town) -> None:
    """The catalog says so too, since it said otherwise before."""
    town.site.statuses[DEMO] = "active"
    town.site.remove(DEMO, WHEEL)

    async def scene(pages: PageMirror) -> None:
        assert not (await pages.get_page(town.public, DEMO)).is_missing
        del town.site.statuses[DEMO]
        town.pass_time(FRESHNESS)
        assert (await pages.get_page(town.public, DEMO)).is_missing

    at_mirror(town, scene)
    stored = town.stored()
    assert stored is not None
    assert stored.is_missing


def test_a_file_that_the_page_does_not_list_is_looked_for_once(town: Town) -> None:
    """A release that is younger than the kept page can be installed; nonsense costs little."""

    async def scene(pages: PageMirror) -> None:
        first = await pages.get_page_with(town.public, DEMO, filename=parse_filename(WHEEL))
        town.add_file(NEXT)
        assert await pages.get_page_with(town.public, DEMO, filename=parse_filename(NEXT)) is first
        town.pass_time(5)
        second = await pages.get_page_with(town.public, DEMO, filename=parse_filename(NEXT))
        assert [file.filename for file in second.files] == [WHEEL, NEXT]
        for _ in range(10):
            assert await pages.get_page_with(town.public, DEMO, filename=parse_filename("demo-9.tar.gz")) is second

    at_mirror(town, scene)
    assert town.client.count() == 2


def test_the_first_file_of_a_project_is_found_though_it_was_missing(town: Town) -> None:
    """The minute for which a missing project is believed does not hold up who knows the file."""
    other, sdist = parse_project_name("other"), parse_filename("other-1.0.tar.gz")

    async def scene(pages: PageMirror) -> None:
        assert (await pages.get_page(town.public, other)).is_missing
        town.add_file(sdist, project=other)
        town.pass_time(5)
        assert (await pages.get_page_with(town.public, other, filename=sdist)).files[0].filename == sdist

    at_mirror(town, scene)


def test_pages_of_another_upstream_are_not_taken_for_this_ones(town: Town) -> None:
    """Neither from memory, nor are they written down when the upstream was exchanged meanwhile."""
    moved = replace(town.public, upstream=an_upstream("https://elsewhere.example/simple/"))

    async def scene(pages: PageMirror) -> None:
        assert (await pages.get_page(town.public, DEMO)).files
        await town.house.catalog.write(lambda tx: tx.indexes.replace(moved))
        assert (await pages.get_page(moved, DEMO)).is_missing

    at_mirror(town, scene)
    assert town.stored() is None


def test_a_forgotten_index_is_asked_anew(town: Town) -> None:
    """Nothing that waits to be written comes back; the pages of other indexes stay."""
    other = replace(town.public, name=parse_index_name("other"))

    async def scene(pages: PageMirror) -> None:
        await pages.get_page(town.public, DEMO)
        kept = await pages.get_page(other, DEMO)
        pages.forget(PUBLIC)
        assert await pages.get_page(other, DEMO) is kept
        await pages.get_page(town.public, DEMO)

    at_mirror(town, scene)
    assert town.client.count() == 3


def test_closing_ends_what_is_under_way(town: Town) -> None:
    """Whoever waits is told so, and nothing is written."""

    async def scene(pages: PageMirror) -> None:
        town.client.gate = asyncio.Event()
        caller = asyncio.create_task(pages.get_page(town.public, DEMO))
        await until(lambda: town.client.count() == 1)
        await pages.close()
        with pytest.raises(asyncio.CancelledError):
            await caller

    at_mirror(town, scene)
    assert town.stored() is None


def test_a_file_that_another_process_knows_already_is_found_without_asking(town: Town) -> None:
    """The newer page is in the catalog, however short ago this process has looked there."""

    async def scene(pages: PageMirror) -> None:
        other = PageMirror(town.parts)
        await pages.get_page(town.public, DEMO)
        town.add_file(NEXT)
        town.pass_time(6)
        await other.get_page_with(town.public, DEMO, filename=parse_filename(NEXT))
        await other.close()
        found = await pages.get_page_with(town.public, DEMO, filename=parse_filename(NEXT))
        assert [file.filename for file in found.files] == [WHEEL, NEXT]

    at_mirror(town, scene)
    assert town.client.count() == 2
