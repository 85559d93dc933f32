"""The one function that decides, by exact tables and by properties."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.access import (
    ADMINISTRATOR_GRANTS,
    ALL_RIGHTS,
    ANONYMOUS,
    SERVER,
    Grant,
    IndexTarget,
    Operator,
    Principal,
    ProjectTarget,
    Right,
    Scope,
    Server,
    Signed,
    Target,
    allows,
    demand,
    demand_upload,
    describe,
    describe_grant,
    describe_target,
    judge_presence,
    may_somewhere,
    sign_in,
)
from strongroom.core.errors import Forbidden, NotFound, Unauthenticated
from strongroom.core.names import EVERY_PROJECT, IndexName, ProjectName, ProjectPattern, TokenId, UserName
from strongroom.core.policy import ALLOW, Allow, Refuse
from tests.factories import a_grant, a_scope, a_token, a_user
from tests.fakes import START

MAIN, STAGING = IndexName("main"), IndexName("staging")
BOB = UserName("bob")
TOKEN = TokenId("A" * 16)
CLOSED: frozenset[IndexName] = frozenset()

DEMO = ProjectTarget(MAIN, ProjectName("demo"))
ACME = ProjectTarget(MAIN, ProjectName("acme-web"))
ACME_STAGING = ProjectTarget(STAGING, ProjectName("acme-web"))
IN_MAIN, IN_STAGING = IndexTarget(MAIN), IndexTarget(STAGING)
TARGETS: tuple[Target, ...] = (SERVER, IN_MAIN, IN_STAGING, DEMO, ACME, ACME_STAGING)

COVERED = [
    (a_grant(Right.READ), Right.READ, {SERVER, IN_MAIN, IN_STAGING, DEMO, ACME, ACME_STAGING}),
    (a_grant(Right.READ), Right.UPLOAD, set()),
    (a_grant(Right.READ, index="main"), Right.READ, {IN_MAIN, DEMO, ACME}),
    (a_grant(Right.READ, index="main", projects="acme-*"), Right.READ, {IN_MAIN, ACME}),
    (a_grant(Right.READ, projects="acme-*"), Right.READ, {IN_MAIN, IN_STAGING, ACME, ACME_STAGING}),
    (a_grant(Right.READ, projects="acme"), Right.READ, {IN_MAIN, IN_STAGING}),
    (a_grant(Right.UPLOAD, index="main"), Right.UPLOAD, {IN_MAIN, DEMO, ACME}),
    (a_grant(Right.UPLOAD, index="main", projects="demo"), Right.UPLOAD, {DEMO}),
    (a_grant(Right.MANAGE, projects="de?o"), Right.MANAGE, {DEMO}),
    (a_grant(Right.ADMINISTER), Right.DELETE, set(TARGETS)),
    (a_grant(Right.ADMINISTER, index="main"), Right.ADMINISTER, {IN_MAIN, DEMO, ACME}),
    (a_grant(Right.ADMINISTER, projects="acme-*"), Right.ADMINISTER, {ACME, ACME_STAGING}),
    (a_grant(), Right.READ, set()),
]


@pytest.mark.parametrize(("grant", "right", "covered"), COVERED)
def test_a_grant_covers_exactly_these_targets(grant: Grant, right: Right, covered: set[Target]) -> None:
    """What a grant covers, and, as important, what it does not."""
    assert {target for target in TARGETS if grant.covers(right, target)} == covered


def signed(*grants: Grant, scope: Scope | None = None) -> Signed:
    """Make Bob, with a token if there is a scope."""
    if scope is None:
        return Signed(user=BOB, grants=grants)
    return Signed(user=BOB, grants=grants, token_id=TOKEN, scope=scope.grants())


VERDICTS: list[tuple[Principal, Right, Target, frozenset[IndexName], str]] = [
    (ANONYMOUS, Right.READ, DEMO, CLOSED, "unauthenticated"),
    (ANONYMOUS, Right.READ, DEMO, frozenset({MAIN}), ""),
    (ANONYMOUS, Right.READ, IN_MAIN, frozenset({MAIN}), ""),
    (ANONYMOUS, Right.READ, IN_STAGING, frozenset({MAIN}), "unauthenticated"),
    (ANONYMOUS, Right.UPLOAD, DEMO, frozenset({MAIN}), "unauthenticated"),
    (ANONYMOUS, Right.READ, SERVER, frozenset({MAIN}), "unauthenticated"),
    (Operator("root"), Right.ADMINISTER, SERVER, CLOSED, ""),
    (signed(), Right.READ, DEMO, CLOSED, "forbidden"),
    (signed(), Right.READ, DEMO, frozenset({MAIN}), ""),
    (signed(a_grant(Right.READ)), Right.READ, DEMO, CLOSED, ""),
    (signed(a_grant(Right.READ), scope=a_scope(Right.READ)), Right.READ, DEMO, CLOSED, ""),
    (signed(a_grant(Right.READ), scope=a_scope(Right.UPLOAD)), Right.READ, DEMO, CLOSED, "token-scope"),
    (signed(a_grant(Right.READ), scope=a_scope(Right.UPLOAD)), Right.UPLOAD, DEMO, CLOSED, "forbidden"),
    (signed(*ADMINISTRATOR_GRANTS, scope=a_scope(Right.READ)), Right.ADMINISTER, SERVER, CLOSED, "token-scope"),
    (signed(*ADMINISTRATOR_GRANTS, scope=a_scope(Right.ADMINISTER)), Right.DELETE, ACME, CLOSED, ""),
    (
        signed(a_grant(Right.READ), scope=a_scope(Right.READ, indexes=["main"], projects=["acme-*"])),
        Right.READ,
        DEMO,
        CLOSED,
        "token-scope",
    ),
]


@pytest.mark.parametrize(("principal", "right", "target", "open_to_all", "code"), VERDICTS)
def test_allows_decides_by_the_table(
    principal: Principal, right: Right, target: Target, *, open_to_all: frozenset[IndexName], code: str
) -> None:
    """Each kind of principal is allowed, or refused with its own code."""
    verdict = allows(principal, right, target=target, open_indexes=open_to_all)
    assert (verdict.code if isinstance(verdict, Refuse) else "") == code


def test_demand_returns_when_it_is_allowed() -> None:
    """Nothing happens to those who may."""
    demand(signed(a_grant(Right.READ)), Right.READ, target=DEMO, open_indexes=CLOSED)


def test_demand_asks_nobody_for_credentials() -> None:
    """Without credentials the answer is to send some, whatever the target."""
    with pytest.raises(Unauthenticated) as raised:
        demand(ANONYMOUS, Right.READ, target=DEMO, open_indexes=CLOSED)
    assert raised.value.code == "unauthenticated"


def test_demand_hides_what_may_not_be_read() -> None:
    """What one may not read does not exist, whichever right was asked for."""
    for right in Right:
        with pytest.raises(NotFound) as raised:
            demand(signed(), right, target=DEMO, open_indexes=CLOSED)
        assert raised.value.code == "not-found"
        assert "demo" not in raised.value.sentence


def test_demand_forbids_what_may_be_read_but_not_done() -> None:
    """Who may read the target is told that he lacks the right."""
    with pytest.raises(Forbidden) as raised:
        demand(signed(a_grant(Right.READ)), Right.DELETE, target=DEMO, open_indexes=CLOSED)
    assert raised.value.code == "forbidden"


def test_demand_forbids_the_server_itself_openly() -> None:
    """That there is a server is no secret: 403, not 404."""
    with pytest.raises(Forbidden):
        demand(signed(), Right.ADMINISTER, target=SERVER, open_indexes=CLOSED)


def test_an_upload_outside_the_pattern_is_told_so() -> None:
    """Who may upload something hears about his other projects, in the same words whether they exist or not."""
    principal = signed(a_grant(Right.UPLOAD, index="main", projects="acme-*"))
    demand_upload(principal, ACME, open_indexes=CLOSED)
    with pytest.raises(Forbidden):
        demand_upload(principal, DEMO, open_indexes=CLOSED)


def test_an_upload_without_any_right_is_hidden_or_forbidden() -> None:
    """Who may upload nothing is told so if he may read the index, and sees nothing otherwise."""
    with pytest.raises(NotFound):
        demand_upload(signed(), DEMO, open_indexes=CLOSED)
    with pytest.raises(Forbidden):
        demand_upload(signed(a_grant(Right.READ)), DEMO, open_indexes=CLOSED)
    with pytest.raises(Unauthenticated):
        demand_upload(ANONYMOUS, DEMO, open_indexes=CLOSED)


SOMEWHERE: list[tuple[Principal, bool]] = [
    (Operator("root"), True),
    (ANONYMOUS, False),
    (signed(), False),
    (signed(a_grant(Right.READ)), False),
    (signed(a_grant(Right.UPLOAD)), True),
    (signed(a_grant(Right.ADMINISTER)), True),
    (signed(a_grant(Right.UPLOAD, index="staging")), False),
    (signed(a_grant(Right.UPLOAD, index="main", projects="acme-*")), True),
    (signed(a_grant(Right.UPLOAD), scope=a_scope(Right.READ)), False),
    (signed(a_grant(Right.UPLOAD), scope=a_scope(Right.UPLOAD, indexes=["staging"])), False),
    (signed(a_grant(Right.UPLOAD), scope=a_scope(Right.UPLOAD, indexes=["main"])), True),
]


@pytest.mark.parametrize(("principal", "expected"), SOMEWHERE)
def test_may_somewhere_finds_a_project_that_might_do(principal: Principal, *, expected: bool) -> None:
    """Before the project is known, an upload is refused only if no project of the index would do."""
    assert may_somewhere(principal, Right.UPLOAD, index=MAIN) is expected


PRESENCES: list[tuple[timedelta | None, list[str], str | None, str]] = [
    (None, [], None, ""),
    (timedelta(seconds=1), [], None, ""),
    (timedelta(0), [], None, "token-expired"),
    (timedelta(days=-1), [], "192.0.2.1", "token-expired"),
    (None, ["192.0.2.0/24"], "192.0.2.1", ""),
    (None, ["192.0.2.0/24"], "198.51.100.1", "token-network"),
    (None, ["192.0.2.0/24"], None, "token-network"),
    (None, ["192.0.2.0/24"], "2001:db8::1", "token-network"),
    (None, ["192.0.2.0/24", "2001:db8::/32"], "2001:db8::1", ""),
]


@pytest.mark.parametrize(("left", "networks", "address", "code"), PRESENCES)
def test_a_token_is_good_until_its_end_and_inside_its_networks(
    left: timedelta | None, networks: list[str], address: str | None, *, code: str
) -> None:
    """The last moment of a token is the one before its end; an unknown address is in no network."""
    principal = Signed(
        user=BOB,
        grants=(),
        token_id=TOKEN,
        until=None if left is None else START + left,
        networks=tuple(ip_network(network) for network in networks),
    )
    verdict = judge_presence(principal, START, address=None if address is None else ip_address(address))
    assert (verdict.code if isinstance(verdict, Refuse) else "") == code


@pytest.mark.parametrize("principal", [ANONYMOUS, Operator("root")])
def test_presence_concerns_tokens_only(principal: Principal) -> None:
    """Nobody in particular and the operator have nothing that could expire."""
    assert judge_presence(principal, START, address=None) == ALLOW


def test_signing_in_takes_the_users_grants_and_the_tokens_scope() -> None:
    """A token carries its own end and networks, and its scope beside the grants."""
    grants = (a_grant(Right.READ),)
    token = a_token(scope=a_scope(Right.READ, projects=["acme-*"]))
    principal = sign_in(a_user(), grants, token=token)
    assert principal == Signed(
        user=BOB, grants=grants, token_id=TOKEN, scope=token.scope.grants(), until=token.expires_at
    )
    assert sign_in(a_user(), grants) == Signed(user=BOB, grants=grants)


def test_administrators_hold_everything() -> None:
    """An administrator needs no grants."""
    principal = sign_in(a_user(admin=True), ())
    assert isinstance(principal, Signed)
    assert principal.grants == ADMINISTRATOR_GRANTS


def test_the_disabled_and_the_revoked_do_not_sign_in() -> None:
    """A disabled account shuts its tokens out, too."""
    revoked = replace(a_token(), revoked_at=START)
    refusals = [
        sign_in(a_user(disabled=True, admin=True), ADMINISTRATOR_GRANTS),
        sign_in(a_user(disabled=True), (), token=a_token()),
        sign_in(a_user(), (), token=revoked),
    ]
    assert [refusal.code for refusal in refusals if isinstance(refusal, Refuse)] == [
        "user-disabled",
        "user-disabled",
        "token-revoked",
    ]


def test_principals_targets_and_grants_have_names() -> None:
    """The audit log and the messages name them."""
    assert describe(ANONYMOUS) == "anonymous"
    assert describe(Operator("root")) == "operator:root"
    assert describe(signed()) == "user:bob"
    assert describe(signed(scope=Scope())) == f"user:bob token:{TOKEN}"
    assert describe_target(SERVER) == "this server"
    assert describe_target(IN_MAIN) == "the index 'main'"
    assert describe_target(DEMO) == "the project 'demo' in the index 'main'"
    assert describe_grant(a_grant(Right.UPLOAD, Right.READ)) == "read, upload on every project in every index"
    assert describe_grant(a_grant(Right.READ, index="main", projects="acme-*")) == "read on acme-* in main"


rights = st.sampled_from(Right)
patterns = st.sampled_from([EVERY_PROJECT, *map(ProjectPattern, ("acme-*", "demo", "de?o", "*-web"))])
grants = st.builds(
    Grant,
    rights=st.frozensets(rights),
    index=st.sampled_from([None, MAIN, STAGING]),
    projects=patterns,
)
scopes = st.builds(
    Scope,
    rights=st.frozensets(rights),
    indexes=st.frozensets(st.sampled_from([MAIN, STAGING])),
    projects=st.lists(patterns, max_size=2).map(tuple),
)
targets = st.sampled_from(TARGETS)
held = st.lists(grants, max_size=3).map(tuple)
openings = st.frozensets(st.sampled_from([MAIN, STAGING]))


@given(held, scopes, rights, targets, openings)
def test_a_token_never_allows_what_its_owner_may_not(
    held: tuple[Grant, ...], scope: Scope, right: Right, target: Target, openings: frozenset[IndexName]
) -> None:
    """A token narrows what its owner may do, and never widens it."""
    by_token = allows(signed(*held, scope=scope), right, target=target, open_indexes=openings)
    by_owner = allows(signed(*held), right, target=target, open_indexes=openings)
    assert not isinstance(by_token, Allow) or isinstance(by_owner, Allow)


@given(rights, targets, openings)
def test_deny_by_default(right: Right, target: Target, openings: frozenset[IndexName]) -> None:
    """Without a grant nothing is allowed but reading an index that is open to all."""
    is_open = right is Right.READ and not isinstance(target, Server) and target.index in openings
    for principal in (ANONYMOUS, signed(), signed(scope=Scope(rights=ALL_RIGHTS))):
        assert isinstance(allows(principal, right, target=target, open_indexes=openings), Allow) is is_open


@given(held, grants, rights, targets)
def test_another_grant_never_takes_a_right_away(
    held: tuple[Grant, ...], more: Grant, right: Right, target: Target
) -> None:
    """Grants only add."""
    if isinstance(allows(signed(*held), right, target=target, open_indexes=CLOSED), Allow):
        assert isinstance(allows(signed(*held, more), right, target=target, open_indexes=CLOSED), Allow)


@given(held, scopes, rights, st.sampled_from([DEMO, ACME, ACME_STAGING]))
def test_what_is_allowed_on_a_project_is_held_somewhere(
    held: tuple[Grant, ...], scope: Scope, right: Right, target: ProjectTarget
) -> None:
    """`may_somewhere` may say yes too often, never no."""
    for principal in (signed(*held), signed(*held, scope=scope)):
        if isinstance(allows(principal, right, target=target, open_indexes=CLOSED), Allow):
            assert may_somewhere(principal, right, index=target.index)
