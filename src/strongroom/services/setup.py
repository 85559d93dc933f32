"""The first administrator: a one-time link, and what it is exchanged for.

Decides when there is a link (only while no administrator is enabled), how long it
is good, and that it is used once. All further users are made in `accounts.py`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from strongroom.core.access import ALL_RIGHTS, Token
from strongroom.core.caller import Caller
from strongroom.core.delegation import TokenRequest, plan_token, token_issued
from strongroom.core.errors import Conflict, Unauthenticated
from strongroom.core.events import SetupLinkIssued, UserCreated
from strongroom.core.model import SetupLink, User
from strongroom.core.names import UserName
from strongroom.core.tokens import ID_BYTES, SECRET_BYTES, TokenText, make_token, secret_digest
from strongroom.ports import Catalog, Clock, Secrets, Transaction

LINK_LIFETIME = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class IssuedLink:
    """The secret that goes into the link: the only moment at which it is known."""

    secret: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class FirstAdministrator:
    """Who was made, and his first token, good for everything, for ninety days."""

    user: User
    token: Token
    text: TokenText


@dataclass(frozen=True, slots=True)
class Setup:
    """The use cases before anybody has an account."""

    catalog: Catalog
    secrets: Secrets
    clock: Clock

    async def issue_link(self, caller: Caller) -> IssuedLink | None:
        """Make a link and void the earlier one; None when there is an enabled administrator.

        Only the program itself calls this, at its start: no right is asked.
        """
        raw = base64.urlsafe_b64encode(self.secrets.token_bytes(SECRET_BYTES)).decode().rstrip("=")
        link = SetupLink(digest=self._digest(raw), expires_at=self.clock.now() + LINK_LIFETIME)

        def change(tx: Transaction) -> IssuedLink | None:
            if _has_administrator(tx):
                return None
            tx.leases.put_setup_link(link)
            event = SetupLinkIssued(expires_at=link.expires_at.isoformat())
            tx.events.append(event, at=self.clock.now(), actor=caller.actor)
            return IssuedLink(raw, link.expires_at)

        return await self.catalog.write(change)

    async def redeem(self, caller: Caller, secret: str, *, name: UserName) -> FirstAdministrator:
        """Make the first administrator and his token, two changes with an event each, and use the link up.

        Raises `Unauthenticated` for a link that is wrong, used, too old or no longer
        needed, all alike, and `Conflict` for a taken name, which leaves the link good.
        """
        text = make_token(self.secrets.token_bytes(ID_BYTES), self.secrets.token_bytes(SECRET_BYTES))
        digest = self._digest(secret)
        if await self.catalog.read(_has_administrator):  # strangers who guess must not queue up for the writer's lock
            raise _bad_link()

        def change(tx: Transaction) -> FirstAdministrator:
            now = self.clock.now()
            link = tx.leases.take_setup_link(digest)
            if link is None or link.expires_at <= now or _has_administrator(tx):
                raise _bad_link()
            user = _add_administrator(tx, caller, name=name, now=now)
            wanted = TokenRequest(owner=name, label="first token", rights=ALL_RIGHTS)
            key = self.secrets.derive_key("tokens")
            token = plan_token(wanted, None, token_id=text.token_id, digest=secret_digest(key, text.secret), now=now)
            tx.tokens.add(token)
            tx.events.append(token_issued(token), at=now, actor=caller.actor)
            return FirstAdministrator(user, token, text)

        return await self.catalog.write(change)

    def _digest(self, secret: str) -> bytes:
        return secret_digest(self.secrets.derive_key("setup"), secret)


def _bad_link() -> Unauthenticated:
    return Unauthenticated(
        "setup-link",
        "The setup link is wrong, used up or too old",
        "Restart the server for a new one, or run `strongroom user create NAME --admin`.",
    )


def _has_administrator(tx: Transaction) -> bool:
    return any(user.is_administrator and not user.is_disabled for user in tx.users.list())


def _add_administrator(tx: Transaction, caller: Caller, *, name: UserName, now: datetime) -> User:
    if tx.users.find(name) is not None:
        raise Conflict("user-exists", f"There is a user '{name}' already", "Choose another name.")
    user = User(name=name, created_at=now, is_administrator=True)
    tx.users.add(user)
    tx.events.append(UserCreated(user=name, is_administrator=True), at=now, actor=caller.actor)
    return user
