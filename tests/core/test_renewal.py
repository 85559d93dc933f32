"""What a caller may still do at the end of a long request."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest

from strongroom.core.access import ADMINISTRATOR_GRANTS, Right, Signed, Token
from strongroom.core.errors import Unauthenticated
from strongroom.core.model import User
from strongroom.core.renewal import renew
from tests.factories import NOBODY, OPERATOR, a_caller, a_grant, a_token, a_token_caller, a_user
from tests.fakes import START

_UPLOAD = a_grant(Right.UPLOAD)
_TOKEN = a_token()


def test_operator_and_nobody_stay_what_they_are() -> None:
    """Neither has rows that could change."""
    for caller in (OPERATOR, NOBODY):
        assert renew(caller, None, grants=(), token=None, now=START) == caller.principal


def test_the_rights_are_those_of_now() -> None:
    """A grant that was taken away is gone, one that was added is there."""
    fresh = renew(a_caller("bob", _UPLOAD), a_user(), grants=(a_grant(Right.READ),), token=None, now=START)
    assert isinstance(fresh, Signed)
    assert fresh.grants == (a_grant(Right.READ),)


def test_an_administrator_is_one_as_long_as_his_row_says_so() -> None:
    """The grants that he came with don't count."""
    caller = a_caller("bob", *ADMINISTRATOR_GRANTS)
    fresh = renew(caller, a_user(), grants=(), token=None, now=START)
    assert isinstance(fresh, Signed)
    assert fresh.grants == ()


def test_a_token_keeps_its_narrowness() -> None:
    """Renewing never widens: the token's scope comes from its row."""
    fresh = renew(a_token_caller(_TOKEN, _UPLOAD), a_user(), grants=(_UPLOAD,), token=_TOKEN, now=START)
    assert isinstance(fresh, Signed)
    assert fresh.scope == _TOKEN.scope.grants()


@pytest.mark.parametrize(
    ("user", "token", "code"),
    [
        (None, _TOKEN, "bad-credentials"),
        (a_user(), None, "bad-credentials"),
        (a_user(disabled=True), _TOKEN, "user-disabled"),
        (a_user(), replace(_TOKEN, revoked_at=START), "token-revoked"),
        (a_user(), replace(_TOKEN, expires_at=START - timedelta(seconds=1)), "token-expired"),
        (a_user(), replace(_TOKEN, networks=(ip_network("10.0.0.0/8"),)), "token-network"),
    ],
)
def test_what_was_lost_meanwhile_ends_the_request(user: User | None, token: Token | None, code: str) -> None:
    """An account or token that is gone, disabled, revoked, expired or out of place publishes nothing."""
    with pytest.raises(Unauthenticated) as caught:
        renew(a_token_caller(_TOKEN, _UPLOAD), user, grants=(_UPLOAD,), token=token, now=START)
    assert caught.value.code == code
