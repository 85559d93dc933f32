"""Users and their grants."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from strongroom.core.access import MEMBER_RIGHTS, Grant, Right
from strongroom.core.caller import Caller
from strongroom.core.errors import Conflict, Forbidden, InvalidRequest, NotFound, TooMany, Unauthenticated
from strongroom.core.events import GrantAdded, GrantRemoved, UserChanged, UserCreated
from strongroom.core.names import UserName, parse_user_name
from strongroom.services.accounts import Account, Accounts, NewUser
from tests.factories import (
    MAIN,
    NOBODY,
    OPERATOR,
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

ADA, BOB = parse_user_name("ada"), parse_user_name("bob")
PASSWORD = "correct horse battery"


@pytest.fixture
def house() -> House:
    """Provide a house with one index."""
    house = House()
    house.add_index(an_index())
    return house


def accounts(house: House) -> Accounts:
    """Make the service."""
    return Accounts(house.catalog, house.passwords, house.clock)


def test_a_new_user_may_read_upload_and_yank_everywhere(house: House) -> None:
    """The default of `user create`, recorded in one event with its author."""
    account = wait(accounts(house).create(OPERATOR, NewUser(BOB)))
    assert account == Account(
        name=BOB,
        created_at=START,
        is_administrator=False,
        is_disabled=False,
        has_password=False,
        grants=(Grant(rights=MEMBER_RIGHTS),),
    )
    (entry,) = house.entries()
    assert entry.event == UserCreated(user=BOB, grants=("read, upload, yank on every project in every index",))
    assert entry.actor == OPERATOR.actor
    assert entry.at == START


def test_an_administrator_gets_no_grants(house: House) -> None:
    """He holds everything without."""
    account = wait(accounts(house).create(an_administrator(), NewUser(BOB, is_administrator=True)))
    assert account.grants == ()
    assert house.events() == [UserCreated(user=BOB, is_administrator=True)]


def test_first_grants_can_be_chosen_or_left_out(house: House) -> None:
    """Grants on the same place become one."""
    chosen = (a_grant(Right.READ, index="main"), a_grant(Right.YANK, index="main"), a_grant(Right.READ))
    account = wait(accounts(house).create(OPERATOR, NewUser(BOB, grants=chosen)))
    assert set(account.grants) == {a_grant(Right.READ, Right.YANK, index="main"), a_grant(Right.READ)}
    assert wait(accounts(house).create(OPERATOR, NewUser(ADA, grants=()))).grants == ()


def test_a_password_is_stored_hashed(house: House) -> None:
    """The hash is what the passwords port made; the account tells only that there is one."""
    account = wait(accounts(house).create(OPERATOR, NewUser(BOB, password=PASSWORD)))
    assert account.has_password
    user = house.look(lambda tx: tx.users.find(BOB))
    assert user is not None
    assert user.password_hash == f"fake:{PASSWORD}"
    assert PASSWORD not in repr(house.events())


@pytest.mark.parametrize(
    ("new", "error"),
    [
        (NewUser(ADA), Conflict),
        (NewUser(BOB, password="short"), InvalidRequest),
        (NewUser(BOB, password="x" * 257), InvalidRequest),
        (NewUser(BOB, grants=(a_grant(Right.READ, index="nowhere"),)), NotFound),
        (NewUser(BOB, grants=(a_grant(),)), InvalidRequest),
    ],
)
def test_a_user_that_cannot_be_made_leaves_no_trace(house: House, new: NewUser, error: type[Exception]) -> None:
    """Neither a row nor an event."""
    house.add_user(a_user("ada"))
    with pytest.raises(error):
        wait(accounts(house).create(OPERATOR, new))
    assert house.look(lambda tx: tx.users.find(BOB)) is None
    assert house.events() == []


def test_no_password_is_in_what_is_printed() -> None:
    """A value that ends up in a log or a traceback tells neither the password nor its hash."""
    new = NewUser(BOB, password=PASSWORD)
    assert PASSWORD not in repr((new, a_user("bob", password=PASSWORD)))
    assert "digest" not in repr(a_token())


def test_a_full_queue_of_passwords_refuses(house: House) -> None:
    """Hashing is bounded; the user is not made."""
    house.passwords.is_full = True
    with pytest.raises(TooMany):
        wait(accounts(house).create(OPERATOR, NewUser(BOB, password=PASSWORD)))
    assert house.events() == []


Use = Callable[[Accounts, Caller], Coroutine[Any, Any, object]]  # Any: what a coroutine yields and takes

USES: list[Use] = [
    lambda service, caller: service.create(caller, NewUser(UserName("new"), password=PASSWORD)),
    lambda service, caller: service.list(caller),
    lambda service, caller: service.get(caller, ADA),
    lambda service, caller: service.disable(caller, ADA),
    lambda service, caller: service.enable(caller, ADA),
    lambda service, caller: service.set_password(caller, ADA, password=PASSWORD),
    lambda service, caller: service.add_grant(caller, ADA, grant=a_grant(Right.DELETE)),
    lambda service, caller: service.remove_grant(caller, ADA, grant=a_grant(Right.READ)),
]


@pytest.mark.parametrize("use", USES)
def test_only_administrators_may(house: House, use: Use) -> None:
    """All other rights together don't help, nor does being administrator of one index, nor a narrow token."""
    house.add_user(a_user("ada"), a_grant(Right.READ))
    others = [right for right in Right if right is not Right.ADMINISTER]
    for caller in (
        a_caller("bob", a_grant(*others)),
        a_caller("bob", a_grant(Right.ADMINISTER, index="main")),
        a_token_caller(a_token(scope=a_scope(*others)), a_grant(Right.ADMINISTER)),
    ):
        with pytest.raises(Forbidden):
            wait(use(accounts(house), caller))
    with pytest.raises(Unauthenticated):
        wait(use(accounts(house), NOBODY))
    assert house.events() == []
    assert house.passwords.checks == []


