"""Which blobs the store was lately seen to have, so that a warm link costs no round trip.

Not for ever: another node may give up the copy of an upstream's file.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from strongroom.core.names import Sha256

KNOWN_SECONDS = 60
_MOST = 20_000


class KnownDigests:
    """Digests with the time at which they were seen. For one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: OrderedDict[Sha256, float] = OrderedDict()

    def has(self, sha256: Sha256) -> bool:
        """Return whether it was seen within the last minute."""
        seen_at = self._seen.get(sha256)
        return seen_at is not None and self._clock() - seen_at < KNOWN_SECONDS

    def add(self, sha256: Sha256) -> None:
        """Note that it was seen now; of too many, those seen first are forgotten."""
        self._seen[sha256] = self._clock()
        self._seen.move_to_end(sha256)
        while len(self._seen) > _MOST:
            self._seen.popitem(last=False)

    def forget(self, sha256: Sha256) -> None:
        """Forget it, if it was seen."""
        self._seen.pop(sha256, None)
