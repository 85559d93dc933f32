"""What a new token may carry."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.access import ALL_RIGHTS, TOKEN_RIGHTS, Grant, Right, Scope, Token
from strongroom.core.delegation import (
    DEFAULT_LIFETIME,
    LONGEST_LIFETIME,
    TokenRequest,
    earliest,
    judge_child,
    judge_lifetime,
    judge_usefulness,
    pattern_contains,
    plan_token,
    token_issued,
    within,
)
from strongroom.core.names import IndexName, ProjectPattern, TokenId, UserName
from strongroom.core.policy import ALLOW, Refuse, Verdict
from tests.factories import a_grant, a_scope, a_token
from tests.fakes import START

BOB, MAIN = UserName("bob"), IndexName("main")
NEW = TokenId("B" * 16)
ACME = ProjectPattern("acme-*")


def code_of(verdict: Verdict) -> str:
    """Return the refusal's code, or nothing."""
    return verdict.code if isinstance(verdict, Refuse) else ""


def plan(wanted: TokenRequest, parent: Token | None = None) -> Token:
    """Plan a token now."""
    return plan_token(wanted, parent, token_id=NEW, digest=b"d", now=START)


def a_parent(scope: Scope, *, networks: tuple[str, ...] = (), days: int | None = 30) -> Token:
    """Make the token that somebody comes with."""
    return replace(
        a_token(scope=scope),
        networks=tuple(ip_network(network) for network in networks),
        expires_at=None if days is None else START + timedelta(days=days),
    )


def test_a_token_reads_and_uploads_for_ninety_days_if_nothing_is_said() -> None:
    """The defaults of `token create`."""
    assert plan(TokenRequest(BOB, label="ci")) == Token(
        token_id=NEW,
        owner=BOB,
        label="ci",
        digest=b"d",
        scope=Scope(rights=TOKEN_RIGHTS),
        created_at=START,
        expires_at=START + timedelta(days=90),
        parent=None,
    )


def test_a_token_can_be_made_for_ever() -> None:
    """Without a lifetime there is no end; whether one may is judged elsewhere."""
    assert plan(TokenRequest(BOB, lifetime=None)).expires_at is None


def test_what_is_left_open_comes_from_the_parent() -> None:
    """A token asked for with a token is as narrow as that one without being told."""
    parent = a_parent(a_scope(Right.READ, indexes=["main"], projects=["acme-*"]), networks=("10.0.0.0/8",))
    child = plan(TokenRequest(BOB), parent)
    assert child.scope == parent.scope
    assert child.networks == parent.networks
    assert child.parent == parent.token_id
    assert child.expires_at == parent.expires_at
    assert judge_child(child, parent) == ALLOW


def test_the_usual_rights_are_kept_by_an_administrators_token() -> None:
    """`administer` implies the usual rights, so they are what one gets."""
    parent = a_parent(a_scope(Right.ADMINISTER))
    assert plan(TokenRequest(BOB), parent).scope.rights == TOKEN_RIGHTS


def test_a_parent_without_the_usual_rights_passes_on_its_own() -> None:
    """A token that only yanks makes one that only yanks."""
    parent = a_parent(a_scope(Right.YANK))
    assert plan(TokenRequest(BOB), parent).scope.rights == {Right.YANK}


def test_what_is_asked_for_is_not_narrowed_silently() -> None:
    """An explicit wish stays, to be refused with a sentence."""
    parent = a_parent(a_scope(Right.READ))
    wanted = TokenRequest(BOB, rights=frozenset({Right.UPLOAD}), lifetime=timedelta(days=60))
    child = plan(wanted, parent)
    assert child.scope.rights == {Right.UPLOAD}
    assert child.expires_at == START + timedelta(days=60)


