"""The tables that hold users, grants and tokens, on every catalog."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_network

import pytest

from strongroom.core.access import ALL_RIGHTS, Grant, Right, Token
from strongroom.core.errors import Conflict
from strongroom.core.names import TokenId, UserName
from strongroom.ports import Transaction
from tests.contracts.driven import Driven
from tests.factories import MAIN, a_grant, a_scope, a_token, a_user
from tests.fakes import START

BOB = UserName("bob")
ADA = UserName("ada")
FIRST = TokenId("A" * 16)
SECOND = TokenId("B" * 16)


def granting(name: UserName, *, grant: Grant) -> Callable[[Transaction], None]:
    """Return the transaction that adds the grant."""
    return lambda tx: tx.users.add_grant(name, grant)


def adding(token: Token) -> Callable[[Transaction], None]:
    """Return the transaction that adds the token."""
    return lambda tx: tx.tokens.add(token)


@pytest.fixture
def accounts(catalog: Driven) -> Driven:
    """Make a catalog with two users."""

    def fill(tx: Transaction) -> None:
        tx.users.add(a_user("bob"))
        tx.users.add(a_user("ada", admin=True))

    catalog.write(fill)
    return catalog


def test_a_user_comes_back_as_he_went_in(accounts: Driven) -> None:
    """Every field of a user is stored and can be replaced; users are listed by name."""
    assert accounts.read(lambda tx: tx.users.list()) == (a_user("ada", admin=True), a_user("bob"))
    changed = a_user("bob", admin=True, disabled=True, password="secret")
    accounts.write(lambda tx: tx.users.replace(changed))
    assert accounts.read(lambda tx: tx.users.find(BOB)) == changed
    assert accounts.read(lambda tx: tx.users.find(ADA)) == a_user("ada", admin=True)
    assert accounts.read(lambda tx: tx.users.find(UserName("eve"))) is None


def test_a_user_name_is_taken_once(accounts: Driven) -> None:
    """A second user of a name is a conflict and changes nothing; so is replacing a stranger."""
    with pytest.raises(Conflict, match="'bob'"):
        accounts.write(lambda tx: tx.users.add(a_user("bob", admin=True)))
    with pytest.raises(Conflict, match="'eve'"):
        accounts.write(lambda tx: tx.users.replace(a_user("eve")))
    assert accounts.read(lambda tx: tx.users.find(BOB)) == a_user("bob")


def test_grants_keep_their_order_and_are_not_doubled(accounts: Driven) -> None:
    """A grant equal to one that is there adds nothing, whatever the order of its rights."""
    grants = (
        a_grant(Right.UPLOAD, Right.READ, index="main", projects="acme-*"),
        a_grant(*ALL_RIGHTS),
        a_grant(Right.READ),
        a_grant(Right.READ, index="main"),
    )

    def add_all(tx: Transaction) -> None:
        for grant in (*grants, *reversed(grants)):
            tx.users.add_grant(BOB, grant)

    accounts.write(add_all)
    assert accounts.read(lambda tx: tx.users.list_grants(BOB)) == grants
    assert accounts.read(lambda tx: tx.users.list_grants(ADA)) == ()


def test_a_grant_is_removed_alone(accounts: Driven) -> None:
    """Removing hits the equal grant of that user only, and says whether there was one."""
    everywhere, in_main = a_grant(Right.READ), a_grant(Right.READ, index="main")
    for grant in (everywhere, in_main):
        accounts.write(granting(BOB, grant=grant))
        accounts.write(granting(ADA, grant=grant))
    assert accounts.write(lambda tx: tx.users.remove_grant(BOB, everywhere))
    assert not accounts.write(lambda tx: tx.users.remove_grant(BOB, everywhere))
    assert not accounts.write(lambda tx: tx.users.remove_grant(BOB, a_grant(Right.READ, projects="acme-*")))
    assert accounts.read(lambda tx: tx.users.list_grants(BOB)) == (in_main,)
    assert accounts.read(lambda tx: tx.users.list_grants(ADA)) == (everywhere, in_main)


def test_a_stranger_gets_neither_grant_nor_token(accounts: Driven) -> None:
    """A grant or a token of an unknown user is a conflict."""
    with pytest.raises(Conflict):
        accounts.write(granting(UserName("eve"), grant=a_grant(Right.READ)))
    with pytest.raises(Conflict):
        accounts.write(lambda tx: tx.tokens.add(a_token(owner="eve")))
    assert accounts.read(lambda tx: tx.tokens.list()) == ()


def test_a_token_comes_back_as_it_went_in(accounts: Driven) -> None:
    """Every field of a token is stored: digest, scope, networks, parent and times to the microsecond."""
    full = replace(
        a_token(scope=a_scope(Right.READ, Right.YANK, indexes=("main", "a"), projects=("z-*", "b"))),
        label="CI \N{SNOWMAN}",
        digest=bytes(range(32)),
        expires_at=START + timedelta(microseconds=1),
        networks=(ip_network("2001:db8::/32"), ip_network("10.0.0.0/8")),
        revoked_at=START.replace(microsecond=999_999),
        last_used_at=START,
        parent=SECOND,
    )
    plain = replace(a_token("B" * 16, owner="ada"), expires_at=None, created_at=START - timedelta(days=1))
    accounts.write(lambda tx: tx.tokens.add(full))
    accounts.write(lambda tx: tx.tokens.add(plain))
    assert accounts.read(lambda tx: tx.tokens.find(FIRST)) == full
    assert accounts.read(lambda tx: tx.tokens.list()) == (plain, full)
    assert accounts.read(lambda tx: tx.tokens.list(BOB)) == (full,)
    assert accounts.read(lambda tx: tx.tokens.find(TokenId("C" * 16))) is None


def test_a_time_of_any_zone_is_the_same_moment(accounts: Driven) -> None:
    """A time comes back in UTC, whatever zone it was given in."""
    elsewhere = datetime(1969, 7, 20, 20, 17, 40, 1, tzinfo=timezone(timedelta(hours=-5)))
    accounts.write(lambda tx: tx.tokens.add(replace(a_token(), created_at=elsewhere)))
    found = accounts.read(lambda tx: tx.tokens.find(FIRST))
    assert found is not None
    assert found.created_at == elsewhere
    assert found.created_at.astimezone(UTC).isoformat() == "1969-07-21T01:17:40.000001+00:00"


def test_a_token_id_is_taken_once(accounts: Driven) -> None:
    """A second token of an id is a conflict, and a token that is not there is not replaced."""
    accounts.write(lambda tx: tx.tokens.add(a_token()))
    with pytest.raises(Conflict, match=FIRST):
        accounts.write(lambda tx: tx.tokens.add(a_token(owner="ada")))
    with pytest.raises(Conflict, match=SECOND):
        accounts.write(lambda tx: tx.tokens.replace(a_token(SECOND)))
    revoked = replace(a_token(), revoked_at=START)
    accounts.write(lambda tx: tx.tokens.replace(revoked))
    assert accounts.read(lambda tx: tx.tokens.list()) == (revoked,)


def test_the_descendants_of_a_token(accounts: Driven) -> None:
    """All below it, whoever owns them, revoked or not, oldest first; neither itself nor its siblings."""
    first, second, third, fourth, fifth = (TokenId(letter * 16) for letter in "ABCDE")
    child = replace(a_token(second, owner="ada"), parent=first, revoked_at=START)
    grandchild = replace(a_token(third), parent=second, created_at=START - timedelta(hours=1))
    other = replace(a_token(fifth), parent=first)
    for token in (a_token(first), child, grandchild, a_token(fourth), other):
        accounts.write(adding(token))
    assert accounts.read(lambda tx: tx.tokens.list_descendants(first)) == (grandchild, child, other)
    assert accounts.read(lambda tx: tx.tokens.list_descendants(second)) == (grandchild,)
    assert accounts.read(lambda tx: tx.tokens.list_descendants(fourth)) == ()
    moved = replace(grandchild, parent=fourth)
    accounts.write(lambda tx: tx.tokens.replace(moved))
    assert accounts.read(lambda tx: tx.tokens.list_descendants(first)) == (child, other)
    assert accounts.read(lambda tx: tx.tokens.list_descendants(fourth)) == (moved,)


def test_a_circle_of_tokens_has_an_end(accounts: Driven) -> None:
    """Whatever a hand has put into the table: each is named once."""
    circle = (replace(a_token(FIRST), parent=SECOND), replace(a_token(SECOND), parent=FIRST))
    for token in circle:
        accounts.write(adding(token))
    assert accounts.read(lambda tx: tx.tokens.list_descendants(FIRST)) == circle


def test_a_touch_never_goes_back_in_time(accounts: Driven) -> None:
    """The later time of use wins, unknown tokens are passed over, and no event is written."""
    later, latest = START + timedelta(hours=1), START + timedelta(hours=2)
    accounts.write(lambda tx: tx.tokens.add(a_token()))
    accounts.write(lambda tx: tx.tokens.add(a_token(SECOND)))
    accounts.write(lambda tx: tx.tokens.touch({FIRST: later, SECOND: latest}))
    accounts.write(lambda tx: tx.tokens.touch({FIRST: latest, SECOND: later, TokenId("C" * 16): later}))
    accounts.write(lambda tx: tx.tokens.touch({}))
    assert [token.last_used_at for token in accounts.read(lambda tx: tx.tokens.list())] == [latest, latest]
    assert accounts.read(lambda tx: tx.events.serial()) == 0


def test_a_grant_on_an_index_does_not_need_it(accounts: Driven) -> None:
    """A grant may name an index that is not there; what that means is decided elsewhere."""
    grant = a_grant(Right.READ, index="main")
    accounts.write(granting(BOB, grant=grant))
    assert accounts.read(lambda tx: (tx.indexes.find(MAIN), tx.users.list_grants(BOB))) == (None, (grant,))
