"""Deadlines that count only the time in which this process could listen.

A machine that stood still, or a loop that was busy, would otherwise blame the upstream
for it: uvloop looks at its timers before it looks at its sockets, so an answer that has
long arrived comes too late. Here a pause of any length counts as one step of ten.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_STEPS = 10


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Raise `TimeoutError` when the block takes longer than that, less what the loop missed."""
    async with asyncio.timeout(None) as limit:
        countdown = _Countdown(limit, seconds / _STEPS)
        try:
            yield
        finally:
            countdown.timer.cancel()


class _Countdown:
    """Ends the time of a block after so many steps."""

    def __init__(self, limit: asyncio.Timeout, step_seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit = limit
        self._step_seconds = step_seconds
        self._rest = _STEPS
        self.timer = self._loop.call_later(step_seconds, self._step)

    def _step(self) -> None:
        self._rest -= 1
        if self._rest:
            self.timer = self._loop.call_later(self._step_seconds, self._step)
        else:
            self._limit.reschedule(self._loop.time())
