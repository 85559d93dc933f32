"""The mirror as other services see it: pages and files of upstreams, one object for a worker process.

Implements `ports.Mirror` by handing on; decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from strongroom.core.mirrored import Copy, UpstreamFile, UpstreamPage
from strongroom.core.model import Index
from strongroom.core.names import Filename, IndexName, ProjectName
from strongroom.ports import Arriving
from strongroom.services.mirror.asked import AskedCounter
from strongroom.services.mirror.files import FileMirror
from strongroom.services.mirror.name_lists import NameLists
from strongroom.services.mirror.names import UpstreamNames
from strongroom.services.mirror.pages import PageMirror
from strongroom.services.mirror.parts import Parts


@dataclass(frozen=True, slots=True)
class Mirroring:
    """`ports.Mirror` of the pages and the files."""

    pages: PageMirror
    files: FileMirror

    @classmethod
    def of(cls, parts: Parts) -> Mirroring:
        """Put both together."""
        return cls(PageMirror(parts), FileMirror(parts))

    async def get_page(self, index: Index, project: ProjectName, *, may_be_stale: bool = False) -> UpstreamPage:
        """Return the page of a project; raises `UpstreamFault`, `UpstreamTimeout`."""
        return await self.pages.get_page(index, project, may_be_stale=may_be_stale)

    async def get_page_with(self, index: Index, project: ProjectName, *, filename: Filename) -> UpstreamPage:
        """Return the page of a project, new enough to list the file; raises `UpstreamFault`, `UpstreamTimeout`."""
        return await self.pages.get_page_with(index, project, filename=filename)

    async def find_copy(self, file: UpstreamFile) -> Copy | None:
        """Return what is kept of the file, and remember that it was used."""
        return await self.files.find_copy(file)

    async def open_file(self, index: Index, file: UpstreamFile) -> Copy | Arriving:
        """Return the stored copy, or the file on its way here; raises `UpstreamFault`, `NotFound`, `StorageFull`."""
        return await self.files.open_file(index, file)

    async def get_metadata(self, index: Index, file: UpstreamFile) -> bytes:
        """Return METADATA, byte for byte as in the wheel; raises `NotFound`, `UpstreamFault`."""
        return await self.files.get_metadata(index, file)

    async def get_provenance(self, index: Index, file: UpstreamFile) -> bytes:
        """Return the PEP 740 provenance object; raises `NotFound`, `UpstreamFault`."""
        return await self.files.get_provenance(index, file)

    def forget(self, index: IndexName) -> None:
        """Forget the index's pages in this process; those of the catalog are removed elsewhere."""
        self.pages.forget(index)

    async def close(self) -> None:
        """Stop what is under way, and write down what is due."""
        await self.pages.close()
        await self.files.close()


@dataclass(frozen=True, slots=True)
class Passage:
    """All that deals with upstreams in one process: what answers, and what the worker looks after."""

    parts: Parts
    mirror: Mirroring
    names: UpstreamNames
    lists: NameLists
    asked: AskedCounter
    outcomes: Mapping[str, int] = field(default_factory=dict)
    """What came of asking upstreams so far, by `outcomes.py`."""
