"""Whose turn a regular job is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from strongroom.core.turns import TURN_LIFETIME, Turn, take_turn
from tests.fakes import START

DAY = timedelta(days=1)
MINE = Turn("sweep", "me", START + TURN_LIFETIME)
HERS = replace(MINE, holder="she")


def take(found: Turn | None) -> Turn | None:
    """Ask for the daily job's turn now."""
    return take_turn(found, MINE, every=DAY, now=START)


def test_a_job_that_was_never_done_is_anybodys() -> None:
    """There is no row yet."""
    assert take(None) == MINE


def test_another_processs_turn_is_not_taken_until_it_expires() -> None:
    """At the moment of its end it is free."""
    assert take(HERS) is None
    assert take(replace(HERS, expires_at=START + timedelta(microseconds=1))) is None
    assert take(replace(HERS, expires_at=START)) == MINE


def test_ones_own_turn_can_be_taken_again() -> None:
    """A process whose turn was left behind by a cancelled job does not wait for itself."""
    assert take(MINE) == MINE


@pytest.mark.parametrize(
    ("done_ago", "is_taken"),
    [
        (timedelta(0), False),
        (DAY - timedelta(seconds=1), False),
        (DAY, True),
        (7 * DAY, True),
        (-timedelta(minutes=4), False),
        (-timedelta(minutes=6), True),
        (-365 * DAY, True),
    ],
    ids=str,
)
def test_a_job_is_due_again_when_its_time_has_passed(done_ago: timedelta, *, is_taken: bool) -> None:
    """A time in the future is a wrong clock's, unless clocks may differ so much; it is remembered all the same."""
    done_at = START - done_ago
    taken = take(replace(HERS, expires_at=START - DAY, done_at=done_at))
    assert taken == (replace(MINE, done_at=done_at) if is_taken else None)


def test_a_turn_that_a_wrong_clock_made_too_long_is_not_believed() -> None:
    """Nobody can renew a turn for longer than its lifetime, give or take what clocks differ by."""
    assert take(replace(HERS, expires_at=START + TURN_LIFETIME + timedelta(minutes=4))) is None
    assert take(replace(HERS, expires_at=START + DAY)) == MINE
