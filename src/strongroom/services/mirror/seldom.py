"""Things that are said once a minute at most, however often they happen."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime, timedelta

INTERVAL = timedelta(minutes=1)
_MOST = 10_000


class Seldom:
    """Remembers what was said when."""

    def __init__(self) -> None:
        self._said: dict[Hashable, datetime] = {}

    def is_due(self, what: Hashable, now: datetime) -> bool:
        """Return whether it is time to say it (again), and remember that it was said."""
        said = self._said.get(what)
        if said is not None and abs(now - said) < INTERVAL:
            return False
        if len(self._said) >= _MOST:
            self._said.clear()
        self._said[what] = now
        return True