CHILDREN: list[tuple[Scope, tuple[str, ...], int | None, str]] = [
    (a_scope(Right.READ, indexes=["main"], projects=["acme-*"]), ("10.0.0.0/8",), 30, ""),
    (a_scope(Right.READ, indexes=["main"], projects=["acme-web", "acme-x-*"]), ("10.1.0.0/16", "10.2.0.0/16"), 1, ""),
    (a_scope(Right.READ, Right.UPLOAD, indexes=["main"], projects=["acme-*"]), ("10.0.0.0/8",), 30, "may do more"),
    (a_scope(Right.READ, indexes=["staging"], projects=["acme-*"]), ("10.0.0.0/8",), 30, "may do more"),
    (a_scope(Right.READ, projects=["acme-*"]), ("10.0.0.0/8",), 30, "may do more"),
    (a_scope(Right.READ, indexes=["main"]), ("10.0.0.0/8",), 30, "may do more"),
    (a_scope(Right.READ, indexes=["main"], projects=["acme-*", "demo"]), ("10.0.0.0/8",), 30, "may do more"),
    (a_scope(Right.READ, indexes=["main"], projects=["acme-*"]), ("10.0.0.0/8",), 31, "outlive"),
    (a_scope(Right.READ, indexes=["main"], projects=["acme-*"]), ("10.0.0.0/8",), None, "outlive"),
    (a_scope(Right.READ, indexes=["main"], projects=["acme-*"]), (), 30, "networks"),
    (a_scope(Right.READ, indexes=["main"], projects=["acme-*"]), ("10.0.0.0/7",), 30, "networks"),
    (a_scope(Right.READ, indexes=["main"], projects=["acme-*"]), ("11.0.0.0/8",), 30, "networks"),
    (a_scope(Right.READ, indexes=["main"], projects=["acme-*"]), ("2001:db8::/64",), 30, "networks"),
    (a_scope(Right.READ, indexes=["main"], projects=["acme-*"]), ("10.1.0.0/16", "0.0.0.0/0"), 30, "networks"),
]


@pytest.mark.parametrize(("scope", "networks", "days", "complaint"), CHILDREN)
def test_a_child_never_exceeds_its_parent(
    scope: Scope, networks: tuple[str, ...], days: int | None, complaint: str
) -> None:
    """In rights, indexes, projects, time and networks; the refusal says which."""
    parent = a_parent(a_scope(Right.READ, indexes=["main"], projects=["acme-*"]), networks=("10.0.0.0/8",))
    verdict = judge_child(a_parent(scope, networks=networks, days=days), parent)
    assert code_of(verdict) == ("token-exceeds" if complaint else "")
    assert complaint in (verdict.reason if isinstance(verdict, Refuse) else "")


def test_a_parent_without_end_or_networks_binds_nothing() -> None:
    """What the parent leaves open, the child may choose."""
    parent = a_parent(a_scope(Right.READ), days=None)
    assert judge_child(a_parent(a_scope(Right.READ), networks=("10.0.0.0/8",), days=None), parent) == ALLOW
    assert judge_child(a_parent(a_scope(Right.READ), days=9999), parent) == ALLOW


def test_administer_contains_every_right() -> None:
    """A token that may administer may make any other, but none wider than its place."""
    assert within(a_scope(*ALL_RIGHTS), a_scope(Right.ADMINISTER))
    assert not within(a_scope(Right.ADMINISTER), a_scope(*(ALL_RIGHTS - {Right.ADMINISTER})))
    assert not within(a_scope(Right.READ), a_scope(Right.ADMINISTER, indexes=["main"]))


@pytest.mark.parametrize(
    ("lifetime", "code"),
    [
        (DEFAULT_LIFETIME, ""),
        (LONGEST_LIFETIME, ""),
        (LONGEST_LIFETIME + timedelta(seconds=1), "token-lifetime"),
        (None, "token-lifetime"),
    ],
)
def test_a_year_is_the_longest_for_ordinary_users(lifetime: timedelta | None, code: str) -> None:
    """More, or no end at all, takes an administrator."""
    assert code_of(judge_lifetime(lifetime)) == code


