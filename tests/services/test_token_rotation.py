"""Tokens: rotated."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest

from strongroom.core.access import Right, Token
from strongroom.core.errors import Conflict, Forbidden, InvalidRequest, NotFound
from strongroom.core.events import TokenIssued, TokenRevoked
from strongroom.core.names import parse_user_name
from strongroom.services.tokens import Tokens
from tests.factories import OPERATOR, a_caller, a_grant, a_scope, a_token, a_token_caller, a_user
from tests.fakes import START
from tests.services.house import House, wait

BOB = parse_user_name("bob")
MEMBER = a_grant(Right.READ, Right.UPLOAD)


@pytest.fixture
def house() -> House:
    """Provide a house where Bob and Eve have accounts."""
    house = House()
    house.add_user(a_user("bob"), MEMBER)
    house.add_user(a_user("eve"), MEMBER)
    return house


def tokens(house: House) -> Tokens:
    """Make the service."""
    return Tokens(house.catalog, house.secrets, house.clock)


def find(house: House, token: Token) -> Token | None:
    """Return the row as it is now."""
    return house.look(lambda tx: tx.tokens.find(token.token_id))


def test_rotating_replaces_a_token_at_once(house: House) -> None:
    """Same owner, label, scope, networks and lifetime; new id and secret; one event; the old one is over."""
    old = house.add_token(
        replace(
            a_token(scope=a_scope(Right.READ, indexes=["main"])),
            label="ci",
            networks=(ip_network("10.0.0.0/8"),),
            last_used_at=START,
        )
    )
    house.clock.advance(timedelta(days=10))
    now = START + timedelta(days=10)
    new = wait(tokens(house).rotate(a_caller("bob"), old.token_id)).token
    assert new == replace(
        old,
        token_id=new.token_id,
        digest=new.digest,
        created_at=now,
        expires_at=now + timedelta(days=90),
        last_used_at=None,
    )
    assert new.token_id != old.token_id
    assert new.digest != old.digest
    assert find(house, old) == replace(old, revoked_at=now)
    (event,) = house.events()
    assert isinstance(event, TokenIssued)
    assert (event.token, event.replaces, event.owner) == (new.token_id, old.token_id, BOB)


def test_the_old_token_stays_good_for_the_overlap(house: House) -> None:
    """So that a fleet can change over; it is not revoked, it ends."""
    old = house.add_token(a_token())
    wait(tokens(house).rotate(OPERATOR, old.token_id, overlap=timedelta(hours=1)))
    assert find(house, old) == replace(old, expires_at=START + timedelta(hours=1))


def test_an_overlap_never_lengthens_the_old_token(house: House) -> None:
    """It ends when it would have ended anyway."""
    old = house.add_token(a_token())
    wait(tokens(house).rotate(OPERATOR, old.token_id, overlap=timedelta(days=365)))
    assert find(house, old) == old


def test_a_token_without_end_gets_a_successor_without_end(house: House) -> None:
    """An administrator once allowed that."""
    old = house.add_token(replace(a_token(), expires_at=None))
    assert wait(tokens(house).rotate(a_caller("bob"), old.token_id)).token.expires_at is None


@pytest.mark.parametrize("ended", [replace(a_token(), revoked_at=START), replace(a_token(), expires_at=START)])
def test_a_token_that_has_ended_is_not_rotated(house: House, ended: Token) -> None:
    """There is nothing to replace."""
    old = house.add_token(ended)
    with pytest.raises(Conflict):
        wait(tokens(house).rotate(OPERATOR, old.token_id))
    assert house.events() == []


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta.max])
def test_an_absurd_overlap_is_refused(house: House, overlap: timedelta) -> None:
    """Before anything is made."""
    old = house.add_token(a_token())
    with pytest.raises(InvalidRequest):
        wait(tokens(house).rotate(OPERATOR, old.token_id, overlap=overlap))
    assert house.events() == []


def test_the_token_of_a_disabled_user_is_not_rotated(house: House) -> None:
    """It would be of no use to him."""
    old = house.add_token(a_token())
    house.change(lambda tx: tx.users.replace(a_user("bob", disabled=True)))
    with pytest.raises(Conflict):
        wait(tokens(house).rotate(OPERATOR, old.token_id))
    assert house.events() == []


def test_another_users_token_is_not_rotated(house: House) -> None:
    """It looks missing."""
    foreign = house.add_token(a_token(owner="eve"))
    with pytest.raises(NotFound):
        wait(tokens(house).rotate(a_caller("bob", MEMBER), foreign.token_id))
    assert house.events() == []


def test_a_token_that_rotates_itself_lives_no_longer(house: House) -> None:
    """A stolen token cannot renew itself for ever."""
    old = house.add_token(a_token())
    house.clock.advance(timedelta(days=80))
    new = wait(tokens(house).rotate(a_token_caller(old, MEMBER), old.token_id)).token
    assert new.expires_at == old.expires_at


def test_a_token_bound_to_networks_does_not_rotate_a_free_one(house: House) -> None:
    """The successor would be good from more places than the one who asks."""
    bound = house.add_token(replace(a_token("A" * 16), networks=(ip_network("10.0.0.0/8"),)))
    free = house.add_token(a_token("B" * 16))
    with pytest.raises(Forbidden):
        wait(tokens(house).rotate(a_token_caller(bound, MEMBER), free.token_id))
    assert house.events() == []


@pytest.fixture
def family(house: House) -> list[Token]:
    """Store a token, its child, its child's child and its child's child's child."""
    made: list[Token] = []
    for letter in "ABCD":
        parent = made[-1].token_id if made else None
        made.append(house.add_token(replace(a_token(letter * 16), parent=parent)))
    return made


