"""Who am I: what the credentials stand for, and what they allow.

Decides nothing; it tells what the request itself was judged by.
"""

from __future__ import annotations

from pydantic import Field

from strongroom.http.api.endpoint import CurrentCaller, Endpoint, get_signed
from strongroom.http.api.fields import Time, View
from strongroom.http.api.grants import GrantBody, show_grant
from strongroom.http.routes import SignedIn

TAG = "identity"


class IdentityView(View):
    """The principal: the user's grants and, for a token, what it is narrowed to."""

    user: str
    token_id: str | None = Field(description="The token's id; null for a password.")
    grants: list[GrantBody] = Field(description="What the user may do.")
    scope: list[GrantBody] | None = Field(description="What the token is narrowed to; null for a password.")
    expires_at: Time | None = Field(description="When the token ends.")
    networks: list[str] = Field(description="From where the token may be used; empty for anywhere.")


class Identity:
    """The endpoint of whoever asks who he is."""

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints of this family."""
        reason = "everybody may hear who he is"
        return [Endpoint("GET", "/whoami", self.show_identity, SignedIn(reason))]

    async def show_identity(self, caller: CurrentCaller) -> IdentityView:
        """Show whom the credentials stand for.

        Use it to try a token: its rights, its end, its networks.
        """
        principal = get_signed(caller)
        return IdentityView(
            user=principal.user,
            token_id=principal.token_id,
            grants=[show_grant(grant) for grant in principal.grants],
            scope=None if principal.scope is None else [show_grant(grant) for grant in principal.scope],
            expires_at=principal.until,
            networks=[str(network) for network in principal.networks],
        )
