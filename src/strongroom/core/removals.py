"""Blobs that are being removed: said in the catalog first, so that nobody relies on them meanwhile.

A removal is a lease of its own kind. It is written in the transaction that found its
blobs unneeded, and whoever wants to keep the same bytes is told to come back until it has
ended. So no lock is held while a store removes, and a node that loses its connection to
the catalog in the middle takes no bytes that another node has just promised. One that
stood still for long, or whose clock is wrong, finds its removal ended by whoever came
after it, since it looks before each few blobs (`services/removing.py`). Does not decide
which blobs are unneeded: `ports.Transaction.find_unneeded` does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from strongroom.core.errors import Unavailable
from strongroom.core.model import Lease
from strongroom.core.names import Sha256

REMOVAL_PREFIX = "removal:"
BEING_REMOVED = "being-removed"
"""The code of the error for bytes that are being removed at this moment."""
REMOVAL_SECONDS = 120.0
"""Within this time after it was written down a removal must be over, or it is broken off."""
REMOVAL_LIFETIME = timedelta(minutes=10)
"""How long a removal keeps others waiting after its process was last heard of: longer than any request to the store."""


def make_removal(removal_id: str, digests: Iterable[Sha256], *, now: datetime) -> Lease:
    """Return the lease that says that these blobs are being removed."""
    return Lease(f"{REMOVAL_PREFIX}{removal_id}", now + REMOVAL_LIFETIME, tuple(digests))


def renew_removal(removal: Lease, *, now: datetime) -> Lease:
    """Return the same removal as one that began now."""
    return replace(removal, expires_at=now + REMOVAL_LIFETIME)


def pass_removals(removals: Iterable[Lease], wanted: Collection[Sha256], *, now: datetime) -> tuple[str, ...]:
    """Return the ids of expired removals of these blobs; raises `Unavailable` while one of them is being removed.

    Whoever passes an expired one ends it in the same transaction: its process may only
    have stood still, and must find out before it goes on.
    """
    in_the_way = [removal for removal in removals if not frozenset(wanted).isdisjoint(removal.sha256)]
    if any(now < removal.expires_at for removal in in_the_way):
        raise Unavailable(
            BEING_REMOVED,
            "The same bytes were deleted here, and are being removed from the disk at this moment",
            "Try again in a few seconds.",
        )
    return tuple(removal.lease_id for removal in in_the_way)
