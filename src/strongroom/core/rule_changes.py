"""What somebody wants changed about an index's rules, and what they are afterwards.

What may stand in rules is decided by `rule_text.py`, who may change them by
`services/indexes.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from strongroom.core.rule_text import check_rules
from strongroom.core.rules import NO_RULES, Rules


class Rule(StrEnum):
    """A rule by the name under which it can be cleared."""

    COOLDOWN = "cooldown"
    ALLOW = "allow"
    DENY = "deny"
    SDISTS = "sdists"
    YANKED = "yanked"
    PLATFORM = "platform"
    MAX_SIZE = "max-size"
    LICENCE = "licence"
    UNKNOWN_LICENCES = "unknown-licences"


_FIELDS = {
    Rule.COOLDOWN: "cooldown",
    Rule.ALLOW: "allowed",
    Rule.DENY: "denied",
    Rule.SDISTS: "takes_sdists",
    Rule.YANKED: "takes_yanked",
    Rule.PLATFORM: "platforms",
    Rule.MAX_SIZE: "max_size_bytes",
    Rule.LICENCE: "licences",
    Rule.UNKNOWN_LICENCES: "takes_unknown_licences",
}


@dataclass(frozen=True, slots=True)
class RuleChanges:
    """What to change: `cleared` rules are switched off first, then lists grow and the rest is set.

    None leaves a setting as it is; a cooldown of no length switches it off.
    """

    cleared: frozenset[Rule] = frozenset()
    cooldown: timedelta | None = None
    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    takes_sdists: bool | None = None
    takes_yanked: bool | None = None
    platforms: tuple[str, ...] = ()
    max_size_bytes: int | None = None
    licences: tuple[str, ...] = ()
    takes_unknown_licences: bool | None = None


def change_rules(rules: Rules, changes: RuleChanges) -> Rules:
    """Return the rules after the changes, each part in its canonical writing; raises `InvalidRequest`."""
    switched_off = {_FIELDS[rule]: getattr(NO_RULES, _FIELDS[rule]) for rule in changes.cleared}
    kept = replace(rules, **switched_off)
    plain = ("cooldown", "takes_sdists", "takes_yanked", "max_size_bytes", "takes_unknown_licences")
    given = {name: getattr(changes, name) for name in plain if getattr(changes, name) is not None}
    return check_rules(
        replace(
            kept,
            **given,
            allowed=kept.allowed + changes.allowed,
            denied=kept.denied + changes.denied,
            platforms=kept.platforms + changes.platforms,
            licences=kept.licences + changes.licences,
        )
    )
