"""From credentials to a principal."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest

from strongroom.core.access import ADMINISTRATOR_GRANTS, Right, Signed, Token
from strongroom.core.errors import TooMany
from strongroom.core.names import parse_user_name
from strongroom.core.policy import Refuse
from strongroom.core.tokens import TokenText, make_token, secret_digest
from strongroom.services.sign_in import BAD_CREDENTIALS, SignIn
from tests.factories import a_grant, a_scope, a_token, a_user
from tests.fakes import START
from tests.services.house import House, wait

BOB = parse_user_name("bob")
TEXT = make_token(bytes(12), bytes(32))
PASSWORD = "correct horse battery"


def sign_in(house: House) -> SignIn:
    """Make the service."""
    return SignIn(house.catalog, house.secrets, house.passwords, house.clock)


def a_house(*, token: Token | None = None, disabled: bool = False) -> House:
    """Make a house where Bob has a password and a token."""
    house = House()
    house.add_user(a_user("bob", disabled=disabled, password=PASSWORD), a_grant(Right.READ))
    digest = secret_digest(house.secrets.derive_key("tokens"), TEXT.secret)
    house.add_token(replace(token or a_token(), token_id=TEXT.token_id, digest=digest))
    return house


def test_a_token_signs_its_owner_in_within_its_scope() -> None:
    """Grants are the owner's; scope, end and networks the token's."""
    networks = (ip_network("10.0.0.0/8"),)
    token = replace(a_token(scope=a_scope(Right.READ, indexes=["main"])), networks=networks)
    assert wait(sign_in(a_house(token=token)).with_token(TEXT.render())) == Signed(
        user=BOB,
        grants=(a_grant(Right.READ),),
        token_id=TEXT.token_id,
        scope=token.scope.grants(),
        until=START + timedelta(days=90),
        networks=networks,
    )


def test_an_expired_token_is_known_and_judged_at_the_request() -> None:
    """So that a cached principal ends at the same moment as one that was just made."""
    house = a_house()
    house.clock.advance(timedelta(days=91))
    assert isinstance(wait(sign_in(house).with_token(TEXT.render())), Signed)


WRONG_TOKENS = {
    "no token": "hunter2",
    "empty": "",
    "a mistyped one": TEXT.render()[:-1] + "x",
    "another id": make_token(b"\x01" * 12, bytes(32)).render(),
    "another secret": TokenText(TEXT.token_id, "1" * 43).render(),
}


@pytest.mark.parametrize("text", WRONG_TOKENS.values(), ids=WRONG_TOKENS)
def test_every_wrong_token_gets_the_same_answer(text: str) -> None:
    """Nobody learns whether the id was right."""
    assert wait(sign_in(a_house()).with_token(text)) == BAD_CREDENTIALS


def test_a_mistyped_token_is_told_apart_without_the_catalog() -> None:
    """The catalog is not asked: here it is closed."""
    house = a_house()
    wait(house.catalog.close())
    assert wait(sign_in(house).with_token(TEXT.render()[:-1] + "x")) == BAD_CREDENTIALS


@pytest.mark.parametrize(
    ("token", "disabled", "code"),
    [(replace(a_token(), revoked_at=START), False, "token-revoked"), (a_token(), True, "user-disabled")],
)
def test_who_holds_the_secret_is_told_why_it_is_no_longer_good(token: Token, *, disabled: bool, code: str) -> None:
    """A revoked token and a disabled account are refused with their own sentence."""
    verdict = wait(sign_in(a_house(token=token, disabled=disabled)).with_token(TEXT.render()))
    assert isinstance(verdict, Refuse)
    assert verdict.code == code


def test_a_password_signs_in_without_a_scope() -> None:
    """A user signed in by password holds all his grants, and no token."""
    assert wait(sign_in(a_house()).with_password("bob", PASSWORD)) == Signed(user=BOB, grants=(a_grant(Right.READ),))


def test_an_administrator_holds_everything() -> None:
    """Whatever his grants are."""
    house = House()
    house.add_user(a_user("ada", admin=True, password=PASSWORD))
    principal = wait(sign_in(house).with_password("ada", PASSWORD))
    assert isinstance(principal, Signed)
    assert principal.grants == ADMINISTRATOR_GRANTS


@pytest.mark.parametrize(
    ("user", "password", "checked"),
    [
        ("bob", "the wrong password", [f"fake:{PASSWORD}"]),
        ("eve", PASSWORD, [None]),
        ("__token__", PASSWORD, [None]),
        ("no such name!", PASSWORD, [None]),
        ("bob", "short", []),
        ("bob", "x" * 257, []),
    ],
)
def test_a_wrong_password_takes_as_long_as_a_wrong_name(user: str, password: str, checked: list[str | None]) -> None:
    """One answer to all; a hash is computed even for nobody, but never for an absurd length."""
    house = a_house()
    assert wait(sign_in(house).with_password(user, password)) == BAD_CREDENTIALS
    assert house.passwords.checks == checked


def test_a_user_without_a_password_cannot_sign_in_with_one() -> None:
    """Not even with an empty one."""
    house = House()
    house.add_user(a_user("bob"))
    assert wait(sign_in(house).with_password("bob", PASSWORD)) == BAD_CREDENTIALS
    assert house.passwords.checks == [None]


def test_a_disabled_user_learns_it_only_with_the_right_password() -> None:
    """To all others the account looks like any."""
    house = a_house(disabled=True)
    assert wait(sign_in(house).with_password("bob", "the wrong password")) == BAD_CREDENTIALS
    verdict = wait(sign_in(house).with_password("bob", PASSWORD))
    assert isinstance(verdict, Refuse)
    assert verdict.code == "user-disabled"


def test_a_full_queue_is_not_a_wrong_password() -> None:
    """Too many at once is said as such."""
    house = a_house()
    house.passwords.is_full = True
    with pytest.raises(TooMany):
        wait(sign_in(house).with_password("bob", PASSWORD))


def test_signing_in_changes_nothing() -> None:
    """Nothing is recorded, right or wrong: the log is for changes."""
    house = a_house()
    wait(sign_in(house).with_token(TEXT.render()))
    wait(sign_in(house).with_password("bob", PASSWORD))
    assert house.events() == []
