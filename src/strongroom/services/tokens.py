"""Tokens: made, listed, revoked and rotated.

Decides who may do it for whom. What a token may carry is decided by
`core/delegation.py`, who comes with one by `sign_in.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from strongroom.core import delegation
from strongroom.core.access import (
    ADMINISTRATOR_GRANTS,
    SERVER,
    IndexTarget,
    Right,
    Signed,
    Token,
    allows,
    describe,
    not_found,
)
from strongroom.core.caller import Caller, open_indexes
from strongroom.core.delegation import TokenRequest
from strongroom.core.errors import Conflict, Forbidden, InvalidRequest, NotFound, Unauthenticated
from strongroom.core.events import Event, TokenRevoked
from strongroom.core.model import User
from strongroom.core.names import IndexName, TokenId, UserName
from strongroom.core.policy import Allow, Verdict
from strongroom.core.remarks import parse_remark
from strongroom.core.tokens import ID_BYTES, SECRET_BYTES, TokenText, make_token, secret_digest
from strongroom.ports import Catalog, Clock, Secrets, Transaction

AT_ONCE = timedelta(0)
FAR_AWAY = timedelta(days=100 * 366)
"""What is later than this is a mistake, and soon no date at all."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token: the only moment at which its text is known."""

    token: Token
    text: TokenText


@dataclass(frozen=True, slots=True)
class Tokens:
    """The use cases about tokens."""

    catalog: Catalog
    secrets: Secrets
    clock: Clock

    async def issue(self, caller: Caller, wanted: TokenRequest) -> IssuedToken:
        """Make a token.

        Raises `Forbidden` for another user's token or more than the caller may give,
        `InvalidRequest` for rights that its owner has nowhere, `NotFound` for an index.
        """
        _check_lifetime(wanted.lifetime)
        _check(delegation.judge_size(wanted))
        text = self._make_text()
        wanted = replace(wanted, label=parse_remark(wanted.label))

        def change(tx: Transaction) -> IssuedToken:
            parent = _get_parent(tx, caller)
            is_administrator = _is_administrator(tx, caller)
            if not is_administrator:
                _demand_own(tx, caller, owner=wanted.owner)
                _demand(delegation.judge_lifetime(wanted.lifetime))
            token = delegation.plan_token(
                wanted, parent, token_id=text.token_id, digest=self._digest(text), now=self.clock.now()
            )
            _check_request(tx, caller, wanted=wanted, token=token)
            if parent is not None:
                _demand(delegation.judge_child(token, parent))
            tx.tokens.add(token)
            self._tell(tx, caller, event=delegation.token_issued(token))
            return IssuedToken(token, text)

        return await self.catalog.write(change)

    async def list(self, caller: Caller, owner: UserName | None = None) -> tuple[Token, ...]:
        """Return the owner's tokens, newest first; without an owner those that the caller may see."""

        def load(tx: Transaction) -> tuple[Token, ...]:
            whose = owner
            if not _is_administrator(tx, caller):
                whose = owner or _own_name(caller)
                _demand_own(tx, caller, owner=whose)
            return tuple(sorted(tx.tokens.list(whose), key=lambda token: token.created_at, reverse=True))

        return await self.catalog.read(load)

    async def revoke(self, caller: Caller, token_id: TokenId) -> Token:
        """End the token and all that descend from it at once; revoking it again changes nothing."""

        def change(tx: Transaction) -> Token:
            token = _get_token(tx, caller, token_id=token_id)
            if token.revoked_at is not None:
                return token
            revoked = self._end(tx, caller, token=token)
            self._end_descendants(tx, caller, token=token)
            return revoked

        return await self.catalog.write(change)

    async def rotate(self, caller: Caller, token_id: TokenId, *, overlap: timedelta = AT_ONCE) -> IssuedToken:
        """Replace the token by one with the same scope and lifetime; the old one stays good for `overlap`.

        What the old one made is the successor's from now on. Not if another token asks,
        whose child the successor is: then it ends with the old one.
        Raises `Conflict` for a token that has ended, `Forbidden` for one that the caller's comes from.
        """
        if not AT_ONCE <= overlap <= FAR_AWAY:
            raise InvalidRequest("token-overlap", "The overlap is no time to wait", "Use 0 or a time such as 1h.")
        text = self._make_text()

        def change(tx: Transaction) -> IssuedToken:
            now = self.clock.now()
            old = _get_token(tx, caller, token_id=token_id)
            _check_alive(old, now)
            _get_owner(tx, old.owner)
            new = _successor(old, text, digest=self._digest(text), now=now)
            parent = _get_parent(tx, caller)
            if parent is not None:
                expires_at = delegation.earliest(new.expires_at, parent.expires_at)
                new = replace(new, expires_at=expires_at, parent=_get_successors_parent(tx, old, asking=parent))
                _demand(delegation.judge_child(new, parent))
            tx.tokens.add(new)
            tx.tokens.replace(_predecessor(old, overlap, now=now))
            self._tell(tx, caller, event=delegation.token_issued(new, replaces=old.token_id))
            if new.parent == old.parent:
                _move_children(tx, old, new=new)
            elif overlap == AT_ONCE:
                self._end_descendants(tx, caller, token=old)
            return IssuedToken(new, text)

        return await self.catalog.write(change)

    def _end(self, tx: Transaction, caller: Caller, *, token: Token) -> Token:
        revoked = replace(token, revoked_at=self.clock.now())
        tx.tokens.replace(revoked)
        self._tell(tx, caller, event=TokenRevoked(token=token.token_id, owner=token.owner))
        return revoked

    def _end_descendants(self, tx: Transaction, caller: Caller, *, token: Token) -> None:
        """Revoke what the token made, what that made, and so on: whoever stole it holds those as well."""
        for descendant in tx.tokens.list_descendants(token.token_id):
            if descendant.revoked_at is None:
                self._end(tx, caller, token=descendant)

    def _make_text(self) -> TokenText:
        return make_token(self.secrets.token_bytes(ID_BYTES), self.secrets.token_bytes(SECRET_BYTES))

    def _digest(self, text: TokenText) -> bytes:
        return secret_digest(self.secrets.derive_key("tokens"), text.secret)

    def _tell(self, tx: Transaction, caller: Caller, *, event: Event) -> None:
        tx.events.append(event, at=self.clock.now(), actor=caller.actor)


