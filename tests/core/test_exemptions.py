"""What an exemption covers, and what may become of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from strongroom.core.errors import Conflict, InvalidName, InvalidRequest
from strongroom.core.exemptions import (
    LONGEST_LIFETIME,
    Decision,
    Judgement,
    decide,
    expiry,
    parse_exemption_id,
)
from strongroom.core.names import IndexName, parse_project_name
from tests.factories import an_exemption
from tests.fakes import START

DAY = timedelta(days=1)
PENDING = an_exemption(decision=Decision.PENDING)
APPROVED = an_exemption()


def judgement(decision: Decision, **more: timedelta) -> Judgement:
    """Make the judgement of Ada."""
    return Judgement(decision, "user:ada", reason="why not", **more)


@given(
    decision=st.sampled_from(Decision),
    ends=st.timedeltas(-DAY, DAY),
    code=st.sampled_from(["", "too-young", "denied"]),
    versions=st.sampled_from(["", "==1.0", ">=2"]),
)
def test_it_covers_only_what_is_approved_for_as_long_as_it_holds(
    decision: Decision, ends: timedelta, code: str, versions: str
) -> None:
    """Approved, not lapsed, the rule or every rule, the version among its versions: all of it, or nothing."""
    held = replace(an_exemption(code=code, versions=versions, decision=decision), expires_at=START + ends)
    expected = decision is Decision.APPROVED and ends > timedelta(0) and code in ("", "too-young") and versions != ">=2"
    assert held.covers(Version("1.0"), "too-young", now=START) == expected


def test_pre_releases_are_covered_like_all_versions() -> None:
    """Also by a specifier that names none."""
    assert an_exemption(versions=">=1").covers(Version("2.0rc1"), "denied", now=START)


def test_a_request_waits_until_its_time() -> None:
    """And only while nobody has decided."""
    assert PENDING.waits(now=PENDING.expires_at - DAY)
    assert not PENDING.waits(now=PENDING.expires_at)
    assert not APPROVED.waits(now=START)


def test_the_same_request_is_recognised() -> None:
    """By whom, where, what and which rule; the reason and the time may differ."""
    again = replace(PENDING, exemption_id="e2", reason="still", expires_at=START + DAY)
    assert again.asks_like(PENDING)
    for other in (
        replace(again, requested_by="user:eve"),
        replace(again, index=IndexName("other")),
        replace(again, project=parse_project_name("other")),
        replace(again, code="denied"),
        replace(again, versions=SpecifierSet("==1.0")),
    ):
        assert not other.asks_like(PENDING)


@pytest.mark.parametrize("decision", [Decision.APPROVED, Decision.REFUSED, Decision.WITHDRAWN])
def test_a_waiting_request_is_decided(decision: Decision) -> None:
    """By whom, when and why is kept; it lapses when it was asked to."""
    assert decide(PENDING, judgement(decision), now=START + DAY) == replace(
        PENDING,
        decision=decision,
        decided_by="user:ada",
        decided_at=START + DAY,
        decision_reason="why not",
    )


def test_an_exemption_can_be_ended_early() -> None:
    """Refused by who decides, or withdrawn by who asked; it covers nothing from then on."""
    for decision in (Decision.REFUSED, Decision.WITHDRAWN):
        ended = decide(APPROVED, judgement(decision), now=START + DAY)
        assert ended.decision is decision
        assert not ended.covers(Version("1.0"), "denied", now=START + DAY)


@pytest.mark.parametrize("earlier", [Decision.REFUSED, Decision.WITHDRAWN])
@pytest.mark.parametrize("later", [Decision.APPROVED, Decision.REFUSED, Decision.WITHDRAWN])
def test_what_is_over_stays_over(earlier: Decision, later: Decision) -> None:
    """Another request is needed."""
    with pytest.raises(Conflict, match=f"is {earlier} already"):
        decide(an_exemption(decision=earlier), judgement(later), now=START)


def test_an_approval_is_not_repeated() -> None:
    """So that nobody prolongs an exemption by the way."""
    with pytest.raises(Conflict, match="is approved already"):
        decide(APPROVED, judgement(Decision.APPROVED, expires_in=300 * DAY), now=START)


def test_who_approves_may_say_how_long() -> None:
    """From the decision on; also for a request that has lapsed meanwhile."""
    late = PENDING.expires_at + DAY
    assert decide(PENDING, judgement(Decision.APPROVED, expires_in=2 * DAY), now=START).expires_at == START + 2 * DAY
    assert decide(PENDING, judgement(Decision.APPROVED, expires_in=DAY), now=late).expires_at == late + DAY


@pytest.mark.parametrize("decision", [Decision.APPROVED, Decision.REFUSED, Decision.WITHDRAWN])
def test_what_has_lapsed_is_not_decided(decision: Decision) -> None:
    """At its time and later, unless it is given a new time."""
    with pytest.raises(Conflict, match=r"exemption e1 \(demo in 'public'\) has lapsed"):
        decide(PENDING, judgement(decision), now=PENDING.expires_at)


@pytest.mark.parametrize("lifetime", [timedelta(0), -DAY, LONGEST_LIFETIME + timedelta(seconds=1)])
def test_nothing_is_exempt_for_ever(lifetime: timedelta) -> None:
    """A year at most, and not for no time at all."""
    with pytest.raises(InvalidRequest):
        expiry(lifetime, now=START)
    assert expiry(LONGEST_LIFETIME, now=START) == START + LONGEST_LIFETIME


def test_ids_are_read() -> None:
    """16 hexadecimal digits, and nothing else."""
    assert parse_exemption_id("0123456789abcdef") == "0123456789abcdef"
    for raw in ("", "0123456789ABCDEF", "0123456789abcde", "0123456789abcdef0", "../0123456789abc"):
        with pytest.raises(InvalidName):
            parse_exemption_id(raw)
