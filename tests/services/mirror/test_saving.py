"""Pages are written together, a little later; what cannot be written hurts nobody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import pytest

from strongroom.core.errors import Unavailable
from strongroom.core.mirrored import UpstreamPage
from strongroom.core.names import ProjectName
from strongroom.ports import Transaction
from strongroom.services.mirror import saving
from strongroom.services.mirror.memory import Address
from strongroom.services.mirror.saving import PageSaver
from tests.factories import DEMO, PUBLIC, UPSTREAM_URL, a_mirror, a_missing_page, an_upstream_file, an_upstream_page
from tests.fakes import START
from tests.replacing import replace
from tests.services.house import ThreadedCatalog, until

T = TypeVar("T")
OTHER = ProjectName("other")
WHEEL, NEXT = an_upstream_file(), an_upstream_file("demo-2.0-py3-none-any.whl")


class CountingCatalog(ThreadedCatalog):
    """A catalog that counts writes, and fails them while `fault` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.fault: Exception | None = None

    async def write(self, fn: Callable[[Transaction], T]) -> T:
        """Count, then fail or write."""
        self.writes += 1
        if self.fault is not None:
            raise self.fault
        return await super().write(fn)


@pytest.fixture
def catalog() -> CountingCatalog:
    """Provide a catalog with one mirror."""
    catalog = CountingCatalog()
    asyncio.run(catalog.write(lambda tx: tx.indexes.add(a_mirror())))
    catalog.writes = 0
    return catalog


def address(project: ProjectName = DEMO) -> Address:
    """Return where the page of a project comes from."""
    return Address(PUBLIC, UPSTREAM_URL, project)


def stored(catalog: CountingCatalog, project: ProjectName = DEMO) -> UpstreamPage | None:
    """Return the page that the catalog holds."""
    return asyncio.run(catalog.read(lambda tx: tx.upstream_pages.find(PUBLIC, project)))


def test_many_pages_are_one_transaction(catalog: CountingCatalog) -> None:
    """It comes by itself a moment later; until then the pages can be found here."""

    async def scene() -> None:
        saver = PageSaver(catalog)
        pages = {address(ProjectName(f"demo-{number}")): an_upstream_page(f"demo-{number}") for number in range(100)}
        for where, page in pages.items():
            saver.save(where, page)
        assert catalog.writes == 0
        assert all(saver.find(where) is page for where, page in pages.items())
        await asyncio.sleep(4 * saving.DELAY_SECONDS)
        assert catalog.writes == 1
        assert all(saver.find(where) is None for where in pages)
        await saver.close()

    asyncio.run(scene())
    assert catalog.writes == 1
    assert stored(catalog, ProjectName("demo-99")) is not None


def test_closing_writes_at_once(catalog: CountingCatalog) -> None:
    """Nothing that waits is lost; a saver without work closes too."""

    async def scene() -> None:
        await PageSaver(catalog).close()
        saver = PageSaver(catalog)
        saver.save(address(), an_upstream_page())
        await asyncio.wait_for(saver.close(), 1)

    asyncio.run(scene())
    assert stored(catalog) == an_upstream_page()


