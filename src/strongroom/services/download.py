"""One file of an index: its facts, its bytes, its METADATA, its provenance.

Reads only. Decides nothing but that a quarantined project's files are withheld
(`core/pages.py`); whether the caller may read was judged before. Knows nothing of
ranges, caching or how bytes leave.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from strongroom.core.access import ProjectTarget, not_found
from strongroom.core.model import File
from strongroom.core.names import Filename
from strongroom.core.pages import demand_offered
from strongroom.ports import Blobs, Catalog, Transaction


@dataclass(frozen=True, slots=True)
class Download:
    """Use cases of whoever fetches a file."""

    catalog: Catalog
    blobs: Blobs

    async def get_file(self, target: ProjectTarget, filename: Filename) -> File:
        """Return the facts of a file; raises `NotFound`, or `Forbidden` in quarantine.

        A yanked file is returned like any other: PEP 592 keeps it for those who pinned it.
        """
        return await self.catalog.read(lambda tx: _get_file(tx, target, filename=filename))

    async def get_metadata(self, file: File) -> bytes:
        """Return METADATA byte for byte; raises `NotFound` where it is not advertised (PEP 658)."""
        if not file.serves_metadata or file.metadata_sha256 is None:
            raise not_found()
        return await self.blobs.get(file.metadata_sha256)

    async def get_provenance(self, file: File) -> bytes:
        """Return the PEP 740 provenance object; raises `NotFound` when the file came without attestations."""
        if file.provenance_sha256 is None:
            raise not_found()
        return await self.blobs.get(file.provenance_sha256)

    def find_path(self, file: File) -> Path | None:
        """Return where the bytes lie on this machine, or None."""
        return self.blobs.find_path(file.sha256)

    def stream(self, file: File, *, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield the bytes from start to stop (exclusive); raises `StorageFault` when they are gone."""
        return self.blobs.stream(file.sha256, start, stop=stop)


def _get_file(tx: Transaction, target: ProjectTarget, *, filename: Filename) -> File:
    project = tx.projects.find(target.index, target.project)
    file = tx.files.find(target.index, filename)
    if project is None or file is None or file.project != target.project:
        raise not_found()
    demand_offered(project)
    return file
