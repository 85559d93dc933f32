"""Pages in memory: the ones used last, up to a bound; and what is said seldom."""

from __future__ import annotations

from datetime import timedelta

import pytest

from strongroom.core.mirrored import Skipped, UpstreamPage
from strongroom.core.names import ProjectName
from strongroom.services.mirror import seldom
from strongroom.services.mirror.memory import Address, PageMemory, Remembered, estimate_bytes
from strongroom.services.mirror.seldom import Seldom
from tests.factories import PUBLIC, STAGING, UPSTREAM_URL, an_upstream_file, an_upstream_page
from tests.fakes import START


def address(name: str, url: str = UPSTREAM_URL) -> Address:
    """Return where a page comes from."""
    return Address(PUBLIC, url, ProjectName(name))


def remembered(name: str, files: int = 1) -> Remembered:
    """Make a page with so many files."""
    made = (an_upstream_file(f"{name}-{number}.tar.gz") for number in range(files))
    return Remembered(an_upstream_page(name, *made), START)


def test_the_pages_used_last_stay() -> None:
    """A look is a use; the size never exceeds the limit."""
    each = estimate_bytes(remembered("a").page)
    memory = PageMemory(3 * each)
    for name in ("a", "b", "c"):
        memory.put(address(name), remembered(name))
    assert memory.find(address("a")) is not None
    memory.put(address("d"), remembered("d"))
    assert memory.find(address("b")) is None
    assert [memory.find(address(name)) is not None for name in ("a", "c", "d")] == [True] * 3
    assert memory.size_bytes == 3 * each


def test_a_page_takes_the_place_of_the_one_before() -> None:
    """It is counted once, as it is now."""
    memory = PageMemory(100_000)
    memory.put(address("a"), remembered("a", 5))
    memory.put(address("a"), remembered("a", 2))
    found = memory.find(address("a"))
    assert found is not None
    assert len(found.page.files) == 2
    assert memory.size_bytes == estimate_bytes(found.page)


def test_a_page_over_the_limit_is_kept_alone() -> None:
    """Otherwise each request for a file of it would read all of it from the catalog."""
    memory = PageMemory(5000)
    memory.put(address("a"), remembered("a"))
    memory.put(address("big"), remembered("big", 100))
    assert memory.find(address("a")) is None
    assert memory.find(address("big")) is not None
    memory.put(address("a"), remembered("a"))
    assert memory.find(address("big")) is None


def test_pages_of_one_index_are_forgotten() -> None:
    """Whatever upstream they came from; those of others stay."""
    memory = PageMemory(100_000)
    elsewhere = Address(STAGING, UPSTREAM_URL, ProjectName("a"))
    for where in (address("a"), address("a", "https://before.example/"), elsewhere):
        memory.put(where, remembered("a"))
    memory.forget(PUBLIC)
    assert memory.find(address("a")) is None
    assert memory.find(elsewhere) is not None
    assert memory.size_bytes == estimate_bytes(remembered("a").page)


def test_the_estimate_grows_with_what_a_page_holds() -> None:
    """With its files, and with the lines that were left out."""
    empty = an_upstream_page("a")
    page = UpstreamPage(PUBLIC, ProjectName("a"), START, skipped=(Skipped("x.exe", "It is no distribution"),) * 10)
    assert estimate_bytes(empty) < estimate_bytes(page) < estimate_bytes(remembered("a", 10).page)


def test_something_is_said_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thing for itself, in bounded memory."""
    monkeypatch.setattr(seldom, "_MOST", 2)
    said = Seldom()
    assert said.is_due("a", START)
    assert not said.is_due("a", START + timedelta(seconds=59))
    assert said.is_due("b", START)
    assert said.is_due("a", START + timedelta(seconds=60))
    assert said.is_due("c", START + timedelta(seconds=60))
    assert not said.is_due("c", START + timedelta(seconds=61))