def test_accounts_are_listed_by_name_without_hashes(house: House) -> None:
    """The hash of a password never leaves the catalog."""
    house.add_user(a_user("bob", password=PASSWORD), a_grant(Right.READ))
    house.add_user(a_user("ada", admin=True))
    found = wait(accounts(house).list(an_administrator()))
    assert [(account.name, account.has_password, account.grants) for account in found] == [
        (ADA, False, ()),
        (BOB, True, (a_grant(Right.READ),)),
    ]
    assert "fake:" not in repr(found)


def test_everybody_sees_himself(house: House) -> None:
    """One's own account needs no right."""
    house.add_user(a_user("bob"), a_grant(Right.READ))
    assert wait(accounts(house).get(a_caller("bob"), BOB)).grants == (a_grant(Right.READ),)


def test_a_user_is_disabled_and_enabled_once(house: House) -> None:
    """Repeating it changes nothing and is not recorded."""
    house.add_user(a_user("bob"))
    service = accounts(house)
    for _ in range(2):
        assert wait(service.disable(OPERATOR, BOB)).is_disabled
    for _ in range(2):
        assert not wait(service.enable(OPERATOR, BOB)).is_disabled
    assert house.events() == [UserChanged(user=BOB, change="disabled"), UserChanged(user=BOB, change="enabled")]


def test_the_last_administrator_stays(house: House) -> None:
    """A disabled administrator or an ordinary user does not count as another."""
    house.add_user(a_user("ada", admin=True))
    house.add_user(a_user("eve", admin=True, disabled=True))
    house.add_user(a_user("bob"), a_grant(Right.ADMINISTER))
    with pytest.raises(Conflict) as raised:
        wait(accounts(house).disable(OPERATOR, ADA))
    assert raised.value.code == "last-administrator"
    assert house.events() == []


