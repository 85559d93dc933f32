"""Writing down what lies beside upstream files, later (`later.py`), while it is found here.

A client has its METADATA before it is stored: it can be fetched again. A save that fails
is logged, and what it was about is fetched again when somebody wants it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from strongroom.core.errors import StrongroomError
from strongroom.core.mirrored import Copy, UpstreamFile
from strongroom.services.mirror.copies import Keeping, KeptCopies
from strongroom.services.mirror.later import LaterKeeping, Wish

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
    """Has sidecars kept, and knows those that are not yet. One per worker process.

    `confirm` compares what is not proven with the file, which may have been stored meanwhile.
    """

    def __init__(
        self, copies: KeptCopies, later: LaterKeeping, confirm: Callable[[UpstreamFile, Copy], Awaitable[None]]
    ) -> None:
        self._copies = copies
        self._later = later
        self._confirm = confirm
        self._unsaved: dict[object, Sidecar] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def find(self, key: object) -> bytes | None:
        """Return what the catalog does not show yet."""
        found = self._unsaved.get(key)
        return found.content if found else None

    def save(self, key: object, sidecar: Sidecar) -> None:
        """Store it soon; until then `KeptCopies.find` tells of it."""
        self._copies.expect(sidecar.file, sidecar.keeping)
        self._unsaved[key] = sidecar
        task = asyncio.create_task(self._save(key, sidecar))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait until all is stored; `LaterKeeping.close` sees to that."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _save(self, key: object, sidecar: Sidecar) -> None:
        # What may be forged is compared with its file at once.
        wish = Wish(sidecar.file, sidecar.keeping, len(sidecar.content), is_urgent=not sidecar.is_proven)
        try:
            copy = await self._later.keep(wish)
            if not sidecar.is_proven:
                await self._confirm(sidecar.file, copy)
        except StrongroomError as fault:
            fields = {"index": sidecar.file.index, "filename": sidecar.file.filename, "kind": sidecar.kind}
            fields |= {"code": fault.code, "cause": fault.message}
            _log.warning("what lies beside a file could not be kept", extra={"fields": fields})
        except Exception:
            _log.exception("what lies beside a file could not be kept")
        finally:
            if self._unsaved.get(key) is sidecar:
                del self._unsaved[key]
