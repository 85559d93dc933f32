"""Tokens: made, listed and revoked. Rotation is tested in `test_token_rotation.py`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest

from strongroom.core.access import TOKEN_RIGHTS, Grant, Right, Scope
from strongroom.core.caller import Caller
from strongroom.core.delegation import TokenRequest
from strongroom.core.errors import Conflict, Forbidden, InvalidRequest, NotFound, Unauthenticated
from strongroom.core.events import TokenIssued, TokenRevoked
from strongroom.core.names import EVERY_PROJECT, IndexName, ProjectPattern, TokenId, parse_user_name
from strongroom.core.tokens import find_token_text, secret_digest
from strongroom.services.tokens import Tokens
from tests.factories import (
    MAIN,
    NOBODY,
    OPERATOR,
    STAGING,
    a_caller,
    a_grant,
    a_scope,
    a_token,
    a_token_caller,
    a_user,
    an_administrator,
    an_index,
)
from tests.fakes import START
from tests.services.house import House, wait

BOB, EVE = parse_user_name("bob"), parse_user_name("eve")
MEMBER = a_grant(Right.READ, Right.UPLOAD)
UNKNOWN = TokenId("Z" * 16)


@pytest.fixture
def house() -> House:
    """Provide a house with two indexes, the members Bob and Eve, and the disabled Dan."""
    house = House()
    house.add_index(an_index("main"))
    house.add_index(an_index("staging"))
    house.add_user(a_user("ada", admin=True))
    house.add_user(a_user("bob"), MEMBER)
    house.add_user(a_user("eve"), MEMBER)
    house.add_user(a_user("dan", disabled=True), MEMBER)
    return house


def tokens(house: House) -> Tokens:
    """Make the service."""
    return Tokens(house.catalog, house.secrets, house.clock)


def test_a_token_is_shown_once_and_kept_as_a_digest(house: House) -> None:
    """The row holds the keyed digest of the secret, the event neither."""
    issued = wait(tokens(house).issue(OPERATOR, TokenRequest(BOB, label=" my\nci ")))
    text = issued.text.render()
    held = find_token_text(text)
    assert held is not None
    row = house.look(lambda tx: tx.tokens.find(held.token_id))
    assert row == issued.token
    assert row.digest == secret_digest(house.secrets.derive_key("tokens"), held.secret)
    assert (row.owner, row.label, row.scope) == (BOB, "my ci", Scope(rights=TOKEN_RIGHTS))
    assert row.expires_at == START + timedelta(days=90)
    (entry,) = house.entries()
    assert entry.actor == OPERATOR.actor
    assert entry.event == TokenIssued(
        token=held.token_id,
        owner=BOB,
        label="my ci",
        scope=("read, upload on every project in every index",),
        expires_at=(START + timedelta(days=90)).isoformat(),
    )
    assert row.parent is None
    assert held.secret not in repr((row, issued, entry))


def test_no_two_tokens_are_alike(house: House) -> None:
    """Neither id nor secret is ever given twice."""
    issued = [wait(tokens(house).issue(OPERATOR, TokenRequest(BOB))) for _ in range(3)]
    assert len({one.token.token_id for one in issued}) == 3
    assert len({one.token.digest for one in issued}) == 3


def test_a_user_makes_tokens_for_himself(house: House) -> None:
    """Signed in, within what he may, up to a year."""
    wanted = TokenRequest(
        BOB,
        rights=frozenset({Right.READ}),
        indexes=frozenset({MAIN}),
        projects=(ProjectPattern("acme-*"),),
        networks=(ip_network("10.0.0.0/8"),),
        lifetime=timedelta(days=365),
    )
    token = wait(tokens(house).issue(a_caller("bob", MEMBER), wanted)).token
    assert token.scope == Scope(frozenset({Right.READ}), frozenset({MAIN}), (ProjectPattern("acme-*"),))
    assert token.networks == wanted.networks
    assert token.parent is None
    (event,) = house.events()
    assert isinstance(event, TokenIssued)
    assert event.networks == ("10.0.0.0/8",)


REFUSED: list[tuple[TokenRequest, type[Exception], str]] = [
    (TokenRequest(EVE), Forbidden, "forbidden"),
    (TokenRequest(BOB, lifetime=None), Forbidden, "token-lifetime"),
    (TokenRequest(BOB, lifetime=timedelta(days=367)), Forbidden, "token-lifetime"),
    (TokenRequest(BOB, lifetime=timedelta(0)), InvalidRequest, "token-lifetime"),
    (TokenRequest(BOB, lifetime=timedelta.max), InvalidRequest, "token-lifetime"),
    (TokenRequest(BOB, projects=tuple(map(ProjectPattern, map(str, range(101))))), InvalidRequest, "token-size"),
    (
        TokenRequest(
            BOB,
            indexes=frozenset({MAIN, STAGING}),
            projects=tuple(map(ProjectPattern, map(str, range(51)))),
        ),
        InvalidRequest,
        "token-size",
    ),
    (TokenRequest(BOB, networks=tuple(ip_network(number) for number in range(101))), InvalidRequest, "token-size"),
    (TokenRequest(BOB, rights=frozenset({Right.DELETE})), InvalidRequest, "token-right"),
    (TokenRequest(BOB, rights=frozenset()), InvalidRequest, "token-right"),
    (TokenRequest(BOB, indexes=frozenset({IndexName("nowhere")})), NotFound, "index-unknown"),
    (TokenRequest(BOB, label="x" * 501), InvalidRequest, "text-length"),
]


@pytest.mark.parametrize(("wanted", "error", "code"), REFUSED)
def test_a_request_that_goes_too_far_leaves_no_trace(
    house: House, wanted: TokenRequest, error: type[Exception], code: str
) -> None:
    """Neither a token nor an event."""
    with pytest.raises(error) as raised:
        wait(tokens(house).issue(a_caller("bob", MEMBER), wanted))
    assert getattr(raised.value, "code", "") == code
    assert house.look(lambda tx: tx.tokens.list()) == ()
    assert house.events() == []


def test_the_refused_right_is_named(house: House) -> None:
    """The sentence says who may not do what."""
    with pytest.raises(InvalidRequest, match="bob may not delete anywhere"):
        wait(tokens(house).issue(OPERATOR, TokenRequest(BOB, rights=frozenset({Right.DELETE}))))


def test_the_usual_rights_are_not_checked_against_the_owners(house: House) -> None:
    """A script may make the token first and grant the rights later; the token never widens them."""
    house.add_user(a_user("new"))
    assert wait(tokens(house).issue(OPERATOR, TokenRequest(parse_user_name("new")))).token.scope.rights == TOKEN_RIGHTS


def test_an_index_that_one_may_not_see_looks_missing(house: House) -> None:
    """The sentence is the same for both."""
    caller = a_caller("bob", a_grant(Right.READ, index="main"))
    sentences = set()
    for name in (STAGING, IndexName("nowhere")):
        with pytest.raises(NotFound) as raised:
            wait(tokens(house).issue(caller, TokenRequest(BOB, indexes=frozenset({name}))))
        sentences.add(raised.value.sentence.replace(name, "NAME"))
    assert len(sentences) == 1


@pytest.mark.parametrize("caller", [OPERATOR, an_administrator()])
def test_administrators_make_any_token(house: House, caller: Caller) -> None:
    """For everybody, for ever."""
    assert wait(tokens(house).issue(caller, TokenRequest(EVE, lifetime=None))).token.expires_at is None


def test_nobody_makes_no_token(house: House) -> None:
    """Without credentials the answer is to send some."""
    with pytest.raises(Unauthenticated):
        wait(tokens(house).issue(NOBODY, TokenRequest(BOB)))


@pytest.mark.parametrize(("owner", "error"), [("dan", Conflict), ("ghost", NotFound)])
def test_a_token_needs_an_owner_who_can_use_it(house: House, owner: str, error: type[Exception]) -> None:
    """Neither a disabled user nor an unknown one."""
    with pytest.raises(error):
        wait(tokens(house).issue(OPERATOR, TokenRequest(parse_user_name(owner))))
    assert house.events() == []


def test_a_token_makes_a_narrower_one(house: House) -> None:
    """What is not said comes from the parent, its end too."""
    parent = house.add_token(replace(a_token(scope=a_scope(Right.READ)), expires_at=START + timedelta(days=7)))
    child = wait(tokens(house).issue(a_token_caller(parent, MEMBER), TokenRequest(BOB))).token
    assert child.scope.rights == {Right.READ}
    assert child.expires_at == parent.expires_at
    assert child.parent == parent.token_id
    assert house.look(lambda tx: tx.tokens.find(child.token_id)) == child
    assert house.entries()[0].actor.name == f"user:bob token:{parent.token_id}"


@pytest.mark.parametrize(
    "wanted",
    [
        TokenRequest(BOB, rights=frozenset({Right.UPLOAD})),
        TokenRequest(BOB, lifetime=timedelta(days=8)),
        TokenRequest(BOB, networks=(ip_network("0.0.0.0/0"),)),
        TokenRequest(BOB, indexes=frozenset({STAGING})),
    ],
)
def test_a_token_makes_no_wider_one(house: House, wanted: TokenRequest) -> None:
    """Whatever its owner may."""
    parent = house.add_token(
        replace(
            a_token(scope=a_scope(Right.READ, indexes=["main"])),
            expires_at=START + timedelta(days=7),
            networks=(ip_network("10.0.0.0/8"),),
        )
    )
    caller = a_token_caller(parent, Grant(frozenset({Right.READ, Right.UPLOAD}), None, EVERY_PROJECT))
    with pytest.raises((Forbidden, NotFound)):
        wait(tokens(house).issue(caller, wanted))
    assert house.events() == []


def test_an_administrators_token_is_bound_as_well(house: House) -> None:
    """Even with `administer` a token cannot make one that outlives it."""
    parent = house.add_token(a_token(owner="ada", scope=a_scope(Right.ADMINISTER)))
    caller = a_token_caller(parent, a_grant(Right.ADMINISTER))
    assert wait(tokens(house).issue(caller, TokenRequest(EVE))).token.owner == EVE
    with pytest.raises(Forbidden, match="outlive"):
        wait(tokens(house).issue(caller, TokenRequest(EVE, lifetime=None)))


def test_a_revoked_token_makes_none(house: House) -> None:
    """Even if its bearer was let in a moment before."""
    parent = house.add_token(replace(a_token(), revoked_at=START))
    with pytest.raises(Unauthenticated):
        wait(tokens(house).issue(a_token_caller(parent, MEMBER), TokenRequest(BOB)))
    assert house.events() == []


def test_users_list_their_own_tokens(house: House) -> None:
    """The newest first; administrators see all."""
    first = house.add_token(a_token("A" * 16))
    second = house.add_token(replace(a_token("B" * 16), created_at=START + timedelta(hours=1)))
    foreign = house.add_token(replace(a_token("C" * 16, owner="eve"), created_at=START - timedelta(hours=1)))
    service = tokens(house)
    assert wait(service.list(a_caller("bob"))) == (second, first)
    assert wait(service.list(a_caller("bob"), BOB)) == (second, first)
    assert wait(service.list(OPERATOR)) == (second, first, foreign)
    assert wait(service.list(OPERATOR, EVE)) == (foreign,)
    with pytest.raises(Forbidden):
        wait(service.list(a_caller("bob"), EVE))
    with pytest.raises(Unauthenticated):
        wait(service.list(NOBODY))


def test_a_token_is_revoked_once(house: House) -> None:
    """Revoking it again changes nothing, and the row stays for the log."""
    token = house.add_token(a_token())
    service = tokens(house)
    revoked = wait(service.revoke(a_caller("bob"), token.token_id))
    house.clock.advance(timedelta(hours=1))
    assert wait(service.revoke(OPERATOR, token.token_id)) == revoked == replace(token, revoked_at=START)
    assert house.events() == [TokenRevoked(token=token.token_id, owner=BOB)]


def test_a_token_ends_with_all_that_it_made(house: House) -> None:
    """Children of children and those of others too, each with its own event; what ended before and siblings stay."""
    first = house.add_token(a_token("A" * 16))
    child = house.add_token(replace(a_token("B" * 16, owner="eve"), parent=first.token_id))
    ended = house.add_token(replace(a_token("C" * 16), parent=first.token_id, revoked_at=START))
    grandchild = house.add_token(replace(a_token("D" * 16), parent=child.token_id, expires_at=START))
    sibling = house.add_token(a_token("E" * 16))
    house.clock.advance(timedelta(hours=1))
    now = START + timedelta(hours=1)
    service = tokens(house)
    assert wait(service.revoke(a_caller("bob"), first.token_id)) == replace(first, revoked_at=now)
    assert house.look(lambda tx: tx.tokens.list()) == (
        replace(first, revoked_at=now),
        replace(child, revoked_at=now),
        ended,
        replace(grandchild, revoked_at=now),
        sibling,
    )
    assert house.events() == [
        TokenRevoked(token=token.token_id, owner=token.owner) for token in (first, child, grandchild)
    ]


def test_a_token_does_not_take_the_one_that_made_it_along(house: House) -> None:
    """Revoking goes down, never up."""
    parent = house.add_token(a_token("A" * 16))
    child = house.add_token(replace(a_token("B" * 16), parent=parent.token_id))
    wait(tokens(house).revoke(a_caller("bob"), child.token_id))
    assert house.look(lambda tx: tx.tokens.find(parent.token_id)) == parent
    assert house.events() == [TokenRevoked(token=child.token_id, owner=BOB)]


def test_another_users_token_looks_missing(house: House) -> None:
    """With the same words as one that does not exist."""
    foreign = house.add_token(a_token(owner="eve"))
    sentences = set()
    for token_id in (foreign.token_id, UNKNOWN):
        with pytest.raises(NotFound) as raised:
            wait(tokens(house).revoke(a_caller("bob", MEMBER), token_id))
        sentences.add(raised.value.sentence)
    assert len(sentences) == 1
    with pytest.raises(Unauthenticated):
        wait(tokens(house).revoke(NOBODY, foreign.token_id))
    with pytest.raises(NotFound, match=f"no token '{UNKNOWN}'"):
        wait(tokens(house).revoke(OPERATOR, UNKNOWN))
    assert house.events() == []


def test_a_token_ends_itself_and_narrower_ones_only(house: House) -> None:
    """A stolen token must not end the tokens that could do more."""
    narrow = house.add_token(a_token("A" * 16, scope=a_scope(Right.READ)))
    wide = house.add_token(a_token("B" * 16, scope=a_scope(Right.READ, Right.UPLOAD)))
    service = tokens(house)
    with pytest.raises(Forbidden):
        wait(service.revoke(a_token_caller(narrow, MEMBER), wide.token_id))
    assert house.events() == []
    wait(service.revoke(a_token_caller(wide, MEMBER), narrow.token_id))
    wait(service.revoke(a_token_caller(wide, MEMBER), wide.token_id))
    assert house.events() == [
        TokenRevoked(token=narrow.token_id, owner=BOB),
        TokenRevoked(token=wide.token_id, owner=BOB),
    ]
