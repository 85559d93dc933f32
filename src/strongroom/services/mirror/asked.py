"""Names that clients ask for and nobody owns: typing mistakes, and targets for squatters.

Counts them in memory and writes them down once a minute. Decides how much is remembered:
whoever asks for endless made-up names fills one minute's bound, not the disk.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from strongroom.core.names import IndexName, ProjectName
from strongroom.ports import Catalog, Clock, Transaction

MOST_NAMES = 5_000
"""Different names that are counted between two writings."""
REMEMBERED = timedelta(days=90)
_FORGETTING = timedelta(days=1)


class AskedCounter:
    """`ports.AskedFor`, for one worker process."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock
        self._counts: Counter[tuple[IndexName, ProjectName]] = Counter()
        self._forgot_at: datetime | None = None

    def note(self, index: IndexName, project: ProjectName) -> None:
        """Count one asking; costs next to nothing."""
        key = (index, project)
        if key in self._counts or len(self._counts) < MOST_NAMES:
            self._counts[key] += 1

    async def flush(self) -> None:
        """Write the counts down, and once a day forget names that nobody asked for in a long time.

        Raises `Unavailable`; the counts are tried again then.
        """
        now = self._clock.now()
        is_forgetting = self._forgot_at is None or now - self._forgot_at >= _FORGETTING
        if not self._counts and not is_forgetting:
            return
        taken, self._counts = self._counts, Counter()

        def change(tx: Transaction) -> None:
            tx.asked_names.add(taken, now)
            if is_forgetting:
                tx.asked_names.remove_before(now - REMEMBERED)

        try:
            await self._catalog.write(change)
        except Exception:
            self._counts += taken
            raise
        self._forgot_at = now if is_forgetting else self._forgot_at
