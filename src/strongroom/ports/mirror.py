"""What services need of an upstream's mirror: pages, files, METADATA, provenance, names.

`services/mirror/` implements it on the catalog, the blobs and the `UpstreamClient`;
other services know only this, so that use cases don't call each other.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from strongroom.core.mirrored import Copy, UpstreamFile, UpstreamPage
from strongroom.core.model import Index
from strongroom.core.names import Filename, IndexName, ProjectName


class Arriving(Protocol):
    """An upstream file that is on its way here, shared by all who want it."""

    @property
    def size_bytes(self) -> int | None:
        """The announced length, None where neither the page nor the answer says it."""
        ...

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from the beginning as they arrive.

        The last ones come only after all of them had the promised digest: nobody is ever
        given a whole wrong file. Raises `UpstreamFault` before them otherwise.
        """
        ...

    async def verified(self) -> None:
        """Wait until all bytes are here, with the promised digest; raises `UpstreamFault`."""
        ...

    async def stored(self) -> Copy:
        """Wait until the file is verified and stored; raises `UpstreamFault`."""
        ...


class Mirror(Protocol):
    """The upstreams of all indexes, through what is kept of them.

    All methods take the index whose upstream is meant, and raise `UpstreamFault` or
    `UpstreamTimeout` when the upstream is needed and does not serve. None judges rules.
    """

    async def get_page(self, index: Index, project: ProjectName, *, may_be_stale: bool = False) -> UpstreamPage:
        """Return the page, fresh within the upstream's `freshness`, or (`may_be_stale`) the kept one if there is any.

        With the upstream failing, a kept page is returned however old it is.
        """
        ...

    async def get_page_with(self, index: Index, project: ProjectName, *, filename: Filename) -> UpstreamPage:
        """Return the kept page if it lists the file, else the page asked for anew, unless that was done a moment ago.

        So a file that was just released is there for whoever knows its name.
        """
        ...

    async def find_copy(self, file: UpstreamFile) -> Copy | None:
        """Return what is kept of the file, and remember that it was used."""
        ...

    async def open_file(self, index: Index, file: UpstreamFile) -> Copy | Arriving:
        """Return the stored copy, or the file on its way here; starts the only fetch of it."""
        ...

    async def get_metadata(self, index: Index, file: UpstreamFile) -> bytes:
        """Return METADATA, byte for byte as in the wheel; raises `NotFound` where there is none."""
        ...

    async def get_provenance(self, index: Index, file: UpstreamFile) -> bytes:
        """Return the PEP 740 provenance object; raises `NotFound` where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class NameKnowledge:
    """What the kept name lists say about a name.

    `upstreams` are indexes whose upstream has it; `is_certain` tells that each upstream's
    list is here, so that an empty answer means something. `lookalikes` are other names
    that a reader takes for it. `is_elsewhere`: it is also in an upstream that must not be named.
    """

    upstreams: tuple[str, ...]
    is_certain: bool
    lookalikes: tuple[str, ...] = ()
    is_elsewhere: bool = False


class KnownNames(Protocol):
    """The names that upstreams have, as kept here: asking sends nothing upstream."""

    async def look_up(
        self, project: ProjectName, *, with_lookalikes: bool = True, nameable: frozenset[IndexName] | None = None
    ) -> NameKnowledge:
        """Return what is known about the name; its look-alikes, which take longest, only if they are wanted.

        Upstreams and look-alikes are named only of the `nameable` indexes; None: of all.
        """
        ...


class AskedFor(Protocol):
    """Remembers names that clients asked for and nobody owns."""

    def note(self, index: IndexName, project: ProjectName) -> None:
        """Count one asking; costs next to nothing."""
        ...
