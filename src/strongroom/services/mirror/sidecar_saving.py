"""Writing down what lies beside upstream files: a little later, and together.

A client has its METADATA before it is stored: it can be fetched again. An installer asks
for hundreds while it resolves, and then downloads, which leaves the processors more
time; so they are stored then, under one lease and in one transaction. A save that fails
is logged, and what it was about is fetched again when somebody wants it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from strongroom.core.errors import StrongroomError, Unavailable
from strongroom.core.mirrored import Copy, UpstreamFile
from strongroom.services.mirror.copies import Keeping, KeptCopies

DELAY_SECONDS = 1.0
_TOGETHER = 100
"""Bounds how long one transaction keeps other writers waiting."""
_HURRY_BYTES = 8 * 1024 * 1024
"""So much in memory is written at once."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What is to be kept beside a file; `is_proven`: these bytes are surely the file's own."""

    file: UpstreamFile
    kind: str
    content: bytes
    keeping: Keeping
    is_proven: bool


class SidecarSaver:
    """Gathers sidecars by key, and stores them when the delay has passed. One per worker process.

    `confirm` compares what is not proven with the file, which may have been stored meanwhile.
    """

    def __init__(self, copies: KeptCopies, confirm: Callable[[UpstreamFile, Copy], Awaitable[None]]) -> None:
        self._copies = copies
        self._confirm = confirm
        self._waiting: dict[object, Sidecar] = {}
        self._storing: dict[object, Sidecar] = {}
        self._waiting_bytes = 0
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def find(self, key: object) -> bytes | None:
        """Return what the catalog does not show yet."""
        found = self._waiting.get(key) or self._storing.get(key)
        return found.content if found else None

    def save(self, key: object, sidecar: Sidecar) -> None:
        """Store it soon; until then `KeptCopies.find` tells of it."""
        self._copies.expect(sidecar.file, sidecar.keeping)
        self._waiting[key] = sidecar
        self._waiting_bytes += len(sidecar.content)
        if self._waiting_bytes >= _HURRY_BYTES or not sidecar.is_proven:  # that is compared with its file then
            self._hurry.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Store at once what waits."""
        self._hurry.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while self._waiting:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), DELAY_SECONDS)
            self._hurry.clear()
            while self._waiting:
                self._storing = {key: self._waiting.pop(key) for key in [*self._waiting][:_TOGETHER]}
                self._waiting_bytes -= sum(len(sidecar.content) for sidecar in self._storing.values())
                await self._store([*self._storing.values()])
                self._storing = {}

    async def _store(self, sidecars: list[Sidecar]) -> None:
        """Store them together; where that fails, each by itself, so that only the culprit fails."""
        try:
            copies = await self._copies.keep_all([(sidecar.file, sidecar.keeping) for sidecar in sidecars])
        except StrongroomError as fault:
            if len(sidecars) > 1 and not isinstance(fault, Unavailable):
                for sidecar in sidecars:
                    await self._store([sidecar])
                return
            self._tell(sidecars, fault)
            return
        except Exception:
            _log.exception("what lies beside files could not be kept")
            return
        for sidecar, copy in zip(sidecars, copies, strict=True):
            if not sidecar.is_proven:
                await self._confirm(sidecar.file, copy)

    def _tell(self, sidecars: list[Sidecar], fault: StrongroomError) -> None:
        for sidecar in sidecars:
            fields = {"index": sidecar.file.index, "filename": sidecar.file.filename, "kind": sidecar.kind}
            fields |= {"code": fault.code, "cause": fault.message}
            _log.warning("what lies beside a file could not be kept", extra={"fields": fields})