USES: list[tuple[tuple[Grant, ...], Scope, str]] = [
    ((a_grant(Right.READ),), a_scope(Right.READ), ""),
    ((a_grant(Right.ADMINISTER),), a_scope(Right.DELETE), ""),
    ((a_grant(Right.READ),), a_scope(Right.UPLOAD), "bob may not upload anywhere"),
    ((), a_scope(Right.READ), "bob may not read anywhere"),
    ((a_grant(Right.READ, index="main"),), a_scope(Right.READ), ""),
    ((a_grant(Right.READ, index="main"),), a_scope(Right.READ, indexes=["main", "staging"]), ""),
    (
        (a_grant(Right.READ, index="main"),),
        a_scope(Right.READ, indexes=["staging"]),
        "bob may not read any project in staging",
    ),
    ((a_grant(Right.READ, projects="acme-*"),), a_scope(Right.READ, projects=["acme-web"]), ""),
    ((a_grant(Right.READ, projects="acme-web"),), a_scope(Right.READ, projects=["acme-*"]), ""),
    ((a_grant(Right.READ, projects="acme-*"),), a_scope(Right.READ, projects=["*-web"]), ""),
    (
        (a_grant(Right.READ, projects="acme-*"),),
        a_scope(Right.READ, projects=["demo"]),
        "bob may not read demo in any index",
    ),
]


@pytest.mark.parametrize(("held", "scope", "complaint"), USES)
def test_a_right_that_the_owner_has_nowhere_is_refused(held: tuple[Grant, ...], scope: Scope, complaint: str) -> None:
    """A token that could never do what it was made for is a mistake, and the sentence says so."""
    verdict = judge_usefulness(a_token(scope=scope), scope.rights, held=held)
    assert code_of(verdict) == ("token-right" if complaint else "")
    assert complaint in (verdict.reason if isinstance(verdict, Refuse) else "")


@pytest.mark.parametrize(
    ("outer", "inner", "contains"),
    [
        ("*", "anything-*", True),
        ("acme-*", "acme-*", True),
        ("acme-*", "acme-web-*", True),
        ("acme-*", "acme-web", True),
        ("acme-web", "acme-*", False),
        ("acme-*", "*", False),
        ("a?c", "abc", True),
        ("a?c", "a*c", False),
        ("a?c", "a?c", True),
        ("a*c", "a?c", True),
    ],
)
def test_a_pattern_contains_a_narrower_one(outer: str, inner: str, *, contains: bool) -> None:
    """A wildcard of the inner pattern is only contained in one that takes as much."""
    assert pattern_contains(ProjectPattern(outer), ProjectPattern(inner)) is contains


globs = st.text("ab*?", min_size=1, max_size=5)
fillings = st.lists(st.text("ab*?", max_size=3), min_size=5, max_size=5)
letters = st.lists(st.text("ab", max_size=3), min_size=15, max_size=15)


def filled(pattern: str, fillings: list[str]) -> str:
    """Put the next filling in place of each wildcard; of a `?`, its first character."""
    parts = iter(fillings)
    return "".join(next(parts) if sign == "*" else (next(parts) or "a")[0] if sign == "?" else sign for sign in pattern)


@given(globs, fillings, letters)
def test_a_containing_pattern_matches_whatever_the_contained_one_does(
    outer: str, fillings: list[str], letters: list[str]
) -> None:
    """`pattern_contains` never says yes wrongly."""
    inner = filled(outer, fillings)
    name = filled(inner, letters)
    assert fnmatchcase(name, inner)
    if pattern_contains(ProjectPattern(outer), ProjectPattern(inner)):
        assert fnmatchcase(name, outer)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [(None, None, None), (START, None, START), (None, START, START), (START, START + timedelta(1), START)],
)
def test_the_earlier_end_counts(one: datetime | None, other: datetime | None, expected: datetime | None) -> None:
    """No end is later than any."""
    assert earliest(one, other) == expected


def test_the_event_tells_scope_and_end_but_no_secret() -> None:
    """The audit log says what the token is good for, and what it replaces."""
    token = replace(a_token(scope=a_scope(Right.READ, indexes=["main"])), digest=b"\xff" * 32)
    event = token_issued(token, replaces=NEW)
    assert event.scope == ("read on every project in main",)
    assert event.expires_at == (START + timedelta(days=90)).isoformat()
    assert event.replaces == NEW
    assert event.networks == ()
    assert "ff" not in repr(event)
    assert token_issued(replace(token, expires_at=None)).expires_at == "never"


def test_the_event_tells_the_networks() -> None:
    """As CIDRs, of either family, in their order."""
    networks = (ip_network("2001:db8::/32"), ip_network("10.0.0.0/8"))
    assert token_issued(replace(a_token(), networks=networks)).networks == ("2001:db8::/32", "10.0.0.0/8")
