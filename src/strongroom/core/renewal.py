"""What a caller may still do at the end of a long request.

An upload may take an hour: an account disabled, a right taken away or a token
revoked meanwhile must not publish. Decides on the rows as a transaction sees them.
"""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_address

from strongroom.core.access import Grant, Principal, Signed, Token, judge_presence, sign_in
from strongroom.core.caller import Caller
from strongroom.core.errors import Unauthenticated
from strongroom.core.model import User
from strongroom.core.policy import Refuse


def renew(
    caller: Caller, user: User | None, *, grants: tuple[Grant, ...], token: Token | None, now: datetime
) -> Principal:
    """Return the principal with the rights that he has now; raises `Unauthenticated` if he has none left.

    `user`, `grants` and `token` are what the catalog holds of a signed-in caller.
    """
    principal = caller.principal
    if not isinstance(principal, Signed):
        return principal
    if user is None or (token is None and principal.token_id is not None):
        raise Unauthenticated("bad-credentials", "The account or the token is gone", "Sign in again.")
    fresh = sign_in(user, grants, token=token)
    if isinstance(fresh, Refuse):
        raise Unauthenticated(fresh.code, fresh.reason, fresh.hint)
    verdict = judge_presence(fresh, now, address=ip_address(caller.address) if caller.address else None)
    if isinstance(verdict, Refuse):
        raise Unauthenticated(verdict.code, verdict.reason, verdict.hint)
    return fresh
