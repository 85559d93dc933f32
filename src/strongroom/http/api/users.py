"""Users over REST: list, create, show, disable, enable, password, grants."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import ConfigDict, Field, StrictBool

from strongroom.core.access import Grant, Right
from strongroom.core.names import EVERY_PROJECT
from strongroom.core.passwords import LONGEST_BYTES, SHORTEST_BYTES
from strongroom.http.api.endpoint import CurrentCaller, Endpoint
from strongroom.http.api.fields import Body, IndexField, PatternField, Time, UserField, View
from strongroom.http.api.grants import GrantBody, show_grant
from strongroom.http.api.paging import WantedPage, cut
from strongroom.http.api.places import UserPlace
from strongroom.http.routes import Needs, SignedIn, Subject
from strongroom.services.accounts import Account, Accounts, NewUser

TAG = "users"
_PASSWORD_HELP = f"{SHORTEST_BYTES} to {LONGEST_BYTES} bytes of UTF-8."


class UserView(View):
    """An account, without the hash of its password."""

    name: str = Field(examples=["bob"])
    created_at: Time
    is_administrator: bool
    is_disabled: bool
    has_password: bool = Field(description="Without a password only tokens sign in.")
    grants: list[GrantBody]


class UserPage(View):
    """A page of the accounts, by name."""

    items: list[UserView]
    next_cursor: str | None


class NewUserBody(Body):
    """An account to be made. Without `grants` a member: read, upload and yank on every index."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "bob", "grants": [{"rights": ["read"], "index": "main"}]}]}
    )

    name: UserField
    is_administrator: StrictBool = False
    password: str | None = Field(
        default=None, min_length=SHORTEST_BYTES, max_length=LONGEST_BYTES, description=_PASSWORD_HELP, repr=False
    )
    grants: list[GrantBody] | None = None


class UserChangeBody(Body):
    """Whether the user is shut out."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"is_disabled": True}]})

    is_disabled: StrictBool


class PasswordBody(Body):
    """A new password."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"password": "four plain random words"}]})

    password: str = Field(min_length=SHORTEST_BYTES, max_length=LONGEST_BYTES, description=_PASSWORD_HELP, repr=False)


class GrantsView(View):
    """All that a user holds now."""

    grants: list[GrantBody]


class UserEndpoints:
    """The endpoints about users and their grants."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints of this family."""
        administer = Needs(Right.ADMINISTER, Subject.SERVER)
        own = SignedIn("everybody may see his own account")
        password = SignedIn("everybody may change his own password, if he came with it")
        return [
            Endpoint("GET", "/users", self.list_users, administer),
            Endpoint("POST", "/users", self.create_user, administer, status=201, problems=(404, 409)),
            Endpoint("GET", "/users/{user}", self.show_user, own, problems=(404,)),
            Endpoint("PATCH", "/users/{user}", self.change_user, administer, problems=(404, 409)),
            Endpoint("PUT", "/users/{user}/password", self.set_password, password, problems=(404,)),
            Endpoint("DELETE", "/users/{user}/password", self.remove_password, password, problems=(404,)),
            Endpoint("POST", "/users/{user}/grants", self.add_grant, administer, problems=(404,)),
            Endpoint("DELETE", "/users/{user}/grants", self.remove_grant, administer, problems=(404,)),
        ]

    async def list_users(self, caller: CurrentCaller, page: WantedPage) -> UserPage:
        """List all accounts."""
        items, next_cursor = cut(await self._accounts.list(caller), page, key=lambda account: account.name)
        return UserPage(items=[_show(account) for account in items], next_cursor=next_cursor)

    async def create_user(self, caller: CurrentCaller, body: NewUserBody) -> UserView:
        """Create an account.

        409 when the name is taken, 404 when a grant names an index that does not exist.
        """
        new = NewUser(
            name=body.name,
            is_administrator=body.is_administrator,
            password=body.password,
            grants=None if body.grants is None else tuple(grant.grant() for grant in body.grants),
        )
        return _show(await self._accounts.create(caller, new))

    async def show_user(self, caller: CurrentCaller, name: UserPlace) -> UserView:
        """Show an account; administrators see all, everybody his own."""
        return _show(await self._accounts.get(caller, name))

    async def change_user(self, caller: CurrentCaller, name: UserPlace, *, body: UserChangeBody) -> UserView:
        """Disable or enable an account.

        A disabled user and all his tokens are shut out from the next request on.
        409 for the last administrator.
        """
        act = self._accounts.disable if body.is_disabled else self._accounts.enable
        return _show(await act(caller, name))

    async def set_password(self, caller: CurrentCaller, name: UserPlace, *, body: PasswordBody) -> UserView:
        """Set a password.

        Users may do it for themselves, signed in with their password, not with a token.
        """
        return _show(await self._accounts.set_password(caller, name, password=body.password))

    async def remove_password(self, caller: CurrentCaller, name: UserPlace) -> UserView:
        """Remove a password: then only tokens sign in."""
        return _show(await self._accounts.set_password(caller, name, password=None))

    async def add_grant(self, caller: CurrentCaller, name: UserPlace, *, body: GrantBody) -> GrantsView:
        """Give a user rights.

        What he holds already changes nothing.
        """
        return _show_grants(await self._accounts.add_grant(caller, name, grant=body.grant()))

    async def remove_grant(
        self,
        caller: CurrentCaller,
        name: UserPlace,
        *,
        right: Annotated[list[Right], Query(min_length=1, description="A right to take; can be repeated.")],
        index: Annotated[IndexField | None, Query(description="Left out: the grant on every index.")] = None,
        projects: Annotated[PatternField, Query(description="The grant's pattern, as it is.")] = EVERY_PROJECT,
    ) -> GrantsView:
        """Take rights from a user, at exactly this index and pattern.

        What he does not hold changes nothing.
        """
        grant = Grant(rights=frozenset(right), index=index, projects=projects)
        return _show_grants(await self._accounts.remove_grant(caller, name, grant=grant))


def _show(account: Account) -> UserView:
    return UserView(
        name=account.name,
        created_at=account.created_at,
        is_administrator=account.is_administrator,
        is_disabled=account.is_disabled,
        has_password=account.has_password,
        grants=[show_grant(grant) for grant in account.grants],
    )


def _show_grants(grants: tuple[Grant, ...]) -> GrantsView:
    return GrantsView(grants=[show_grant(grant) for grant in grants])
