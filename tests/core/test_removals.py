"""Blobs that are being removed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from strongroom.core.errors import Unavailable
from strongroom.core.removals import REMOVAL_LIFETIME, REMOVAL_SECONDS, demand_not_removed, make_removal
from tests.factories import sha256_of
from tests.fakes import START

REMOVAL = make_removal("x", [sha256_of("a"), sha256_of("b")], now=START)


def test_bytes_that_are_being_removed_are_kept_by_nobody() -> None:
    """One of them is enough; others do not wait."""
    for wanted in ([sha256_of("a")], [sha256_of("c"), sha256_of("b")]):
        with pytest.raises(Unavailable, match="being removed"):
            demand_not_removed([REMOVAL], wanted, now=START)
    demand_not_removed([REMOVAL], [sha256_of("c")], now=START)
    demand_not_removed([REMOVAL], [], now=START)
    demand_not_removed([], [sha256_of("a")], now=START)


def test_a_removal_of_a_process_that_died_expires() -> None:
    """Long after it would have been broken off, even where clocks differ by minutes."""
    demand_not_removed([REMOVAL], [sha256_of("a")], now=START + REMOVAL_LIFETIME)
    assert timedelta(seconds=REMOVAL_SECONDS) + timedelta(minutes=5) < REMOVAL_LIFETIME
