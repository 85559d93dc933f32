"""The bytes that a replica lists and does not have, because its primary had none of them when asked.

They are remembered in a lease that does not end by itself: it is written with the rows
that name them, so no crash forgets them, and every process sees how many there are. What
nothing names any more is forgotten. Does not fetch anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from strongroom.core.model import Lease
from strongroom.core.names import Sha256
from strongroom.core.replica_rows import needed_by
from strongroom.ports import Transaction

_LEASE_ID = "lacking"
_LIFETIME = timedelta(days=36500)
_AT_ONCE = 500


def load_lacking(tx: Transaction) -> frozenset[Sha256]:
    """Return the digests of what is lacking."""
    found = _find(tx)
    return frozenset() if found is None else frozenset(found.sha256)


def save_lacking(tx: Transaction, digests: Iterable[Sha256], *, now: datetime) -> frozenset[Sha256]:
    """Remember these, as far as a file names them, and return them."""
    wanted = sorted(set(digests))
    parts = (wanted[first : first + _AT_ONCE] for first in range(0, len(wanted), _AT_ONCE))
    named = frozenset[Sha256]().union(*(tx.files.find_named(part) for part in parts))
    known = _find(tx)
    lease = Lease(_LEASE_ID, now + _LIFETIME, tuple(sorted(named)))
    if not named:
        forget_lacking(tx)
    elif known is None:
        tx.leases.add(lease)
    elif known.sha256 != lease.sha256:
        tx.leases.replace(lease)
    return named


def forget_lacking(tx: Transaction) -> None:
    """Forget all: this server follows nobody any more."""
    if _find(tx) is not None:
        tx.leases.remove(_LEASE_ID)


def find_sizes(tx: Transaction, digests: Collection[Sha256]) -> dict[Sha256, int | None]:
    """Return the size of each that a file names, where the file says it; reads all files."""
    sizes: dict[Sha256, int | None] = {}
    for file in tx.files.scan():
        sizes |= {sha256: size_bytes for sha256, size_bytes in needed_by(file).items() if sha256 in digests}
    return sizes


def _find(tx: Transaction) -> Lease | None:
    return next((lease for lease in tx.leases.list() if lease.lease_id == _LEASE_ID), None)
