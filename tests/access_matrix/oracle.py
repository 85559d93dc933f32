"""Who may do what, written a second time: from DESIGN (promise 4) and the issue, knowing nothing of `core/access.py`.

Reading needs a right too. `administer` implies all rights, no other right implies one.
A grant holds on one index or on all, for the projects that its pattern matches; one for
some projects lets its holder read the index as a whole (and see those), no more. A token
never does more than both its owner and its own scope allow. To nobody: 401. What one may
not read answers 404, like what is missing. What one may read and not change: 403.
"""

from __future__ import annotations

from dataclasses import dataclass

OPEN_INDEXES = {"open"}
EXISTING_INDEXES = {"main", "open", "staging"}
EXISTING_PROJECTS = {f"{kind}-{index}" for kind in ("own", "secret") for index in EXISTING_INDEXES}
SERVER = None
PROMOTED_FROM, PROMOTED_INTO = "main", "staging"
"""Between which indexes the world's promotions go."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Rights on an index (None: every index) for the projects of a pattern that ends in `*` or has none."""

    rights: frozenset[str]
    index: str | None = None
    pattern: str = "*"


@dataclass(frozen=True, slots=True)
class Who:
    """An identity as the oracle sees it. `state`: good, nobody, bad (credentials) or network (a forbidden one)."""

    state: str
    user: str = ""
    held: tuple[Rule, ...] = ()
    scope: tuple[Rule, ...] | None = None
    is_bound: bool = False
    """The token may be used from some networks only."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a route needs: a right on something, or a rule of its own (`on` says which)."""

    on: str
    right: str = "administer"


@dataclass(frozen=True, slots=True)
class Target:
    """What a request names; `own` says whether the user or token in it is the caller's."""

    index: str = "main"
    project: str | None = None
    exists: bool = True
    own: bool = False
    source: str = PROMOTED_FROM
    """Where a promotion comes from; `index` and `project` are where it goes to."""


def expect(who: Who, demand: Demand, *, target: Target) -> set[str]:
    """Return the outcomes that are right: ok, 401, 403, 404."""
    if demand.on == "public":
        return {"ok"}
    if who.state in {"bad", "network"}:
        return {"401"} if who.state == "bad" else {"403"}
    if demand.on in {"index", "project"}:
        return _on_place(who, target, right=demand.right)
    if demand.on == "explanation":
        return _on_explanation(who, target)
    if who.state == "nobody":
        return {"401"}
    if demand.on == "upload":
        return _on_upload(who, target)
    if demand.on == "promote":
        return _on_new_promotion(who, target)
    if demand.on in {"promotion", "promotion-decision"}:
        return _on_promotion(who, target, right=demand.right)
    if demand.on.startswith("exemption"):
        return _on_exemption(who, target, on=demand.on)
    return _on_account(who, target, on=demand.on)


def may(who: Who, right: str, *, index: str | None, project: str | None = None) -> bool:
    """Return whether the identity holds the right."""
    if right == "read" and index in OPEN_INDEXES:
        return who.state in {"good", "nobody"}
    if who.state != "good":
        return False
    return all(
        _covered(rules, right, index=index, project=project) for rules in (who.held, who.scope) if rules is not None
    )


def _on_place(who: Who, target: Target, *, right: str) -> set[str]:
    project = target.project
    if who.state == "nobody" and not (right == "read" and target.index in OPEN_INDEXES):
        return {"401"}
    if target.index not in EXISTING_INDEXES:
        return {"404"}
    there = project is None or project in EXISTING_PROJECTS
    if may(who, right, index=target.index, project=project):
        return {"ok"} if there else {"404"}
    if not may(who, "read", index=target.index, project=project):
        return {"404"}
    return {"403"} if there else {"403", "404"}


def _on_explanation(who: Who, target: Target) -> set[str]:
    """Whoever may read a project of that name hears why it is there or not; for all others it is missing."""
    found = _on_place(who, target, right="read")
    is_told = target.index in EXISTING_INDEXES and may(who, "read", index=target.index, project=target.project)
    return {"ok"} if is_told else found


def _on_upload(who: Who, target: Target) -> set[str]:
    """Who may upload something to an index hears 403 about its other projects, whether they exist or not."""
    if target.index not in EXISTING_INDEXES:
        return {"404"}
    rules = [rules for rules in (who.held, who.scope) if rules is not None]
    if all(any(_has(rule, "upload") and rule.index in (None, target.index) for rule in some) for some in rules):
        return {"ok"} if may(who, "upload", index=target.index, project=target.project) else {"403"}
    return {"403"} if may(who, "read", index=target.index) else {"404"}


def _on_new_promotion(who: Who, target: Target) -> set[str]:
    """Read the source and upload to the target: only then one hears what is missing."""
    if not may(who, "read", index=target.source, project=target.project):
        return {"404"}
    there = {target.source, target.index} <= EXISTING_INDEXES and target.project in EXISTING_PROJECTS
    rules = [rules for rules in (who.held, who.scope) if rules is not None]
    uploads = all(any(_has(rule, "upload") and rule.index in (None, target.index) for rule in some) for some in rules)
    if may(who, "upload", index=target.index, project=target.project):
        return {"ok"} if there else {"404"}
    return {"403"} if uploads or may(who, "read", index=target.index) else {"404"}


def _on_promotion(who: Who, target: Target, *, right: str) -> set[str]:
    """Whoever reads the source and may do something in the target sees it; only managers of the target decide."""
    place = {"index": target.index, "project": target.project}
    takes_part = any(may(who, part, **place) for part in ("read", "upload", "manage"))
    if not target.exists or not takes_part or not may(who, "read", index=target.source, project=target.project):
        return {"404"}
    if right == "read" or may(who, right, **place):
        return {"ok"}
    return {"403"} if may(who, "read", **place) else {"404"}


def _on_exemption(who: Who, target: Target, *, on: str) -> set[str]:
    """Who signed in and reads the project asks and sees; who manages the whole index decides about what he sees."""
    project = None if on == "exemption-list" else target.project
    there = target.index in EXISTING_INDEXES and target.exists
    if not there or not may(who, "read", index=target.index, project=project):
        return {"404"}
    if on == "exemption-decision" and not may(who, "manage", index=target.index):
        return {"403"}
    return {"ok"}


def _on_account(who: Who, target: Target, *, on: str) -> set[str]:
    administers = may(who, "administer", index=SERVER)
    if on == "signed":
        return {"ok"}
    if administers:
        widens = on == "own-rotation" and who.is_bound and not target.own
        return {"404"} if not target.exists else {"403"} if widens else {"ok"}
    if on == "own-user" and target.own:
        return {"ok"}
    if on == "own-password" and target.own:
        return {"ok"} if who.scope is None else {"403"}
    if on in {"own-token", "own-rotation"}:
        return {"ok"} if target.own else {"404"}
    return {"403"}


def _covered(rules: tuple[Rule, ...], right: str, *, index: str | None, project: str | None) -> bool:
    return any(_has(rule, right) and _reaches(rule, right, index=index, project=project) for rule in rules)


def _has(rule: Rule, right: str) -> bool:
    return right in rule.rights or "administer" in rule.rights


def _reaches(rule: Rule, right: str, *, index: str | None, project: str | None) -> bool:
    if index is SERVER:
        return rule.index is None and rule.pattern == "*"
    if rule.index not in (None, index):
        return False
    if project is None:
        return right == "read" or rule.pattern == "*"
    if rule.pattern.endswith("*"):
        return project.startswith(rule.pattern[:-1])
    return project == rule.pattern
