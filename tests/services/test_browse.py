from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest
from packaging.version import Version

from strongroom.adapters.blobs.memory import MemoryBlobs
from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.core.access import ProjectTarget
from strongroom.core.errors import NotFound
from strongroom.core.model import File
from strongroom.core.names import IndexName, parse_project_name
from strongroom.ports import Transaction
from strongroom.services.browse import Browse
from tests.factories import DEMO, MAIN, a_file, a_project, an_index
from tests.fake_mirror import FakeAsked, FakeMirror
from tests.fakes import FrozenClock

T = TypeVar("T")
TARGET = ProjectTarget(MAIN, DEMO)


async def a_browse(*files: File, metadata: bytes | None = None, catalog: MemoryCatalog | None = None) -> Browse:
    """Make the use cases on an index with one project of these files."""
    catalog, blobs = catalog or MemoryCatalog(), MemoryBlobs()
    digest = None if metadata is None else await blobs.put(metadata)

    def fill(tx: Transaction) -> None:
        tx.indexes.add(an_index())
        tx.projects.save(a_project(serial=3))
        for file in files:
            tx.files.add(replace(file, metadata_sha256=digest))

    await catalog.write(fill)
    return Browse(catalog, blobs, FakeMirror(), FakeAsked(), FrozenClock())


def test_a_page_has_the_files_of_its_project() -> None:
    """The page names the project's files in order, with the serial of its last change."""

    async def scenario() -> None:
        browse = await a_browse(a_file("demo-2.0.tar.gz"), a_file("demo-1.0.tar.gz"))
        page = await browse.get_project_page(TARGET)
        assert [file.filename for file in page.files] == ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]
        assert page.serial == 3

    asyncio.run(scenario())


def test_a_long_page_is_put_in_order_beside_the_event_loop() -> None:
    """Sorting 40,000 files takes half a second, in which the loop would answer nobody."""
    threads: set[int] = set()

    class NotingVersion(Version):
        def __eq__(self, other: object) -> bool:
            threads.add(threading.get_ident())
            return super().__eq__(other)

        def __hash__(self) -> int:
            threads.add(threading.get_ident())
            return super().__hash__()

    class ThreadedCatalog(MemoryCatalog):
        async def read(self, fn: Callable[[Transaction], T]) -> T:
            read = super().read
            return await asyncio.to_thread(lambda: asyncio.run(read(fn)))

    async def scenario() -> None:
        names = ("demo-2.0.tar.gz", "demo-1.0.tar.gz")
        files = [replace(a_file(name), version=NotingVersion(str(a_file(name).version))) for name in names]
        browse = await a_browse(*files, catalog=ThreadedCatalog())
        await browse.get_project_page(TARGET)
        await browse.get_release(TARGET)
        await browse.get_release(TARGET, Version("1"))

    asyncio.run(scenario())
    assert threads
    assert threading.get_ident() not in threads


def test_a_project_without_files_has_a_page() -> None:
    """A project whose files were all deleted still exists."""

    async def scenario() -> None:
        assert (await (await a_browse()).get_project_page(TARGET)).files == ()

    asyncio.run(scenario())


def test_what_is_missing_is_not_found() -> None:
    """Neither a project nor an index is made up."""

    async def scenario() -> None:
        browse = await a_browse(a_file())
        with pytest.raises(NotFound):
            await browse.get_project_page(ProjectTarget(MAIN, parse_project_name("other")))
        with pytest.raises(NotFound):
            await browse.get_project_page(ProjectTarget(IndexName("staging"), DEMO))
        with pytest.raises(NotFound):
            await browse.get_project_list(IndexName("staging"))
        with pytest.raises(NotFound):
            await browse.get_release(TARGET, Version("9.9"))

    asyncio.run(scenario())


def test_the_list_names_the_projects_of_its_index() -> None:
    """The list has the project with its serial."""

    async def scenario() -> None:
        projects = await (await a_browse(a_file())).get_project_list(MAIN)
        assert [(entry.name, entry.serial) for entry in projects.entries] == [(DEMO, 3)]

    asyncio.run(scenario())


def test_a_release_comes_with_its_metadata() -> None:
    """The latest release, or the one asked for, with the METADATA of one of its files."""

    async def scenario() -> None:
        browse = await a_browse(a_file("demo-1.0.tar.gz"), a_file("demo-2.0.tar.gz"), metadata=b"Name: demo\n")
        assert (await browse.get_release(TARGET)).version == Version("2.0")
        facts = await browse.get_release(TARGET, Version("1.0"))
        assert (facts.version, facts.metadata) == (Version("1.0"), b"Name: demo\n")
        bare = await (await a_browse(a_file())).get_release(TARGET)
        assert bare.metadata == b""

    asyncio.run(scenario())
