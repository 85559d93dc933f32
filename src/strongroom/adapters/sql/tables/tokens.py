"""Rows of the table `tokens` as `Token`."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_network

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from strongroom.adapters.sql.rows import AnyRow, change_row, insert_row
from strongroom.adapters.sql.schema import tokens
from strongroom.core.access import Right, Scope, Token
from strongroom.core.names import IndexName, TokenId, UserName

_FIND = select(tokens).where(tokens.c.token_id == bindparam("key"))
_LIST = select(tokens).order_by(tokens.c.created_at, tokens.c.token_id)
_LIST_OWNED = _LIST.where(tokens.c.owner == bindparam("owner_key"))
_MADE = select(tokens.c.token_id).where(tokens.c.parent == bindparam("key")).cte("made", recursive=True)
_BELOW = _MADE.union(select(tokens.c.token_id).where(tokens.c.parent == _MADE.c.token_id))
_LIST_DESCENDANTS = _LIST.where(tokens.c.token_id.in_(select(_BELOW.c.token_id)))
_ADD = insert(tokens)
_REPLACE = update(tokens).where(tokens.c.token_id == bindparam("key"))
_TOUCH = (
    update(tokens)
    .where(
        tokens.c.token_id == bindparam("key"),
        or_(tokens.c.last_used_at.is_(None), tokens.c.last_used_at < bindparam("last_used_at")),
    )
    .values(last_used_at=bindparam("last_used_at"))
)


class SqlTokens:
    """`ports.Tokens` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, token_id: TokenId) -> Token | None:
        """Return the token of that id, revoked or not."""
        row = self._connection.execute(_FIND, {"key": token_id}).one_or_none()
        return None if row is None else _token(row)

    def list(self, owner: UserName | None = None) -> tuple[Token, ...]:
        """Return the owner's or all tokens, oldest first."""
        if owner is None:
            return tuple(_token(row) for row in self._connection.execute(_LIST).all())
        return tuple(_token(row) for row in self._connection.execute(_LIST_OWNED, {"owner_key": owner}).all())

    def list_descendants(self, token_id: TokenId) -> tuple[Token, ...]:
        """Return the tokens that it made, those that they made, and so on, oldest first; revoked ones too."""
        return tuple(_token(row) for row in self._connection.execute(_LIST_DESCENDANTS, {"key": token_id}).all())

    def add(self, token: Token) -> None:
        """Raise `Conflict` when the id is taken, or there is no such owner."""
        insert_row(self._connection, _ADD, values=_values(token), taken=f"There is a token '{token.token_id}' already")

    def replace(self, token: Token) -> None:
        """Raise `Conflict` when there is no such token."""
        values = {**_values(token), "key": token.token_id}
        change_row(self._connection, _REPLACE, values=values, missing=f"There is no token '{token.token_id}'")

    def touch(self, last_used: dict[TokenId, datetime]) -> None:
        """Set the time of last use, unless a later one is stored. Writes no event."""
        if last_used:
            self._connection.execute(_TOUCH, [{"key": key, "last_used_at": at} for key, at in last_used.items()])


def _values(token: Token) -> dict[str, object]:
    return {
        "token_id": token.token_id,
        "owner": token.owner,
        "label": token.label,
        "digest": token.digest,
        "rights": tuple(sorted(token.scope.rights)),
        "indexes": tuple(sorted(token.scope.indexes)),
        "projects": token.scope.projects,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "networks": tuple(map(str, token.networks)),
        "revoked_at": token.revoked_at,
        "last_used_at": token.last_used_at,
        "parent": token.parent,
    }


def _token(row: AnyRow) -> Token:
    return Token(
        token_id=row.token_id,
        owner=row.owner,
        label=row.label,
        digest=row.digest,
        scope=Scope(
            rights=frozenset(map(Right, row.rights)),
            indexes=frozenset(map(IndexName, row.indexes)),
            projects=row.projects,
        ),
        created_at=row.created_at,
        expires_at=row.expires_at,
        networks=tuple(map(ip_network, row.networks)),
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        parent=row.parent,
    )
