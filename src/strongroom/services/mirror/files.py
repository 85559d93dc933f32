"""The mirror's side of files: bytes, METADATA, provenance, and which copies are given up.

Puts its parts together. Pages and names are `pages.py` and `names.py`; rules are judged
by whoever asks.
"""

from __future__ import annotations

from datetime import timedelta

from strongroom.core.mirrored import Copy, UpstreamFile
from strongroom.core.model import Index
from strongroom.ports import Arriving
from strongroom.services.mirror.copies import KeptCopies
from strongroom.services.mirror.eviction import Eviction, EvictionReport
from strongroom.services.mirror.fetches import DEFAULT_LIMIT_BYTES, Fetches
from strongroom.services.mirror.later import LaterKeeping
from strongroom.services.mirror.lull import Lull
from strongroom.services.mirror.parts import Parts
from strongroom.services.mirror.sidecars import Sidecars
from strongroom.services.mirror.writes import Writes

STILL_IN_USE = timedelta(minutes=5)
"""Longer than other workers take to write down what they have given out."""


class FileMirror:
    """Files of upstreams, through what is kept of them. One per worker process."""

    def __init__(self, parts: Parts, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._eviction = Eviction(parts.catalog, parts.clock, parts.remover)
        self._writes = Writes(parts.catalog)
        self._copies = KeptCopies(parts, self._writes)
        lull = Lull() if parts.is_alone else Lull(0)
        self._later = LaterKeeping(self._copies, lull)
        self._sidecars = Sidecars(parts, self._copies, later=self._later, open_file=self.open_file)
        self._fetches = Fetches(
            parts, self._copies, later=self._later, limit_bytes=limit_bytes, after_storing=self._sidecars.confirm
        )

    async def find_copy(self, file: UpstreamFile) -> Copy | None:
        """Return what is kept of the file, and remember that it was used."""
        return await self._copies.find(file)

    async def open_file(self, index: Index, file: UpstreamFile) -> Copy | Arriving:
        """Return the stored copy, or the file on its way here; starts the only fetch of it.

        Raises `UpstreamFault`, `NotFound` when the upstream has it no longer, `StorageFull`.
        """
        return await self._fetches.open_file(index, file)

    async def get_metadata(self, index: Index, file: UpstreamFile) -> bytes:
        """Return METADATA, byte for byte as in the wheel; raises `NotFound` where there is none, `UpstreamFault`."""
        return await self._sidecars.get_metadata(index, file)

    async def get_provenance(self, index: Index, file: UpstreamFile) -> bytes:
        """Return the PEP 740 provenance object; raises `NotFound` where there is none, `UpstreamFault`."""
        return await self._sidecars.get_provenance(index, file)

    async def make_room(self, limit_bytes: int) -> EvictionReport:
        """Give up the least used copies beyond the limit, but none that a client may be reading."""
        await self._copies.flush_uses()
        return await self._eviction.evict(limit_bytes, unused_for=STILL_IN_USE)

    async def flush_uses(self) -> None:
        """Write down when copies were last used; raises `Unavailable`."""
        await self._copies.flush_uses()

    async def close(self) -> None:
        """Break off what is on its way, leave nothing of it behind, and write down what is due."""
        await self._fetches.close()
        await self._sidecars.close()
        await self._copies.flush_uses()
        await self._writes.close()
