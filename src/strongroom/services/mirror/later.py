"""Keeping what came from upstreams a little later, and together.

A client has verified bytes before they are durable: they can be fetched again, and a
hundred files under one lease cost a tenth of a hundred leases. So files and what lies
beside them are kept when an installer pauses (`lull.py`); at once where somebody waits
for it, and before too much has gathered. Decides the time; in which order bytes and rows
are written is `copies.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import monotonic

from strongroom.core.errors import Unavailable
from strongroom.core.mirrored import Copy, UpstreamFile
from strongroom.services.mirror.copies import Keeping, KeptCopies
from strongroom.services.mirror.lull import Lull

_TOGETHER = 50
"""Bounds how long one transaction keeps other writers waiting."""
_MOST_WAITING = 250
"""A file that waits holds a descriptor."""
_MOST_BYTES = 8 * 1024 * 1024
"""So much may wait in memory."""
_CLOSING_SECONDS = 5.0


@dataclass(slots=True, eq=False)
class Wish:
    """Something to keep, how much memory it holds meanwhile, and whether somebody waits for it."""

    file: UpstreamFile
    keeping: Keeping
    held_bytes: int = 0
    is_urgent: bool = False
    made_at: float = field(default_factory=monotonic)


_Batch = dict[Wish, asyncio.Future[Copy]]


class LaterKeeping:
    """Gathers wishes, and keeps them together. One per worker process."""

    def __init__(self, copies: KeptCopies, lull: Lull) -> None:
        self._copies = copies
        self._lull = lull
        self._waiting: _Batch = {}
        self._is_closed = False
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def keep(self, wish: Wish) -> Copy:
        """Return the copy once it is kept; raises what `KeptCopies.keep` raises."""
        done: asyncio.Future[Copy] = asyncio.get_running_loop().create_future()
        self._waiting[wish] = done
        self._lull.note()
        if wish.is_urgent or self._has_enough():
            self._hurry.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return await done

    def wait_longer(self) -> None:
        """Take note that an installer is still at work."""
        self._lull.note()

    def hurry(self, wish: Wish) -> None:
        """Keep it at once: somebody waits for it."""
        wish.is_urgent = True
        self._hurry.set()

    async def close(self) -> None:
        """Keep at once what waits, as far as that is soon done; the rest is given up."""
        self._is_closed = True
        self._hurry.set()
        if self._task is not None and not self._task.done():
            await asyncio.wait([self._task], timeout=_CLOSING_SECONDS)
            self._task.cancel()
            await asyncio.wait([self._task])

    def _has_enough(self) -> bool:
        held_bytes = sum(wish.held_bytes for wish in self._waiting)
        return self._is_closed or len(self._waiting) >= _MOST_WAITING or held_bytes >= _MOST_BYTES

    async def _run(self) -> None:
        batch: _Batch = {}
        try:
            while self._waiting:
                oldest = next(iter(self._waiting))
                await self._lull.wait(self._hurry, since=oldest.made_at)
                chosen = self._choose()
                for first in range(0, len(chosen), _TOGETHER):
                    batch = {wish: self._waiting.pop(wish) for wish in chosen[first : first + _TOGETHER]}
                    await self._keep(batch)
        finally:
            for done in (*batch.values(), *self._waiting.values()):
                done.cancel()  # does nothing to those that are done

    def _choose(self) -> list[Wish]:
        """Return what is to be kept now: all in a lull, else what somebody waits for, or all if there is enough."""
        is_hurried = self._hurry.is_set() and not self._has_enough()
        if not self._is_closed:
            self._hurry.clear()
        return [wish for wish in self._waiting if wish.is_urgent or not is_hurried]

    async def _keep(self, batch: _Batch) -> None:
        """Keep them together; where that fails, each by itself, so that only the culprit fails."""
        try:
            copies = await self._copies.keep_all([(wish.file, wish.keeping) for wish in batch])
        except Exception as fault:
            if len(batch) > 1 and not isinstance(fault, Unavailable):
                for wish, done in batch.items():
                    await self._keep({wish: done})
                return
            for done in batch.values():
                if not done.done():
                    done.set_exception(fault)
        else:
            for done, copy in zip(batch.values(), copies, strict=True):
                if not done.done():
                    done.set_result(copy)
