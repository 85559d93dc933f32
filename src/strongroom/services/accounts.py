"""Accounts: who exists, with which grants, and who is shut out.

Decides that the last administrator stays, and that a token cannot change its
owner's password unless it administers the server. Tokens are made in `tokens.py`,
the first administrator in `setup.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from strongroom.core.access import MEMBER_RIGHTS, SERVER, Grant, Right, Signed, describe_grant
from strongroom.core.caller import Caller
from strongroom.core.errors import Conflict, InvalidRequest, NotFound
from strongroom.core.events import Event, GrantAdded, GrantRemoved, UserChanged, UserCreated
from strongroom.core.model import User
from strongroom.core.names import UserName
from strongroom.core.passwords import check_password
from strongroom.ports import Catalog, Clock, Passwords, Transaction

FIRST_GRANTS = (Grant(rights=MEMBER_RIGHTS),)
"""What a new user may do when nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be made. `grants` None stands for `FIRST_GRANTS` (an administrator needs none)."""

    name: UserName
    is_administrator: bool = False
    password: str | None = field(default=None, repr=False)
    grants: tuple[Grant, ...] | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """A user as others see him: without the hash of his password."""

    name: UserName
    created_at: datetime
    is_administrator: bool
    is_disabled: bool
    has_password: bool
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Accounts:
    """The use cases about users and their grants."""

    catalog: Catalog
    passwords: Passwords
    clock: Clock

    async def create(self, caller: Caller, new: NewUser) -> Account:
        """Make a user; raises `Conflict` for a taken name, `InvalidRequest` for a bad password."""
        await self.catalog.read(lambda tx: _demand_administrator(tx, caller))
        password_hash = await self._hash(new.password)
        user = User(
            name=new.name,
            created_at=self.clock.now(),
            is_administrator=new.is_administrator,
            password_hash=password_hash,
        )
        default = () if new.is_administrator else FIRST_GRANTS
        grants = _merged(default if new.grants is None else new.grants)

        def change(tx: Transaction) -> Account:
            _demand_administrator(tx, caller)
            if tx.users.find(user.name) is not None:
                raise Conflict("user-exists", f"There is a user '{user.name}' already", "Choose another name.")
            tx.users.add(user)
            for grant in grants:
                _check_grant(tx, grant)
                tx.users.add_grant(user.name, grant)
            described = tuple(describe_grant(grant) for grant in grants)
            self._tell(
                tx, caller, event=UserCreated(user=user.name, is_administrator=new.is_administrator, grants=described)
            )
            return _account(tx, user)

        return await self.catalog.write(change)

    async def list(self, caller: Caller) -> tuple[Account, ...]:
        """Return all accounts, by name."""

        def load(tx: Transaction) -> tuple[Account, ...]:
            _demand_administrator(tx, caller)
            return tuple(_account(tx, user) for user in sorted(tx.users.list(), key=lambda user: user.name))

        return await self.catalog.read(load)

    async def get(self, caller: Caller, name: UserName) -> Account:
        """Return one account; everybody may see his own."""

        def load(tx: Transaction) -> Account:
            if not (isinstance(caller.principal, Signed) and caller.principal.user == name):
                _demand_administrator(tx, caller)
            return _account(tx, _get_user(tx, name))

        return await self.catalog.read(load)

    async def disable(self, caller: Caller, name: UserName) -> Account:
        """Shut the user and all his tokens out; raises `Conflict` for the last administrator."""

        def change(tx: Transaction) -> Account:
            _demand_administrator(tx, caller)
            user = _get_user(tx, name)
            if user.is_disabled:
                return _account(tx, user)
            if user.is_administrator and not _has_other_administrator(tx, user):
                raise Conflict(
                    "last-administrator",
                    f"'{name}' is the last administrator",
                    "Create another administrator first, or enable one.",
                )
            return self._replace(tx, caller, user=replace(user, is_disabled=True), change="disabled")

        return await self.catalog.write(change)

    async def enable(self, caller: Caller, name: UserName) -> Account:
        """Let the user and his tokens in again."""

        def change(tx: Transaction) -> Account:
            _demand_administrator(tx, caller)
            user = _get_user(tx, name)
            if not user.is_disabled:
                return _account(tx, user)
            return self._replace(tx, caller, user=replace(user, is_disabled=False), change="enabled")

        return await self.catalog.write(change)

    async def set_password(self, caller: Caller, name: UserName, *, password: str | None) -> Account:
        """Set the password, or remove it (None). Users may do it for themselves, but not with a token."""
        await self.catalog.read(lambda tx: _demand_self(tx, caller, name=name))
        password_hash = await self._hash(password)

        def change(tx: Transaction) -> Account:
            _demand_self(tx, caller, name=name)
            user = _get_user(tx, name)
            if user.password_hash is None and password_hash is None:
                return _account(tx, user)
            told = "password removed" if password_hash is None else "password set"
            return self._replace(tx, caller, user=replace(user, password_hash=password_hash), change=told)

        return await self.catalog.write(change)

    async def add_grant(self, caller: Caller, name: UserName, *, grant: Grant) -> tuple[Grant, ...]:
        """Give the user rights; returns all that he holds now."""

        def change(tx: Transaction) -> tuple[Grant, ...]:
            _demand_administrator(tx, caller)
            _get_user(tx, name)
            _check_grant(tx, grant)
            held = _find_same_place(tx.users.list_grants(name), grant)
            if held is None or not grant.rights <= held.rights:
                if held is not None:
                    tx.users.remove_grant(name, held)
                tx.users.add_grant(name, grant if held is None else replace(held, rights=held.rights | grant.rights))
                self._tell(tx, caller, event=GrantAdded(user=name, grant=describe_grant(grant)))
            return tx.users.list_grants(name)

        return await self.catalog.write(change)

    async def remove_grant(self, caller: Caller, name: UserName, *, grant: Grant) -> tuple[Grant, ...]:
        """Take rights from the user at exactly this index and pattern; returns all that he still holds."""

        def change(tx: Transaction) -> tuple[Grant, ...]:
            _demand_administrator(tx, caller)
            _get_user(tx, name)
            held = _find_same_place(tx.users.list_grants(name), grant)
            if held is not None and grant.rights & held.rights:
                tx.users.remove_grant(name, held)
                if left := held.rights - grant.rights:
                    tx.users.add_grant(name, replace(held, rights=left))
                taken = replace(grant, rights=held.rights & grant.rights)
                self._tell(tx, caller, event=GrantRemoved(user=name, grant=describe_grant(taken)))
            return tx.users.list_grants(name)

        return await self.catalog.write(change)

    async def _hash(self, password: str | None) -> str | None:
        if password is None:
            return None
        check_password(password)
        return await self.passwords.hash(password)

    def _replace(self, tx: Transaction, caller: Caller, *, user: User, change: str) -> Account:
        tx.users.replace(user)
        self._tell(tx, caller, event=UserChanged(user=user.name, change=change))
        return _account(tx, user)

    def _tell(self, tx: Transaction, caller: Caller, *, event: Event) -> None:
        tx.events.append(event, at=self.clock.now(), actor=caller.actor)


def _demand_administrator(tx: Transaction, caller: Caller) -> None:
    caller.demand(Right.ADMINISTER, SERVER, indexes=tx.indexes.list())


def _demand_self(tx: Transaction, caller: Caller, *, name: UserName) -> None:
    principal = caller.principal
    if not (isinstance(principal, Signed) and principal.token_id is None and principal.user == name):
        _demand_administrator(tx, caller)


def _get_user(tx: Transaction, name: UserName) -> User:
    user = tx.users.find(name)
    if user is None:
        raise NotFound("user-unknown", f"There is no user '{name}'", "Check the name; see `strongroom user list`.")
    return user


def _check_grant(tx: Transaction, grant: Grant) -> None:
    if not grant.rights:
        raise InvalidRequest("grant-empty", "The grant holds no right", "Name one, such as read.")
    if grant.index is not None and tx.indexes.find(grant.index) is None:
        raise NotFound(
            "index-unknown", f"There is no index '{grant.index}'", "Create it first, or see `strongroom index list`."
        )


def _has_other_administrator(tx: Transaction, user: User) -> bool:
    return any(other.is_administrator and not other.is_disabled for other in tx.users.list() if other.name != user.name)


def _find_same_place(grants: tuple[Grant, ...], grant: Grant) -> Grant | None:
    """Return what is held at the grant's index and pattern: there is one grant for each place."""
    place = (grant.index, grant.projects)
    return next((held for held in grants if (held.index, held.projects) == place), None)


def _merged(grants: tuple[Grant, ...]) -> tuple[Grant, ...]:
    merged: dict[object, Grant] = {}
    for grant in grants:
        place = (grant.index, grant.projects)
        held = merged.get(place)
        merged[place] = grant if held is None else replace(held, rights=held.rights | grant.rights)
    return tuple(merged.values())


def _account(tx: Transaction, user: User) -> Account:
    return Account(
        name=user.name,
        created_at=user.created_at,
        is_administrator=user.is_administrator,
        is_disabled=user.is_disabled,
        has_password=user.password_hash is not None,
        grants=tx.users.list_grants(user.name),
    )
