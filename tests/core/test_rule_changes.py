"""What an index's rules are after a change."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import pytest

from strongroom.core.errors import InvalidRequest
from strongroom.core.rule_changes import Rule, RuleChanges, change_rules
from strongroom.core.rules import NO_RULES, Rules

DAY = timedelta(days=1)
FULL = Rules(
    cooldown=DAY,
    allowed=("django",),
    denied=("flask",),
    takes_sdists=False,
    takes_yanked=False,
    platforms=("win_amd64",),
    max_size_bytes=5,
    licences=("MIT",),
    takes_unknown_licences=False,
)


def test_what_is_not_named_stays() -> None:
    """No change is none."""
    for rules in (NO_RULES, FULL):
        assert change_rules(rules, RuleChanges()) == rules


def test_lists_grow_and_the_rest_is_set() -> None:
    """What is added twice is there once, in its canonical writing."""
    changes = RuleChanges(
        cooldown=3 * DAY,
        allowed=("Django", "acme_*"),
        denied=("flask<2",),
        takes_sdists=True,
        takes_yanked=True,
        platforms=("any-other",),
        max_size_bytes=7,
        licences=("apache-2.0",),
        takes_unknown_licences=True,
    )
    assert change_rules(FULL, changes) == Rules(
        cooldown=3 * DAY,
        allowed=("django", "acme-*"),
        denied=("flask", "flask<2"),
        platforms=("win_amd64", "any_other"),
        max_size_bytes=7,
        licences=("MIT", "Apache-2.0"),
    )


@pytest.mark.parametrize("rule", Rule)
def test_each_rule_can_be_cleared(rule: Rule) -> None:
    """That one, and no other."""
    cleared = change_rules(FULL, RuleChanges(cleared=frozenset({rule})))
    changed = [item.name for item in fields(Rules) if getattr(cleared, item.name) != getattr(FULL, item.name)]
    assert len(changed) == 1
    assert getattr(cleared, changed[0]) == getattr(NO_RULES, changed[0])


def test_all_can_be_cleared() -> None:
    """No rule is without a name."""
    assert change_rules(FULL, RuleChanges(cleared=frozenset(Rule))) == NO_RULES


def test_clearing_comes_before_adding() -> None:
    """So that a list can be replaced in one step."""
    changes = RuleChanges(cleared=frozenset({Rule.ALLOW, Rule.COOLDOWN}), allowed=("numpy",), cooldown=2 * DAY)
    changed = change_rules(FULL, changes)
    assert (changed.allowed, changed.cooldown) == (("numpy",), 2 * DAY)


def test_no_time_is_no_cooldown() -> None:
    """0 switches it off."""
    assert change_rules(FULL, RuleChanges(cooldown=timedelta(0))).cooldown is None


def test_a_change_that_makes_no_sense_is_refused() -> None:
    """As the rules would be."""
    with pytest.raises(InvalidRequest):
        change_rules(NO_RULES, RuleChanges(denied=("a[b]",)))
