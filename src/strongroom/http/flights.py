"""Loads that several requests wait for together.

After an upload all clients miss the cache at once; one of them loads, the rest wait.
The key holds the cache's generation, so nobody joins a load that began before the
change that he must see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Flights(Generic[T]):
    """Runs one load a key at a time."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[T]] = {}

    # Any: what a coroutine yields and is sent is the event loop's business.
    async def join(self, key: Hashable, load: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what the load returns, or raise what it raises; a cancelled waiter does not cancel it."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(load())
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._land(key, done))
        return await asyncio.shield(task)

    def _land(self, key: Hashable, task: asyncio.Task[T]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            task.exception()  # so that asyncio does not report it where all waiters have left
