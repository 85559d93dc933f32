"""Tokens over REST: list, create, revoke, rotate. The secret is answered once, when it is made."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Query
from pydantic import BeforeValidator, ConfigDict, Field, StrictInt

from strongroom.core.access import Right, Token
from strongroom.core.delegation import DEFAULT_LIFETIME, MOST_PLACES, TokenRequest
from strongroom.http.api.endpoint import CurrentCaller, Endpoint, get_signed
from strongroom.http.api.fields import Body, IndexField, NetworkField, PatternField, Time, UserField, View, read_whole
from strongroom.http.api.paging import WantedPage, cut
from strongroom.http.api.places import TokenPlace
from strongroom.http.routes import SignedIn
from strongroom.services.tokens import IssuedToken, Tokens

TAG = "tokens"
_LONGEST_DAYS = 36_500
_LONGEST_OVERLAP_SECONDS = 30 * 24 * 3600


class TokenView(View):
    """A token without its secret. Empty `indexes` or `projects` mean: wherever its owner may."""

    id: str = Field(examples=["0Jb5n3cWPYJ0Cw2x"])
    owner: str
    label: str
    rights: list[Right]
    indexes: list[str]
    projects: list[str]
    networks: list[str]
    parent: str | None = Field(description="The token that made it, and takes it along when it is revoked.")
    created_at: Time
    expires_at: Time | None
    revoked_at: Time | None
    last_used_at: Time | None = Field(description="Kept to the minute.")


class IssuedTokenView(TokenView):
    """A new token: the only answer that holds its text."""

    secret: str = Field(
        description="The whole token, to be sent as a password. It is not kept and not shown again.", repr=False
    )


class TokenPage(View):
    """A page of tokens, newest first, revoked ones included."""

    items: list[TokenView]
    next_cursor: str | None


class NewTokenBody(Body):
    """A token to be made.

    Without `rights`: read and upload, as far as the owner (or the token that asks) has them.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"label": "CI", "rights": ["read", "upload"], "projects": ["acme-*"], "lifetime_days": 30}]
        }
    )

    owner: UserField | None = Field(default=None, description="Left out: the caller himself.")
    label: str = Field(default="", max_length=500)
    rights: list[Right] | None = Field(default=None, min_length=1)
    indexes: list[IndexField] = Field(default=[], max_length=MOST_PLACES)
    projects: list[PatternField] = Field(default=[], max_length=MOST_PLACES)
    networks: list[NetworkField] = Field(default=[], max_length=MOST_PLACES)
    lifetime_days: Annotated[StrictInt, Field(ge=1, le=_LONGEST_DAYS), BeforeValidator(read_whole)] | None = Field(
        default=DEFAULT_LIFETIME.days,
        description="Days until it ends; null for never. More than 366 take an administrator.",
    )


class RotationBody(Body):
    """How the old token ends."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_seconds": 3600}]})

    overlap_seconds: Annotated[StrictInt, Field(ge=0, le=_LONGEST_OVERLAP_SECONDS), BeforeValidator(read_whole)] = (
        Field(default=0, description="How long the old token stays good beside the new.")
    )


class TokenEndpoints:
    """The endpoints about tokens."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints of this family."""
        own = SignedIn("everybody may look after his own tokens; those of others take an administrator")
        return [
            Endpoint("GET", "/tokens", self.list_tokens, own),
            Endpoint("POST", "/tokens", self.create_token, own, status=201, problems=(404, 409)),
            Endpoint("DELETE", "/tokens/{token}", self.revoke_token, own, problems=(404,)),
            Endpoint("POST", "/tokens/{token}/rotation", self.rotate_token, own, status=201, problems=(404, 409)),
        ]

    async def list_tokens(
        self,
        caller: CurrentCaller,
        page: WantedPage,
        *,
        owner: Annotated[UserField | None, Query(description="Only this user's.")] = None,
    ) -> TokenPage:
        """List tokens: one's own, or for an administrator all."""
        found = await self._tokens.list(caller, owner)
        items, next_cursor = cut(found, page, key=_place, newest_first=True)
        return TokenPage(items=[_show(token) for token in items], next_cursor=next_cursor)

    async def create_token(self, caller: CurrentCaller, body: NewTokenBody) -> IssuedTokenView:
        """Create a token; the answer holds its secret, once.

        A token that asks for a token cannot give more than it has itself.
        """
        wanted = TokenRequest(
            owner=body.owner or get_signed(caller).user,
            label=body.label,
            rights=None if body.rights is None else frozenset(body.rights),
            indexes=frozenset(body.indexes),
            projects=tuple(body.projects),
            networks=tuple(body.networks),
            lifetime=None if body.lifetime_days is None else timedelta(days=body.lifetime_days),
        )
        return _show_issued(await self._tokens.issue(caller, wanted))

    async def revoke_token(self, caller: CurrentCaller, token: TokenPlace) -> TokenView:
        """Revoke a token and all that it made, from the next request on; repeating it changes nothing."""
        return _show(await self._tokens.revoke(caller, token))

    async def rotate_token(self, caller: CurrentCaller, token: TokenPlace, *, body: RotationBody) -> IssuedTokenView:
        """Replace a token by one with the same scope and lifetime; the answer holds its secret, once.

        What the old one made is the successor's from now on; if another token asks, the successor is
        that one's child, and what the old one made ends with it. 409 for a token that has ended.
        """
        overlap = timedelta(seconds=body.overlap_seconds)
        return _show_issued(await self._tokens.rotate(caller, token, overlap=overlap))


def _place(token: Token) -> str:
    return f"{token.created_at:%Y%m%dT%H%M%S.%f} {token.token_id}"


def _show(token: Token) -> TokenView:
    return TokenView(
        id=token.token_id,
        owner=token.owner,
        label=token.label,
        rights=[right for right in Right if right in token.scope.rights],
        indexes=sorted(token.scope.indexes),
        projects=list(token.scope.projects),
        networks=[str(network) for network in token.networks],
        parent=token.parent,
        created_at=token.created_at,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
        last_used_at=token.last_used_at,
    )


def _show_issued(issued: IssuedToken) -> IssuedTokenView:
    return IssuedTokenView(**_show(issued.token).model_dump(), secret=issued.text.render())
