"""The first administrator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import NoReturn

import pytest

from strongroom.core.access import ALL_RIGHTS, Signed
from strongroom.core.errors import Conflict, Unauthenticated
from strongroom.core.events import SetupLinkIssued, TokenIssued, UserCreated
from strongroom.core.names import parse_user_name
from strongroom.ports import Catalog, Transaction
from strongroom.services.setup import LINK_LIFETIME, IssuedLink, Setup
from strongroom.services.sign_in import SignIn
from tests.factories import NOBODY, OPERATOR, a_user
from tests.fakes import START
from tests.services.house import House, wait

ADA, BOB = parse_user_name("ada"), parse_user_name("bob")


def setup(house: House) -> Setup:
    """Make the service."""
    return Setup(house.catalog, house.secrets, house.clock)


class SealedCatalog:
    """A catalog that is only read."""

    def __init__(self, catalog: Catalog) -> None:
        """Stand in front of the real one."""
        self.read, self.look, self.looks_at_once = catalog.read, catalog.look, catalog.looks_at_once
        self.change_mark, self.close = catalog.change_mark, catalog.close
        self.access_mark, self.check, self.waiting_writes = catalog.access_mark, catalog.check, catalog.waiting_writes

    async def write(self, fn: Callable[[Transaction], object]) -> NoReturn:
        """Fail the test."""
        raise AssertionError(f"{fn} was to be written")


def a_link(house: House) -> IssuedLink:
    """Issue a link, of which there must be one."""
    link = wait(setup(house).issue_link(OPERATOR))
    assert link is not None
    return link


def test_a_link_is_good_for_half_an_hour_and_kept_as_a_digest() -> None:
    """The event tells its end, not its secret."""
    house = House()
    link = a_link(house)
    assert link.expires_at == START + timedelta(minutes=30)
    assert len(link.secret) == 43
    assert house.events() == [SetupLinkIssued(expires_at=link.expires_at.isoformat())]
    assert link.secret not in repr((link, house.entries()))


def test_the_link_makes_an_administrator_with_a_token_that_works() -> None:
    """Two changes, two events, by nobody in particular, from his address."""
    house = House()
    link = a_link(house)
    first = wait(setup(house).redeem(NOBODY, link.secret, name=ADA))
    assert first.user.is_administrator
    assert first.token.scope.rights == ALL_RIGHTS
    assert first.token.expires_at == START + timedelta(days=90)
    signed = wait(SignIn(house.catalog, house.secrets, house.passwords, house.clock).with_token(first.text.render()))
    assert isinstance(signed, Signed)
    assert signed.user == ADA
    created, issued = house.entries()[1:]
    assert created.event == UserCreated(user=ADA, is_administrator=True)
    assert isinstance(issued.event, TokenIssued)
    assert issued.event.owner == ADA
    assert created.actor == issued.actor == NOBODY.actor


def test_the_link_works_once() -> None:
    """Whoever comes second gets the same answer as with a wrong one."""
    house = House()
    link = a_link(house)
    wait(setup(house).redeem(NOBODY, link.secret, name=ADA))
    with pytest.raises(Unauthenticated):
        wait(setup(house).redeem(NOBODY, link.secret, name=BOB))
    assert house.look(lambda tx: tx.users.find(BOB)) is None
    assert len(house.events()) == 3


def test_a_wrong_secret_uses_nothing_up() -> None:
    """The right one still works afterwards."""
    house = House()
    link = a_link(house)
    for wrong in ("", link.secret[:-1], link.secret + "x"):
        with pytest.raises(Unauthenticated):
            wait(setup(house).redeem(NOBODY, wrong, name=ADA))
    assert wait(setup(house).redeem(NOBODY, link.secret, name=ADA)).user.name == ADA


def test_a_new_link_voids_the_earlier_one() -> None:
    """There is one at most."""
    house = House()
    earlier, later = a_link(house), a_link(house)
    with pytest.raises(Unauthenticated):
        wait(setup(house).redeem(NOBODY, earlier.secret, name=ADA))
    assert wait(setup(house).redeem(NOBODY, later.secret, name=ADA)).user.name == ADA


def test_the_link_ends() -> None:
    """At the moment that was said."""
    house = House()
    link = a_link(house)
    house.clock.advance(LINK_LIFETIME)
    with pytest.raises(Unauthenticated):
        wait(setup(house).redeem(NOBODY, link.secret, name=ADA))
    assert house.look(lambda tx: tx.users.list()) == ()


def test_there_is_no_link_once_there_is_an_administrator() -> None:
    """And none is recorded."""
    house = House()
    house.add_user(a_user("ada", admin=True))
    assert wait(setup(house).issue_link(OPERATOR)) is None
    assert house.events() == []


def test_an_administrator_who_came_meanwhile_voids_the_link() -> None:
    """Made on the command line, for instance."""
    house = House()
    link = a_link(house)
    house.add_user(a_user("ada", admin=True))
    with pytest.raises(Unauthenticated):
        wait(setup(house).redeem(NOBODY, link.secret, name=BOB))
    assert house.look(lambda tx: tx.users.find(BOB)) is None


def test_guesses_write_nothing_once_there_is_an_administrator() -> None:
    """Anybody may ask, so a wrong link must not hold up those who publish."""
    house = House()
    house.add_user(a_user("ada", admin=True))
    service = Setup(SealedCatalog(house.catalog), house.secrets, house.clock)
    with pytest.raises(Unauthenticated):
        wait(service.redeem(NOBODY, "x" * 43, name=BOB))


def test_disabled_administrators_and_users_do_not_count() -> None:
    """Somebody must be able to come in."""
    house = House()
    house.add_user(a_user("ada", admin=True, disabled=True))
    house.add_user(a_user("bob"))
    assert wait(setup(house).redeem(NOBODY, a_link(house).secret, name=parse_user_name("eve"))).user.is_administrator


def test_a_taken_name_leaves_the_link_good() -> None:
    """The same link works with another name; an existing user never becomes administrator this way."""
    house = House()
    house.add_user(a_user("bob"))
    link = a_link(house)
    with pytest.raises(Conflict):
        wait(setup(house).redeem(NOBODY, link.secret, name=BOB))
    assert house.look(lambda tx: tx.users.find(BOB)) == a_user("bob")
    assert wait(setup(house).redeem(NOBODY, link.secret, name=ADA)).user.name == ADA
