"""Held names: what a pattern means, and which can be held how."""

from __future__ import annotations

import pytest

from strongroom.core.errors import InvalidRequest
from strongroom.core.names import ProjectPattern, parse_project_name
from strongroom.core.reservations import Hold, demand_sensible, is_exact
from tests.factories import a_reservation


@pytest.mark.parametrize("hold", Hold)
def test_a_single_name_can_be_held_in_every_way(hold: Hold) -> None:
    """It covers itself and nothing else."""
    demand_sensible(ProjectPattern("billing"), hold)
    held = a_reservation("billing", hold=hold)
    assert held.is_exact
    assert [held.covers(parse_project_name(raw)) for raw in ("Billing", "billing2", "my-billing")] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("pattern", ["acme-*", "acme*", "a*", "acme-internal-*"])
def test_a_prefix_can_be_reserved(pattern: str) -> None:
    """Not claimed or overlaid: these are decisions about one name."""
    demand_sensible(ProjectPattern(pattern), Hold.RESERVED)
    assert not is_exact(ProjectPattern(pattern))
    for hold, word in ((Hold.CLAIMED, "claimed"), (Hold.OVERLAY, "overlaid")):
        with pytest.raises(InvalidRequest, match=f"can be {word}") as caught:
            demand_sensible(ProjectPattern(pattern), hold)
        assert caught.value.code == "hold-pattern"


@pytest.mark.parametrize("pattern", ["*", "-*", "?", "**", "*-acme", "a?me", "a*e", "acme-*-*", "ac?-*"])
def test_what_is_neither_name_nor_prefix_is_refused(pattern: str) -> None:
    """Nobody reserves the world, nor more than he can see."""
    with pytest.raises(InvalidRequest) as caught:
        demand_sensible(ProjectPattern(pattern), Hold.RESERVED)
    assert caught.value.code == "reservation-pattern"
