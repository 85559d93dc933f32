"""Waiting for a lull: until an installer that is at work has what it wants.

An install of a hundred packages is over in seconds, and takes all processors meanwhile.
What nobody waits for is done after it. Does not know what that is.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic

QUIET_SECONDS = 1.0
"""So long nothing must have come from an upstream, if nothing else is said."""
MOST_SECONDS = 10.0
"""So long is waited at most: a crash loses no more than what came in that time, and it can be fetched again."""


class Lull:
    """Knows when something last came from an upstream. One per worker process."""

    def __init__(self, quiet_seconds: float = QUIET_SECONDS) -> None:
        self._quiet_seconds = quiet_seconds
        self._noted_at = 0.0

    def note(self) -> None:
        """Something has come."""
        self._noted_at = monotonic()

    async def wait(self, hurry: asyncio.Event, *, since: float) -> None:
        """Return when it was quiet for a while, `MOST_SECONDS` after `since` at the latest, at once if `hurry` is set.

        `since` is a time of `time.monotonic`, in seconds.
        """
        latest = since + MOST_SECONDS
        while not hurry.is_set():
            seconds = min(self._noted_at + self._quiet_seconds, latest) - monotonic()
            if seconds <= 0:
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(hurry.wait(), seconds)