def test_one_of_two_administrators_can_go(house: House) -> None:
    """As long as another one is enabled."""
    house.add_user(a_user("ada", admin=True))
    house.add_user(a_user("bob", admin=True))
    wait(accounts(house).disable(an_administrator(), ADA))
    assert house.events() == [UserChanged(user=ADA, change="disabled")]


def test_users_set_their_own_password(house: House) -> None:
    """Signed in with the old one."""
    house.add_user(a_user("bob", password="the old password"))
    assert wait(accounts(house).set_password(a_caller("bob"), BOB, password=PASSWORD)).has_password
    assert house.events() == [UserChanged(user=BOB, change="password set")]


def test_a_token_does_not_set_its_owners_password(house: House) -> None:
    """Otherwise a stolen token could become its owner."""
    house.add_user(a_user("bob", password="the old password"), a_grant(Right.READ))
    with pytest.raises(Forbidden):
        wait(accounts(house).set_password(a_token_caller(a_token(), a_grant(Right.READ)), BOB, password=PASSWORD))
    assert house.events() == []


def test_a_password_is_removed_once(house: House) -> None:
    """Removing what is not there is no change."""
    house.add_user(a_user("bob", password=PASSWORD))
    for _ in range(2):
        assert not wait(accounts(house).set_password(OPERATOR, BOB, password=None)).has_password
    assert house.events() == [UserChanged(user=BOB, change="password removed")]


def test_grants_on_the_same_place_grow_together(house: House) -> None:
    """A second grant for the same index and pattern widens the first; a known one is no change."""
    house.add_user(a_user("bob"), a_grant(Right.READ, index="main"))
    service = accounts(house)
    wanted = a_grant(Right.UPLOAD, index="main")
    for _ in range(2):
        assert wait(service.add_grant(OPERATOR, BOB, grant=wanted)) == (
            a_grant(Right.READ, Right.UPLOAD, index="main"),
        )
    assert wait(service.add_grant(OPERATOR, BOB, grant=a_grant(Right.READ, index="main"))) == (
        a_grant(Right.READ, Right.UPLOAD, index="main"),
    )
    assert len(wait(service.add_grant(OPERATOR, BOB, grant=a_grant(Right.READ)))) == 2
    assert house.events() == [
        GrantAdded(user=BOB, grant="upload on every project in main"),
        GrantAdded(user=BOB, grant="read on every project in every index"),
    ]


def test_rights_are_taken_from_exactly_the_named_place(house: House) -> None:
    """Other grants stay, and what was not held is not recorded as taken."""
    everywhere, here = a_grant(Right.READ, Right.UPLOAD), a_grant(Right.READ, Right.YANK, index="main")
    house.add_user(a_user("bob"), everywhere, here)
    service = accounts(house)
    taken = a_grant(Right.READ, Right.DELETE, index="main")
    left = wait(service.remove_grant(OPERATOR, BOB, grant=taken))
    assert set(left) == {everywhere, a_grant(Right.YANK, index="main")}
    assert set(wait(service.remove_grant(OPERATOR, BOB, grant=taken))) == set(left)
    assert wait(service.remove_grant(OPERATOR, BOB, grant=a_grant(Right.YANK, index="main"))) == (everywhere,)
    assert house.events() == [
        GrantRemoved(user=BOB, grant="read on every project in main"),
        GrantRemoved(user=BOB, grant="yank on every project in main"),
    ]


def test_unknown_users_and_indexes_are_named(house: House) -> None:
    """An administrator is told what is missing."""
    service = accounts(house)
    with pytest.raises(NotFound, match="no user 'bob'"):
        wait(service.add_grant(OPERATOR, BOB, grant=a_grant(Right.READ, index=MAIN)))
    house.add_user(a_user("bob"))
    with pytest.raises(NotFound, match="no index 'nowhere'"):
        wait(service.add_grant(OPERATOR, BOB, grant=a_grant(Right.READ, index="nowhere")))
    assert house.events() == []
