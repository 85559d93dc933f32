"""Work that several callers wait for together, and that none of them can cancel.

Two hundred clients who want the same page at once make one request upstream. Whoever
leaves, leaves alone: the work goes on for the others, and its result is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Flights(Generic[T]):
    """Runs one piece of work a key at a time."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[T]] = {}

    # Any: what a coroutine yields and is sent is the event loop's business.
    async def join(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what the work returns, or raise what it raises; a cancelled caller does not cancel it."""
        return await asyncio.shield(self.launch(key, work))

    def launch(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        """Begin the work unless it is under way, and wait for nothing."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(work())
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._land(key, done))
        return task

    async def close(self) -> None:
        """Cancel all work and wait for its end."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def settle(self) -> None:
        """Wait for the end of all work, without cancelling any."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    def _land(self, key: Hashable, task: asyncio.Task[T]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            task.exception()  # so that asyncio does not report it where all callers have left
