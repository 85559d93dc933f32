"""Users, grants and tokens in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from strongroom.adapters.memory.state import State, require
from strongroom.core.access import Grant, Token
from strongroom.core.model import User
from strongroom.core.names import TokenId, UserName


class MemoryUsers:
    """`ports.Users` on one state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def find(self, name: UserName) -> User | None:
        return self._state.users.get(name)

    def list(self) -> tuple[User, ...]:
        return tuple(sorted(self._state.users.values(), key=lambda user: user.name))

    def add(self, user: User) -> None:
        users = self._state.changing().users
        require(holds=user.name not in users, otherwise=f"There is a user called '{user.name}' already")
        users[user.name] = user

    def replace(self, user: User) -> None:
        users = self._state.changing().users
        require(holds=user.name in users, otherwise=f"There is no user called '{user.name}'")
        users[user.name] = user

    def list_grants(self, name: UserName) -> tuple[Grant, ...]:
        return self._state.grants.get(name, ())

    def add_grant(self, name: UserName, grant: Grant) -> None:
        state = self._state.changing()
        require(holds=name in state.users, otherwise=f"There is no user called '{name}'")
        earlier = state.grants.get(name, ())
        if grant not in earlier:
            state.grants[name] = (*earlier, grant)

    def remove_grant(self, name: UserName, grant: Grant) -> bool:
        grants = self._state.changing().grants
        earlier = grants.get(name, ())
        grants[name] = tuple(other for other in earlier if other != grant)
        return grant in earlier


class MemoryTokens:
    """`ports.Tokens` on one state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def find(self, token_id: TokenId) -> Token | None:
        return self._state.tokens.get(token_id)

    def list(self, owner: UserName | None = None) -> tuple[Token, ...]:
        found = (token for token in self._state.tokens.values() if owner is None or token.owner == owner)
        return tuple(sorted(found, key=lambda token: (token.created_at, token.token_id)))

    def list_descendants(self, token_id: TokenId) -> tuple[Token, ...]:
        found: set[TokenId] = set()
        makers = {token_id}
        while makers:
            made = {token.token_id for token in self._state.tokens.values() if token.parent in makers}
            makers = made - found
            found |= made
        return tuple(token for token in self.list() if token.token_id in found)

    def add(self, token: Token) -> None:
        tokens = self._state.changing().tokens
        require(holds=token.token_id not in tokens, otherwise=f"There is a token '{token.token_id}' already")
        self._require_owner(token)
        tokens[token.token_id] = token

    def replace(self, token: Token) -> None:
        tokens = self._state.changing().tokens
        require(holds=token.token_id in tokens, otherwise=f"There is no token '{token.token_id}'")
        self._require_owner(token)
        tokens[token.token_id] = token

    def touch(self, last_used: dict[TokenId, datetime]) -> None:
        tokens = self._state.changing().tokens
        for token_id, at in last_used.items():
            token = tokens.get(token_id)
            if token is not None and (token.last_used_at is None or token.last_used_at < at):
                tokens[token_id] = replace(token, last_used_at=at)

    def _require_owner(self, token: Token) -> None:
        require(holds=token.owner in self._state.users, otherwise=f"There is no user called '{token.owner}'")
