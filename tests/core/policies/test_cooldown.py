"""A public file must have been upstream for some time before it comes through."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.mirrored import UpstreamFile
from strongroom.core.policies.cooldown import TOO_YOUNG, judge_age, tell_old_enough
from strongroom.core.policy import ALLOW, Refuse
from strongroom.core.rules import NO_RULES, Rules
from tests.factories import an_upstream_file
from tests.fakes import START
from tests.replacing import replace

THREE_DAYS = Rules(cooldown=timedelta(days=3))
TICK = timedelta(microseconds=1)
END_OF_TIME = datetime.max.replace(tzinfo=UTC)
AGES = st.timedeltas(timedelta(0), timedelta(hours=72))


def uploaded(age: timedelta) -> UpstreamFile:
    """Make a file that was uploaded so long ago, and first seen here just now."""
    return replace(an_upstream_file(uploaded_at=START - age), first_seen_at=START)


def seen(age: timedelta) -> UpstreamFile:
    """Make a file whose upstream tells no time, first seen here so long ago."""
    return replace(an_upstream_file(uploaded_at=None), first_seen_at=START - age)


def test_without_the_rule_every_age_passes() -> None:
    """No cooldown, or one of no length."""
    for rules in (NO_RULES, Rules(cooldown=timedelta(0))):
        assert judge_age(uploaded(timedelta(0)), rules, now=START) is ALLOW
        assert judge_age(uploaded(-timedelta(days=1)), rules, now=START) is ALLOW


@given(age=AGES)
def test_nothing_younger_than_the_cooldown_passes(age: timedelta) -> None:
    """Whether its age counts from the upload or from the first sight of it; it passes by itself when it says so."""
    for file in (uploaded(age), seen(age)):
        verdict = judge_age(file, THREE_DAYS, now=START)
        if age == timedelta(hours=72):
            assert verdict is ALLOW
            continue
        assert isinstance(verdict, Refuse)
        assert verdict.until is not None
        assert verdict.until - START == timedelta(hours=72) - age
        assert isinstance(judge_age(file, THREE_DAYS, now=verdict.until - TICK), Refuse)
        assert judge_age(file, THREE_DAYS, now=verdict.until) is ALLOW


@given(
    born=st.datetimes(timezones=st.just(UTC)),
    now=st.datetimes(timezones=st.just(UTC)),
    cooldown=st.timedeltas(timedelta(seconds=1), timedelta(days=3650)),
)
def test_any_two_times_can_be_judged(born: datetime, now: datetime, cooldown: timedelta) -> None:
    """From the year 1 to the year 9999, and what passes is old enough."""
    file = an_upstream_file(uploaded_at=born)
    verdict = judge_age(file, Rules(cooldown=cooldown), now=now)
    assert (verdict is ALLOW) == (now - born >= cooldown)
    assert tell_old_enough((file,), cooldown, now=now) == [verdict is ALLOW]


def test_the_boundary_is_exact() -> None:
    """A file that is as old as the cooldown passes, one a microsecond younger does not."""
    assert judge_age(uploaded(timedelta(days=3)), THREE_DAYS, now=START) is ALLOW
    assert isinstance(judge_age(uploaded(timedelta(days=3) - TICK), THREE_DAYS, now=START), Refuse)
    for make in (uploaded, seen):
        files = [make(timedelta(days=3) + TICK * ticks) for ticks in (1, 0, -1)]
        assert tell_old_enough(files, timedelta(days=3), now=START) == [True, True, False]


@pytest.mark.parametrize("ahead", [TICK, timedelta(hours=1), timedelta(days=400)])
def test_a_time_in_the_future_is_too_young(ahead: timedelta) -> None:
    """It waits from then on: a wrong clock upstream lets nothing through early."""
    verdict = judge_age(uploaded(-ahead), THREE_DAYS, now=START)
    assert isinstance(verdict, Refuse)
    assert verdict.until == START + ahead + timedelta(days=3)


def test_the_end_of_time_is_far_enough() -> None:
    """An upload time beyond which no date is possible neither passes nor breaks."""
    verdict = judge_age(an_upstream_file(uploaded_at=END_OF_TIME), THREE_DAYS, now=START)
    assert isinstance(verdict, Refuse)
    assert verdict.until == END_OF_TIME


def test_the_first_sight_does_not_matter_where_the_upload_is_known() -> None:
    """A file that is old upstream passes at once, although nobody asked for it before."""
    assert judge_age(uploaded(timedelta(days=4)), THREE_DAYS, now=START) is ALLOW


def test_the_refusal_says_since_when_and_until_when() -> None:
    """In whole sentences."""
    verdict = judge_age(uploaded(timedelta(hours=1)), THREE_DAYS, now=START)
    assert verdict == Refuse(
        TOO_YOUNG,
        "demo-1.0-py3-none-any.whl was uploaded on 2026-01-05 11:00 UTC, and public files come through 3 days later",
        "It comes through by itself on 2026-01-08 11:00 UTC.",
        until=START + timedelta(days=3) - timedelta(hours=1),
    )
    unknown = judge_age(seen(timedelta(0)), Rules(cooldown=timedelta(hours=36)), now=START)
    assert isinstance(unknown, Refuse)
    assert "was first seen here (its upstream tells no time) on 2026-01-05 12:00 UTC" in unknown.reason
    assert unknown.reason.endswith("36 hours later")
