"""Signing in: from a token or a password to who somebody is.

Decides whether the credentials are right. What the principal may do is decided by
`core/access.py`, at each request; so are a token's end and its networks. Writes no
event: nothing is changed.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from strongroom.core import access, passwords
from strongroom.core.access import Grant, Signed, Token
from strongroom.core.errors import InvalidName
from strongroom.core.model import User
from strongroom.core.names import TokenId, UserName, parse_user_name
from strongroom.core.policy import Refuse
from strongroom.core.tokens import find_token_text, secret_digest
from strongroom.ports import Catalog, Clock, Passwords, Secrets, Transaction

BAD_CREDENTIALS = Refuse(
    "bad-credentials",
    "The user name, password or token is wrong",
    "Send a token as the password, with the user name __token__.",
)
"""The one answer to all that is wrong, so that nobody learns which part was right."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """Turns credentials into a principal."""

    catalog: Catalog
    secrets: Secrets
    passwords: Passwords
    clock: Clock

    async def with_token(self, text: str) -> Signed | Refuse:
        """Return who holds the token; a mistyped one is told apart without a look at the catalog."""
        held = find_token_text(text)
        if held is None:
            return BAD_CREDENTIALS
        digest = secret_digest(self.secrets.derive_key("tokens"), held.secret)
        row = await self.catalog.read(lambda tx: _find_token(tx, held.token_id))
        if row is None:
            return BAD_CREDENTIALS
        token, user, grants = row
        if not hmac.compare_digest(token.digest, digest):
            return BAD_CREDENTIALS
        return access.sign_in(user, grants, token=token)

    async def with_password(self, user: str, password: str) -> Signed | Refuse:
        """Return the user; takes as long for an unknown one. Raises `TooMany` when too many wait."""
        if not passwords.fits(password):
            return BAD_CREDENTIALS
        name = _find_user_name(user)
        row = None if name is None else await self.catalog.read(lambda tx: _find_user(tx, name))
        is_right = await self.passwords.verify(row[0].password_hash if row else None, password)
        if row is None or not is_right:
            return BAD_CREDENTIALS
        return access.sign_in(*row)


def _find_user_name(raw: str) -> UserName | None:
    try:
        return parse_user_name(raw)
    except InvalidName:
        return None


def _find_user(tx: Transaction, name: UserName) -> tuple[User, tuple[Grant, ...]] | None:
    user = tx.users.find(name)
    return None if user is None else (user, tx.users.list_grants(name))


def _find_token(tx: Transaction, token_id: TokenId) -> tuple[Token, User, tuple[Grant, ...]] | None:
    token = tx.tokens.find(token_id)
    owner = None if token is None else _find_user(tx, token.owner)
    return None if token is None or owner is None else (token, *owner)
