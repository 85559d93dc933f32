"""Whose turn it is: which of several processes does a regular job, and when it is due again.

Decides from a row and the time alone. Clocks of nodes differ: a time that lies further
ahead than any clock should be is not believed, so that a node with a wrong clock keeps a
job from being done for a while, and not for years. Does not know what the jobs are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

TURN_LIFETIME = timedelta(minutes=5)
"""How long a turn stands without being renewed; after it another process may take it."""
_CLOCKS_DIFFER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Turn:
    """Who does a job, until when he must say that he still does, and when it was last done (None: never)."""

    job: str
    holder: str
    expires_at: datetime
    done_at: datetime | None = None


def take_turn(found: Turn | None, wanted: Turn, *, every: timedelta, now: datetime) -> Turn | None:
    """Return the turn as taken, or None: another process has it, or the job was done less than `every` ago."""
    if found is None:
        return wanted
    if found.holder != wanted.holder and now < found.expires_at <= now + TURN_LIFETIME + _CLOCKS_DIFFER:
        return None
    if found.done_at is not None and now - every < found.done_at <= now + _CLOCKS_DIFFER:
        return None
    return replace(wanted, done_at=found.done_at)
