"""An upstream: another server's simple API that an index gets public packages from.

Says where it is and how it is used. Does not fetch anything, and does not say what is
kept of it (`mirrored.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

FRESHNESS = timedelta(minutes=10)
"""PyPI's own `max-age` for project pages."""


class Delivery(StrEnum):
    """How an upstream file reaches the client."""

    CACHE = "cache"
    REDIRECT = "redirect"
    """By a redirect to the upstream's own URL: no copy is kept."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """The settings of an index's upstream.

    `url` is the simple API's address, with a slash at its end and without credentials.
    `credentials` are `username:password`, sealed with the server's key. `freshness` is how
    long a page is served without asking again. `is_offline`: it is never asked.
    """

    url: str
    credentials: bytes | None = field(default=None, repr=False)
    freshness: timedelta = FRESHNESS
    delivery: Delivery = Delivery.CACHE
    is_offline: bool = False
