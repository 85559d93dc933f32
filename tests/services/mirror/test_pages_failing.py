"""Upstream pages where the upstream fails, is slow, or is not to be asked."""

from __future__ import annotations

import asyncio
import logging

import pytest

from strongroom.adapters.upstream.site import RawPage
from strongroom.core.errors import StorageFault, UpstreamFault
from strongroom.core.mirrored import UpstreamPage
from strongroom.core.names import parse_filename, parse_project_name
from strongroom.services.mirror import pages as pages_module
from strongroom.services.mirror.pages import PageMirror
from tests.factories import DEMO, an_index, an_upstream
from tests.fakes import START
from tests.replacing import replace
from tests.services.house import until
from tests.services.mirror.mirrored import PlainSeals, Town, at_mirror

WHEEL, NEXT = "demo-1.0-py3-none-any.whl", "demo-2.0-py3-none-any.whl"
FRESHNESS = 600


@pytest.fixture
def town() -> Town:
    """Provide an upstream with one release of one project."""
    return Town()


async def newer(pages: PageMirror, town: Town, *, than: UpstreamPage) -> UpstreamPage:
    """Ask for the page as clients do until there is a newer one."""
    for _ in range(1000):
        page = await pages.get_page(town.public, than.project)
        if page is not than:
            return page
        await asyncio.sleep(0)
    raise AssertionError(f"no newer page of {than.project} has come")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was warned of."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_with_the_upstream_failing_a_kept_page_is_served_however_old(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once a minute for each project, and the page stays as it was."""
    at_mirror(town, lambda pages: pages.get_page(town.public, DEMO))
    town.client.is_down = True

    async def scene(pages: PageMirror) -> None:
        town.pass_time(400 * 24 * 3600)
        for _ in range(5):
            page = await pages.get_page(town.public, DEMO)
            assert page.fetched_at == START
            assert page.files[0].vanished_at is None

    at_mirror(town, scene)
    assert warnings(caplog) == ["an upstream page is served as it was kept"]
    assert town.stored() is not None


def test_without_a_kept_page_the_fault_is_told(town: Town) -> None:
    """It names the cause, and nothing is kept of it."""
    town.client.is_down = True
    with pytest.raises(UpstreamFault, match="cannot be reached") as raised:
        at_mirror(town, lambda pages: pages.get_page(town.public, DEMO))
    assert raised.value.code == "upstream-unreachable"
    assert town.stored() is None


@pytest.mark.parametrize("switch", ["is_down", "is_timing_out"])
def test_a_silent_upstream_is_left_alone_for_ten_seconds(town: Town, switch: str) -> None:
    """Then one request tries it again; one that is answered ends the pause."""
    other = parse_project_name("other")

    async def scene(pages: PageMirror) -> None:
        setattr(town.client, switch, True)
        for _ in range(3):
            with pytest.raises(UpstreamFault):
                await pages.get_page(town.public, DEMO)
        assert town.client.count() == 1
        with pytest.raises(UpstreamFault, match="did not answer a moment ago"):
            await pages.get_page(town.public, other)
        town.pass_time(10)
        with pytest.raises(UpstreamFault, match=r"cannot be reached|sent nothing"):
            await pages.get_page(town.public, DEMO)
        with pytest.raises(UpstreamFault, match="did not answer"):
            await pages.get_page(town.public, DEMO)
        assert town.client.count() == 2
        town.pass_time(10)
        setattr(town.client, switch, False)
        assert (await pages.get_page(town.public, DEMO)).files
        assert (await pages.get_page(town.public, other)).is_missing

    at_mirror(town, scene)


def test_during_a_trial_request_nobody_else_asks(town: Town) -> None:
    """After the pause a single request finds out whether the upstream is back."""

    async def scene(pages: PageMirror) -> None:
        town.client.is_down = True
        with pytest.raises(UpstreamFault):
            await pages.get_page(town.public, DEMO)
        town.client.is_down = False
        town.pass_time(10)
        town.client.gate = asyncio.Event()
        trial = asyncio.create_task(pages.get_page(town.public, DEMO))
        await until(lambda: town.client.count() == 2)
        with pytest.raises(UpstreamFault, match="did not answer"):
            await pages.get_page(town.public, parse_project_name("other"))
        town.client.gate.set()
        assert (await trial).files

    at_mirror(town, scene)
    assert town.client.count() == 2


