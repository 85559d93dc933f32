from __future__ import annotations

import asyncio

import pytest

from strongroom.adapters.blobs.memory import MemoryBlobs
from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.core.access import ProjectTarget
from strongroom.core.errors import Forbidden, NotFound
from strongroom.core.model import File, ProjectStatus, Yank
from strongroom.core.names import parse_filename, parse_project_name
from strongroom.ports import Transaction
from strongroom.services.download import Download, FoundFile
from tests.factories import DEMO, MAIN, a_file, a_project, an_index
from tests.fake_mirror import FakeMirror
from tests.fakes import FrozenClock
from tests.replacing import replace

TARGET = ProjectTarget(MAIN, DEMO)
FILENAME = parse_filename("demo-1.0-py3-none-any.whl")


async def a_download(file: File, status: ProjectStatus = ProjectStatus.ACTIVE) -> Download:
    """Make the use cases on an index with this one file, whose bytes are `wheel`."""
    catalog, blobs = MemoryCatalog(), MemoryBlobs()
    digest = await blobs.put(b"wheel")
    sidecar = await blobs.put(b"METADATA")

    def fill(tx: Transaction) -> None:
        tx.indexes.add(an_index())
        tx.projects.save(replace(a_project(), status=status))
        tx.files.add(replace(file, sha256=digest, metadata_sha256=sidecar, provenance_sha256=sidecar))

    await catalog.write(fill)
    return Download(catalog, blobs, FakeMirror(), FrozenClock())


def own(found: FoundFile) -> File:
    """Return the file, which is the index's own."""
    assert isinstance(found.file, File)
    assert found.upstream is None
    return found.file


def test_a_file_is_found_by_project_and_name() -> None:
    """The facts lead to the bytes."""

    async def scenario() -> None:
        download = await a_download(a_file())
        file = (await download.get_file(TARGET, FILENAME)).file
        assert b"".join([chunk async for chunk in download.stream(file.sha256, start=1, stop=3)]) == b"he"
        assert download.find_path(file.sha256) is None

    asyncio.run(scenario())


def test_a_yanked_file_is_served() -> None:
    """PEP 592: who pinned it still gets it."""

    async def scenario() -> None:
        download = await a_download(a_file(yank=Yank("broken")))
        assert (await download.get_file(TARGET, FILENAME)).file.yank == Yank("broken")

    asyncio.run(scenario())


def test_a_file_is_not_found_under_another_project() -> None:
    """A right to read one project opens no file of another, whatever the URL says."""

    async def scenario() -> None:
        download = await a_download(a_file())
        await download.catalog.write(lambda tx: tx.projects.save(a_project("other")))
        with pytest.raises(NotFound):
            await download.get_file(ProjectTarget(MAIN, parse_project_name("other")), FILENAME)
        with pytest.raises(NotFound):
            await download.get_file(TARGET, parse_filename("demo-2.0.tar.gz"))

    asyncio.run(scenario())


def test_quarantine_withholds_files_and_says_why() -> None:
    """Who may read the project is told that it is in quarantine."""

    async def scenario() -> None:
        download = await a_download(a_file(), ProjectStatus.QUARANTINED)
        with pytest.raises(Forbidden) as refusal:
            await download.get_file(TARGET, FILENAME)
        assert refusal.value.code == "project-quarantined"

    asyncio.run(scenario())


def test_metadata_is_served_only_where_it_is_advertised() -> None:
    """PEP 658: the page and the sidecar agree."""

    async def scenario() -> None:
        download = await a_download(a_file())
        found = await download.get_file(TARGET, FILENAME)
        with pytest.raises(NotFound):
            await download.get_metadata(found)
        served = FoundFile(replace(own(found), serves_metadata=True))
        assert await download.get_metadata(served) == b"METADATA"

    asyncio.run(scenario())


def test_provenance_is_served_where_there_is_one() -> None:
    """PEP 740: a file without attestations has no provenance."""

    async def scenario() -> None:
        download = await a_download(a_file())
        found = await download.get_file(TARGET, FILENAME)
        assert await download.get_provenance(found) == b"METADATA"
        with pytest.raises(NotFound):
            await download.get_provenance(FoundFile(replace(own(found), provenance_sha256=None)))

    asyncio.run(scenario())
