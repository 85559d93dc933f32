"""What an index offers: project pages, project lists, the facts behind the JSON API.

Reads only. The lane judges the right to read before it asks, from what the worker
remembers; here nothing is decided but what shows (`core/pages.py`). Does not render.
"""

from __future__ import annotations

from dataclasses import dataclass

from packaging.version import Version

from strongroom.core.access import ProjectTarget, not_found
from strongroom.core.jsonapi import ReleaseFacts, choose_release, find_described_file
from strongroom.core.model import File
from strongroom.core.names import IndexName
from strongroom.core.pages import ProjectList, ProjectPage, make_project_list, make_project_page
from strongroom.ports import Blobs, Catalog, Transaction


@dataclass(frozen=True, slots=True)
class Browse:
    """Use cases of whoever looks at an index."""

    catalog: Catalog
    blobs: Blobs

    async def get_project_page(self, target: ProjectTarget) -> ProjectPage:
        """Return the page of a project; raises `NotFound`."""
        return await self.catalog.read(lambda tx: _get_page(tx, target))

    async def get_project_list(self, index: IndexName) -> ProjectList:
        """Return the projects of an index; raises `NotFound` when there is no such index."""
        return await self.catalog.read(lambda tx: _get_project_list(tx, index))

    async def get_release(self, target: ProjectTarget, version: Version | None = None) -> ReleaseFacts:
        """Return what the JSON API says about a release; without a version, about the latest.

        Raises `NotFound` when there is no such project or release.
        """
        page, chosen, described = await self.catalog.read(lambda tx: _get_release(tx, target, version=version))
        metadata = b""
        if described is not None and described.metadata_sha256 is not None:
            metadata = await self.blobs.get(described.metadata_sha256)
        return ReleaseFacts(page=page, version=chosen, metadata=metadata)


# The order of many files takes long; in the transaction's thread it holds nobody up.
def _get_page(tx: Transaction, target: ProjectTarget) -> ProjectPage:
    project = tx.projects.find(target.index, target.project)
    if project is None:
        raise not_found()
    return make_project_page(project, tx.files.list(target.index, target.project))


def _get_release(
    tx: Transaction, target: ProjectTarget, *, version: Version | None
) -> tuple[ProjectPage, Version, File | None]:
    page = _get_page(tx, target)
    chosen = choose_release(page, version)
    if chosen is None:
        raise not_found()
    return page, chosen, find_described_file(page, chosen)


def _get_project_list(tx: Transaction, index: IndexName) -> ProjectList:
    if tx.indexes.find(index) is None:
        raise not_found()
    return make_project_list(index, tx.projects.list(index))