@pytest.mark.parametrize("overlap", [timedelta(0), timedelta(hours=1)])
@pytest.mark.parametrize("asking", [None, 0, 1], ids=["owner", "parent", "itself"])
def test_the_successor_takes_the_place_of_the_old_token(
    house: House, family: list[Token], asking: int | None, overlap: timedelta
) -> None:
    """It has the same parent, and what the old one made goes on as its own, to be revoked with it."""
    first, old, child, grandchild = family
    caller = a_caller("bob") if asking is None else a_token_caller(family[asking], MEMBER)
    new = wait(tokens(house).rotate(caller, old.token_id, overlap=overlap)).token
    assert new.parent == first.token_id
    assert find(house, child) == replace(child, parent=new.token_id)
    assert [find(house, token) for token in (first, grandchild)] == [first, grandchild]
    assert [type(event) for event in house.events()] == [TokenIssued]
    wait(tokens(house).revoke(a_caller("bob"), new.token_id))
    revoked = {event.token for event in house.events() if isinstance(event, TokenRevoked)}
    assert revoked == {token.token_id for token in (new, child, grandchild)}


def test_an_older_token_of_the_line_rotates_in_place(house: House, family: list[Token]) -> None:
    """Not the parent alone: whoever is above."""
    first, child, old, grandchild = family
    new = wait(tokens(house).rotate(a_token_caller(first, MEMBER), old.token_id)).token
    assert new.parent == child.token_id
    assert find(house, grandchild) == replace(grandchild, parent=new.token_id)


def test_another_token_that_rotates_becomes_the_parent(house: House, family: list[Token]) -> None:
    """It knows the new secret. Those who had the old one keep nothing: what they made ends with it, and is told."""
    other = house.add_token(a_token("Z" * 16))
    first, old, child, grandchild = family
    new = wait(tokens(house).rotate(a_token_caller(other, MEMBER), old.token_id)).token
    assert new.parent == other.token_id
    assert [find(house, token) for token in (old, child, grandchild)] == [
        replace(token, revoked_at=START) for token in (old, child, grandchild)
    ]
    assert find(house, first) == first
    assert house.events()[1:] == [TokenRevoked(token=token.token_id, owner=BOB) for token in (child, grandchild)]
    wait(tokens(house).revoke(a_caller("bob"), other.token_id))
    assert house.events()[-1] == TokenRevoked(token=new.token_id, owner=BOB)


def test_what_the_old_token_made_lives_through_the_overlap(house: House, family: list[Token]) -> None:
    """It stays the old one's when another token rotates, and ends when that one is revoked."""
    other = house.add_token(a_token("Z" * 16))
    _, old, child, grandchild = family
    caller = a_token_caller(other, MEMBER)
    new = wait(tokens(house).rotate(caller, old.token_id, overlap=timedelta(hours=1))).token
    assert [find(house, token) for token in (child, grandchild)] == [child, grandchild]
    assert [type(event) for event in house.events()] == [TokenIssued]
    house.clock.advance(timedelta(hours=2))
    wait(tokens(house).revoke(a_caller("bob"), old.token_id))
    assert house.events()[1:] == [TokenRevoked(token=token.token_id, owner=BOB) for token in (old, child, grandchild)]
    assert find(house, new) == new


def test_a_token_does_not_rotate_one_that_it_comes_from(house: House, family: list[Token]) -> None:
    """A stolen child would put itself in its parent's place."""
    with pytest.raises(Forbidden, match="comes from") as raised:
        wait(tokens(house).rotate(a_token_caller(family[2], MEMBER), family[0].token_id))
    assert raised.value.code == "token-exceeds"
    assert [find(house, token) for token in family] == family
    assert house.events() == []
