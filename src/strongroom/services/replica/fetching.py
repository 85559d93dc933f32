"""The bytes of a replica: fetched from the primary, proved by their digest, and kept.

Says which of them the primary does not have. Does not know pages, rows or leases.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from strongroom.core.errors import NotFound, StorageFault
from strongroom.core.names import Sha256
from strongroom.ports import Blobs, Primary

_AT_ONCE = 4
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fetching:
    """Copies blobs into the store."""

    blobs: Blobs

    async def fetch(self, primary: Primary, needed: Mapping[Sha256, int | None]) -> frozenset[Sha256]:
        """Make durable what is not here yet, and return what the primary does not have; raises what else fails."""
        turns = asyncio.Semaphore(_AT_ONCE)
        lacking: set[Sha256] = set()

        async def copy(sha256: Sha256, size_bytes: int | None) -> None:
            async with turns:
                if not await self._has(sha256, size_bytes):
                    try:
                        await self._copy(primary, sha256, size_bytes=size_bytes)
                    except NotFound:
                        lacking.add(sha256)

        try:
            async with asyncio.TaskGroup() as group:
                for sha256, size_bytes in needed.items():
                    group.create_task(copy(sha256, size_bytes))
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from faults
        return frozenset(lacking)

    async def _has(self, sha256: Sha256, size_bytes: int | None) -> bool:
        """Return whether the blob is here, to its last byte."""
        end = 1 if size_bytes is None else size_bytes
        try:
            async for _ in self.blobs.stream(sha256, max(end - 1, 0), stop=end):
                return True
        except StorageFault:
            return False
        return size_bytes == 0

    async def _copy(self, primary: Primary, sha256: Sha256, *, size_bytes: int | None) -> None:
        """Fetch the bytes and keep them; raises `NotFound` when the primary has none."""
        incoming = await self.blobs.receive()
        try:
            async for chunk in primary.read_blob(sha256, size_bytes=size_bytes):
                await incoming.write(chunk)
            if await incoming.sha256() != sha256:
                raise StorageFault(
                    "replica-bytes", f"The primary sent other bytes than {sha256}", "Run `strongroom verify` there."
                )
            await self.blobs.keep(incoming)
        finally:
            await incoming.discard()


def tell_lacking(digests: frozenset[Sha256]) -> None:
    """Write into the log what the primary lists and does not have."""
    for sha256 in sorted(digests):
        _log.warning("the primary does not have a blob that it lists", extra={"fields": {"sha256": sha256}})