def test_one_that_answers_with_an_error_is_asked_each_time(town: Town) -> None:
    """It costs nobody a wait; and a page that is none stands for no kept one."""
    town.site.raw_pages[DEMO] = RawPage(b"<html>", "application/vnd.pypi.simple.v1+json")

    async def scene(pages: PageMirror) -> None:
        for _ in range(2):
            with pytest.raises(UpstreamFault):
                await pages.get_page(town.public, DEMO)
        del town.site.raw_pages[DEMO]
        page = await pages.get_page(town.public, DEMO)
        town.site.raw_pages[DEMO] = RawPage(b"{}")
        town.pass_time(FRESHNESS)
        assert await pages.get_page(town.public, DEMO) is page

    at_mirror(town, scene)
    assert town.client.count() == 4


def test_a_slow_upstream_does_not_hold_up_whoever_has_a_kept_page(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """He gets that one after a while, and the request goes on for the next."""
    monkeypatch.setattr(pages_module, "PATIENCE_SECONDS", 0.02)

    async def scene(pages: PageMirror) -> None:
        first = await pages.get_page(town.public, DEMO)
        town.add_file(NEXT)
        now = town.pass_time(FRESHNESS)
        town.client.gate = asyncio.Event()
        assert await pages.get_page(town.public, DEMO) is first
        town.client.gate.set()
        page = await newer(pages, town, than=first)
        assert (len(page.files), page.fetched_at) == (2, now)

    at_mirror(town, scene)
    assert town.client.count() == 2


def test_only_one_client_waits_for_a_slow_upstream(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has a kept page gets it at once from then on, until the upstream answers; then it is waited for again."""
    monkeypatch.setattr(pages_module, "PATIENCE_SECONDS", 0.02)
    other = parse_project_name("other")
    town.add_file("other-1.0-py3-none-any.whl", project=other)

    async def scene(pages: PageMirror) -> None:
        first, second = await pages.get_page(town.public, DEMO), await pages.get_page(town.public, other)
        town.pass_time(FRESHNESS)
        town.client.gate = asyncio.Event()
        assert await pages.get_page(town.public, DEMO) is first
        monkeypatch.setattr(pages_module, "PATIENCE_SECONDS", 3600)
        for _ in range(3):
            assert await pages.get_page(town.public, DEMO) is first
            assert await pages.get_page(town.public, other) is second
        town.client.gate.set()
        await newer(pages, town, than=first)
        await newer(pages, town, than=second)
        now = town.pass_time(FRESHNESS)
        assert (await pages.get_page(town.public, DEMO)).fetched_at == now

    at_mirror(town, scene)
    assert town.client.count() == 5


def test_after_a_silence_nobody_with_a_kept_page_waits_for_the_trial(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pause is over, but whether the upstream is back is found out beside the answer."""
    monkeypatch.setattr(pages_module, "PATIENCE_SECONDS", 3600)

    async def scene(pages: PageMirror) -> None:
        first = await pages.get_page(town.public, DEMO)
        now = town.pass_time(FRESHNESS)
        town.client.is_timing_out = True
        assert await pages.get_page(town.public, DEMO) is first
        now = town.pass_time(11)
        town.client.is_timing_out = False
        town.client.gate = asyncio.Event()
        assert await pages.get_page(town.public, DEMO) is first
        town.client.gate.set()
        page = await newer(pages, town, than=first)
        assert page.fetched_at == now

    at_mirror(town, scene)
    assert town.client.count() == 3


def test_a_background_request_that_fails_hurts_nobody(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the kept page goes on being served."""

    async def scene(pages: PageMirror) -> None:
        first = await pages.get_page(town.public, DEMO)
        town.client.is_down = True
        town.pass_time(FRESHNESS)
        assert await pages.get_page(town.public, DEMO, may_be_stale=True) is first
        await until(lambda: bool(caplog.records))
        assert await pages.get_page(town.public, DEMO, may_be_stale=True) is first

    at_mirror(town, scene)
    assert warnings(caplog) == ["an upstream page is served as it was kept"]


def test_an_old_no_is_not_given_for_an_upstream_that_fails(town: Town) -> None:
    """Clients would go on to the next index at a "not found"; so the fault is told."""
    other = parse_project_name("other")

    async def scene(pages: PageMirror) -> None:
        assert (await pages.get_page(town.public, other)).is_missing
        town.client.is_down = True
        town.pass_time(60)
        with pytest.raises(UpstreamFault):
            await pages.get_page(town.public, other)

    at_mirror(town, scene)
    assert town.stored(other) is None


@pytest.mark.parametrize("is_the_index", [True, False], ids=["the index", "the server"])
def test_an_offline_index_serves_what_it_has(town: Town, *, is_the_index: bool) -> None:
    """However old, and without asking; what it does not have is said to be for that reason."""
    at_mirror(town, lambda pages: pages.get_page(town.public, DEMO))
    town.pass_time(400 * 24 * 3600)
    index = town.offline() if is_the_index else town.public
    town.parts = replace(town.parts, offline=not is_the_index)
    assert at_mirror(town, lambda pages: pages.get_page(index, DEMO)).fetched_at == START
    asked_for = parse_filename(NEXT)
    assert at_mirror(town, lambda pages: pages.get_page_with(index, DEMO, filename=asked_for)).fetched_at == START
    with pytest.raises(UpstreamFault, match="is offline") as raised:
        at_mirror(town, lambda pages: pages.get_page(index, parse_project_name("other")))
    assert raised.value.code == "offline"
    assert town.client.count() == 1


def test_a_file_that_is_looked_for_in_vain_does_no_harm(town: Town) -> None:
    """With the upstream down the kept page is the answer."""

    async def scene(pages: PageMirror) -> None:
        first = await pages.get_page(town.public, DEMO)
        town.client.is_down = True
        town.pass_time(5)
        assert await pages.get_page_with(town.public, DEMO, filename=parse_filename(NEXT)) is first

    at_mirror(town, scene)


def test_credentials_go_with_the_request(town: Town) -> None:
    """They are unsealed for it."""
    index = replace(town.public, upstream=an_upstream(credentials=b"ada:a:b"))
    origin = town.parts.origin(index)
    assert (origin.username, origin.password) == ("ada", "a:b")
    at_mirror(town, lambda pages: pages.get_page(index, DEMO))
    assert town.client.asked[0].username == "ada"


class LostKey(PlainSeals):
    """Seals whose key is gone."""

    def unseal(self, sealed: bytes) -> str:
        """Fail as for another key."""
        raise StorageFault("seal", f"{len(sealed)} bytes were sealed with another key")


def test_credentials_that_cannot_be_read_stop_no_kept_page(town: Town) -> None:
    """They were sealed with another key; only what is not kept suffers."""
    at_mirror(town, lambda pages: pages.get_page(town.public, DEMO))
    town.parts = replace(town.parts, seals=LostKey())
    index = replace(town.public, upstream=an_upstream(credentials=b"ada:secret"))
    town.pass_time(FRESHNESS)
    assert at_mirror(town, lambda pages: pages.get_page(index, DEMO)).files
    with pytest.raises(StorageFault):
        at_mirror(town, lambda pages: pages.get_page(index, parse_project_name("other")))
    assert town.client.count() == 1


def test_an_index_without_an_upstream_is_refused(town: Town) -> None:
    """Nobody should have asked it."""
    with pytest.raises(UpstreamFault, match="has no upstream"):
        at_mirror(town, lambda pages: pages.get_page(an_index(), DEMO))