def _is_administrator(tx: Transaction, caller: Caller) -> bool:
    return isinstance(
        allows(caller.principal, Right.ADMINISTER, target=SERVER, open_indexes=open_indexes(tx.indexes.list())), Allow
    )


def _own_name(caller: Caller) -> UserName | None:
    return caller.principal.user if isinstance(caller.principal, Signed) else None


def _demand_own(tx: Transaction, caller: Caller, *, owner: UserName | None) -> None:
    """Let everybody at his own tokens, and administrators at all."""
    if owner is None or _own_name(caller) != owner:
        caller.demand(Right.ADMINISTER, SERVER, indexes=tx.indexes.list())


def _get_parent(tx: Transaction, caller: Caller) -> Token | None:
    """Return the token that the caller came with; it may have been revoked since he was let in."""
    if not isinstance(caller.principal, Signed) or caller.principal.token_id is None:
        return None
    parent = tx.tokens.find(caller.principal.token_id)
    if parent is None or parent.revoked_at is not None:
        raise Unauthenticated("token-revoked", "The token was revoked", "Create a new one.")
    return parent


def _get_owner(tx: Transaction, name: UserName) -> User:
    user = tx.users.find(name)
    if user is None:
        raise NotFound("user-unknown", f"There is no user '{name}'", "Check the name; see `strongroom user list`.")
    if user.is_disabled:
        raise Conflict("user-disabled", f"The account '{name}' is disabled", "Enable it first.")
    return user


def _check_lifetime(lifetime: timedelta | None) -> None:
    if lifetime is not None and not AT_ONCE < lifetime <= FAR_AWAY:
        raise InvalidRequest("token-lifetime", "The token would end at once, or in another age", "Say 90d, or never.")


