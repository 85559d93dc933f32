"""A few long-lived children of one kind: they start when they are needed, and are used again.

Decides which child gets the next job, and which one is ended after its last. Does not
know what is asked, nor for how long (`process.py`, `pages.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from strongroom.adapters.inspector.child_process import ChildProcess
from strongroom.core.errors import Unavailable


class ChildPool:
    """So many children at most. They start with the first job that none is idle for, and end with `close`."""

    def __init__(self, module: str, argument: str, *, most: int, jobs_per_child: int | None = None) -> None:
        self._module = module
        self._argument = argument
        self._jobs_per_child = jobs_per_child
        self._places = asyncio.Semaphore(most)
        self._idle: list[ChildProcess] = []
        self.children: set[ChildProcess] = set()
        """All of them, also those at work."""
        self.is_closed = False

    @asynccontextmanager
    async def borrow(self) -> AsyncIterator[ChildProcess]:
        """Give a child when one is free; it is ended if it then still owes an answer.

        Raises `Unavailable` after `close`, and if no child can be started.
        """
        async with self._places:
            child = await self._take()
            try:
                yield child
            finally:
                await self._put_back(child)

    async def close(self) -> None:
        """End all children, also those at work."""
        self.is_closed = True
        self._idle.clear()
        await asyncio.gather(*(child.end() for child in self.children))
        self.children.clear()

    async def _take(self) -> ChildProcess:
        if self.is_closed:
            raise Unavailable("server-stopping", "The server is stopping", "Try again in a moment.")
        while self._idle:
            child = self._idle.pop()
            if child.is_alive:
                return child
            self.children.discard(child)
        child = await ChildProcess.start(self._module, self._argument)
        self.children.add(child)
        return child

    async def _put_back(self, child: ChildProcess) -> None:
        """Keep the child for the next job if it answered the last one and may do more."""
        may_do_more = self._jobs_per_child is None or child.jobs < self._jobs_per_child
        if child.is_ready and may_do_more and not self.is_closed:
            self._idle.append(child)
            return
        self.children.discard(child)
        await child.end()
