"""Blobs that are being removed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from strongroom.core.errors import Unavailable
from strongroom.core.removals import REMOVAL_LIFETIME, REMOVAL_SECONDS, make_removal, pass_removals, renew_removal
from tests.factories import sha256_of
from tests.fakes import START

REMOVAL = make_removal("x", [sha256_of("a"), sha256_of("b")], now=START)


def test_bytes_that_are_being_removed_are_kept_by_nobody() -> None:
    """One of them is enough; others do not wait."""
    for wanted in ([sha256_of("a")], [sha256_of("c"), sha256_of("b")]):
        with pytest.raises(Unavailable, match="being removed"):
            pass_removals([REMOVAL], wanted, now=START)
    assert pass_removals([REMOVAL], [sha256_of("c")], now=START) == ()
    assert pass_removals([REMOVAL], [], now=START) == ()
    assert pass_removals([], [sha256_of("a")], now=START) == ()


def test_a_removal_of_a_process_that_died_expires() -> None:
    """Long after it would have been broken off, even where clocks differ by minutes; whoever passes it ends it."""
    later = START + REMOVAL_LIFETIME
    assert pass_removals([REMOVAL], [sha256_of("a")], now=later) == (REMOVAL.lease_id,)
    assert pass_removals([REMOVAL], [sha256_of("c")], now=later) == ()
    with pytest.raises(Unavailable):
        pass_removals([REMOVAL, renew_removal(REMOVAL, now=later)], [sha256_of("a")], now=later)
    assert timedelta(seconds=REMOVAL_SECONDS) + timedelta(minutes=5) < REMOVAL_LIFETIME