def _check_request(tx: Transaction, caller: Caller, *, wanted: TokenRequest, token: Token) -> None:
    for index in sorted(wanted.indexes):
        _check_index(tx, caller, index=index)
    if wanted.rights is not None and not wanted.rights:
        raise InvalidRequest("token-right", "The token would hold no right", "Name one, such as read.")
    owner = _get_owner(tx, wanted.owner)
    held = ADMINISTRATOR_GRANTS if owner.is_administrator else tx.users.list_grants(owner.name)
    _check(delegation.judge_usefulness(token, wanted.rights or frozenset(), held=held))


def _check_index(tx: Transaction, caller: Caller, *, index: IndexName) -> None:
    """Raise the same for an index that is missing and one that the caller may not see."""
    seen = allows(caller.principal, Right.READ, target=IndexTarget(index), open_indexes=open_indexes(tx.indexes.list()))
    if not isinstance(seen, Allow) or tx.indexes.find(index) is None:
        raise NotFound("index-unknown", f"There is no index '{index}', or you may not see it", "Check its name.")


def _get_token(tx: Transaction, caller: Caller, *, token_id: TokenId) -> Token:
    """Return a token that the caller may end; others look as if they did not exist.

    Whoever came with a token may end those that it could have made, and itself.
    """
    token = tx.tokens.find(token_id)
    if _is_administrator(tx, caller):
        if token is None:
            raise NotFound(
                "token-unknown", f"There is no token '{token_id}'", "Check the id; see `strongroom token list`."
            )
        return token
    if _own_name(caller) is None:
        caller.demand(Right.ADMINISTER, SERVER, indexes=tx.indexes.list())
    if token is None or token.owner != _own_name(caller):
        raise not_found()
    parent = _get_parent(tx, caller)
    if parent is not None and not delegation.within(token.scope, parent.scope):
        raise Forbidden(
            "token-exceeds",
            f"{describe(caller.principal)} may not end a token that may do more than itself",
            "Sign in with a wider token.",
        )
    return token


def _check_alive(token: Token, now: datetime) -> None:
    if token.revoked_at is not None or (token.expires_at is not None and token.expires_at <= now):
        raise Conflict("token-ended", f"The token '{token.token_id}' has ended", "Create a new one.")


def _successor(old: Token, text: TokenText, *, digest: bytes, now: datetime) -> Token:
    lifetime = None if old.expires_at is None else old.expires_at - old.created_at
    return replace(
        old,
        token_id=text.token_id,
        digest=digest,
        created_at=now,
        expires_at=None if lifetime is None else now + lifetime,
        last_used_at=None,
    )


def _get_successors_parent(tx: Transaction, old: Token, *, asking: Token) -> TokenId | None:
    """Return what takes the successor along when it is revoked.

    The token that asks learns the new secret. If it is the old one or above it, the
    successor stays in its line; if not, it is the successor's parent.
    """
    if asking.token_id in _line(tx, old):
        return old.parent
    if old.token_id in _line(tx, asking):
        raise Forbidden(
            "token-exceeds",
            f"The token '{asking.token_id}' may not replace one that it comes from",
            "Sign in with a password, or with that token itself.",
        )
    return asking.token_id


def _line(tx: Transaction, token: Token) -> set[TokenId]:
    """Return the token's id and those of all above it."""
    line: set[TokenId] = set()
    above: Token | None = token
    while above is not None and above.token_id not in line:
        line.add(above.token_id)
        above = None if above.parent is None else tx.tokens.find(above.parent)
    return line


def _move_children(tx: Transaction, old: Token, *, new: Token) -> None:
    for descendant in tx.tokens.list_descendants(old.token_id):
        if descendant.parent == old.token_id:
            tx.tokens.replace(replace(descendant, parent=new.token_id))


def _predecessor(old: Token, overlap: timedelta, *, now: datetime) -> Token:
    if overlap == AT_ONCE:
        return replace(old, revoked_at=now)
    return replace(old, expires_at=delegation.earliest(old.expires_at, now + overlap))


def _check(verdict: Verdict) -> None:
    if not isinstance(verdict, Allow):
        raise InvalidRequest(verdict.code, verdict.reason, verdict.hint)


def _demand(verdict: Verdict) -> None:
    if not isinstance(verdict, Allow):
        raise Forbidden(verdict.code, verdict.reason, verdict.hint)
