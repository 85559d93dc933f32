"""Blobs that are being removed: said in the catalog first, so that nobody relies on them meanwhile.

A removal is a lease of its own kind. It is written in the transaction that found its
blobs unneeded, and whoever wants to keep the same bytes is told to come back until it has
ended. So no lock is held while a store removes, and a node that loses its connection to
the catalog in the middle takes no bytes that another node has just promised. Does not
decide which blobs are unneeded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
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
"""How long a removal of a process that died keeps others waiting: long after its last request to the store."""


def make_removal(removal_id: str, digests: Iterable[Sha256], *, now: datetime) -> Lease:
    """Return the lease that says that these blobs are being removed."""
    return Lease(f"{REMOVAL_PREFIX}{removal_id}", now + REMOVAL_LIFETIME, tuple(digests))


def demand_not_removed(removals: Iterable[Lease], wanted: Collection[Sha256], *, now: datetime) -> None:
    """Raise `Unavailable` while one of the blobs is being removed."""
    for removal in removals:
        if now < removal.expires_at and not frozenset(wanted).isdisjoint(removal.sha256):
            raise Unavailable(
                BEING_REMOVED,
                "The same bytes were deleted here, and are being removed from the disk at this moment",
                "Try again in a few seconds.",
            )