def test_long_pages_are_several_transactions(catalog: CountingCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that other writers do not wait long."""
    monkeypatch.setattr(saving, "_FILES_AT_ONCE", 2)

    async def scene() -> None:
        saver = PageSaver(catalog)
        for name in ("a", "b", "c"):
            saver.save(address(ProjectName(name)), an_upstream_page(name, WHEEL))
        await saver.close()

    asyncio.run(scene())
    assert catalog.writes == 2
    assert stored(catalog, ProjectName("c")) is not None


def test_a_page_that_changes_while_it_is_written_is_written_again(catalog: CountingCatalog) -> None:
    """The later one is what stays."""
    page = an_upstream_page("demo", WHEEL)
    newer = replace(page, files=(WHEEL, NEXT))

    async def scene() -> None:
        saver = PageSaver(catalog)
        saver.save(address(), page)
        await until(lambda: catalog.writes == 1)
        saver.save(address(), newer)
        assert saver.find(address()) is newer
        await saver.close()

    asyncio.run(scene())
    assert catalog.writes == 2
    assert stored(catalog) == newer


def test_a_confirmation_of_a_waiting_page_keeps_the_page(catalog: CountingCatalog) -> None:
    """Of a written one it changes the time only."""
    page = an_upstream_page("demo", WHEEL)
    later = replace(page, fetched_at=START + timedelta(minutes=10))

    async def scene() -> None:
        saver = PageSaver(catalog)
        saver.save(address(), page)
        saver.confirm(address(), later)
        saver.confirm(address(OTHER), an_upstream_page("other"))
        await saver.close()

    asyncio.run(scene())
    assert stored(catalog) == later
    assert stored(catalog, OTHER) is None


@pytest.mark.parametrize("fault", [Unavailable("catalog-busy", "The catalog is busy"), KeyError("unforeseen")])
def test_a_page_that_could_not_be_written_is_written_whole_when_it_is_confirmed(
    catalog: CountingCatalog, fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise an older one of the catalog would count as new. The fault is logged, and later pages are written."""
    earlier, page = an_upstream_page("demo", WHEEL), an_upstream_page("demo", WHEEL, NEXT)
    later = replace(page, fetched_at=START + timedelta(minutes=10))
    asyncio.run(catalog.write(lambda tx: tx.upstream_pages.save(earlier)))

    async def scene() -> None:
        saver = PageSaver(catalog)
        catalog.fault = fault
        saver.save(address(), page)
        await saver.close()
        catalog.fault = None
        assert (await catalog.read(lambda tx: tx.upstream_pages.find(PUBLIC, DEMO))) == earlier
        saver.confirm(address(), later)
        saver.save(address(OTHER), an_upstream_page("other"))
        await saver.close()
        saver.confirm(address(), replace(later, files=()))
        await saver.close()

    asyncio.run(scene())
    assert stored(catalog) == later
    assert stored(catalog, OTHER) is not None
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.getMessage() == "upstream pages are kept in memory only, since they cannot be written"
    assert (record.exc_info is None) == isinstance(fault, Unavailable)


def test_what_is_remembered_of_failures_is_bounded(catalog: CountingCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalog that is away for long does not fill the memory."""
    monkeypatch.setattr(saving, "_MOST_UNSAVED", 2)

    async def scene() -> None:
        saver = PageSaver(catalog)
        catalog.fault = Unavailable("catalog-busy", "The catalog is busy")
        for name in ("a", "b", "c"):
            saver.save(address(ProjectName(name)), an_upstream_page(name))
            await saver.close()
        assert len(saver._unsaved) <= 2

    asyncio.run(scene())


def test_pages_of_an_exchanged_upstream_are_not_written(catalog: CountingCatalog) -> None:
    """Nor those of an index that is gone, nor those that are forgotten."""
    gone = replace(address(), index=a_mirror("gone").name)

    async def scene() -> None:
        saver = PageSaver(catalog)
        saver.save(replace(address(), upstream_url="https://before.example/simple/"), an_upstream_page())
        saver.save(gone, an_upstream_page(index="gone"))
        saver.save(address(OTHER), an_upstream_page("other"))
        saver.forget(gone.index)
        assert saver.find(gone) is None
        await saver.close()

    asyncio.run(scene())
    assert stored(catalog) is None
    assert stored(catalog, OTHER) is not None


def test_what_is_not_written_yet_is_told_by_name(catalog: CountingCatalog) -> None:
    """Missing pages are not, nor what the catalog shows."""

    async def scene() -> None:
        saver = PageSaver(catalog, delay_seconds=4 * saving.DELAY_SECONDS)
        saver.save(address(), an_upstream_page())
        saver.save(address(OTHER), a_missing_page("other"))
        await asyncio.sleep(2 * saving.DELAY_SECONDS)
        assert catalog.writes == 0
        assert saver.find_indexes(DEMO) == {PUBLIC}
        assert saver.find_indexes(OTHER) == saver.find_indexes(ProjectName("third")) == frozenset()
        await saver.close()
        assert saver.find_indexes(DEMO) == frozenset()

    asyncio.run(scene())
    assert catalog.writes == 1
