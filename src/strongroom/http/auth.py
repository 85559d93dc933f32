"""From an Authorization header to a principal.

Basic and Bearer; a token is a password with any of the user names `__token__`,
`pypi`, `token` or its owner's. A header that was good is remembered by its digest
until rights change; expiry and network are judged at every request. Does not
decide what the principal may do, nor whose page made a browser ask (`cross_site.py`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from starlette.types import Scope

from strongroom.core.access import ANONYMOUS, Address, Network, Principal, Signed, judge_presence
from strongroom.core.caller import Caller
from strongroom.core.errors import Forbidden, Unauthenticated
from strongroom.core.names import TOKEN_USER_NAMES, TokenId
from strongroom.core.policy import Refuse
from strongroom.core.tokens import looks_like_token
from strongroom.http.cache import Cache
from strongroom.http.cross_site import refuse_cross_site
from strongroom.ports import Clock
from strongroom.services.sign_in import SignIn

_LONGEST_HEADER = 4096
_LONGEST_CLIENT = 200
_FORWARDED = frozenset(
    {b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"forwarded", b"via", b"x-real-ip"}
)
"""What proxies add: one of these shows that somebody stands between."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a client sent: a user name (empty for Bearer) and a secret."""

    user: str
    secret: str

    def __repr__(self) -> str:
        """Hide the secret."""
        return f"Credential({self.user!r})"


class Authenticator:
    """Tells who sent a request. One per worker process."""

    def __init__(
        self,
        sign_in: SignIn,
        cache: Cache,
        *,
        clock: Clock,
        trusted_proxies: tuple[Network, ...],
        own_origin: str | None = None,
    ) -> None:
        self._sign_in = sign_in
        self._cache = cache
        self._clock = clock
        self._trusted_proxies = trusted_proxies
        self._own_origin = own_origin
        self._last_used: dict[TokenId, datetime] = {}

    def recall(self, scope: Scope) -> Principal | None:
        """Return the principal without asking the catalog, or None if it must be asked.

        Raises `Unauthenticated` for an expired token, `Forbidden` for a wrong network.
        """
        header = find_header(scope, b"authorization")
        if header is None:
            return ANONYMOUS
        known = self._cache.find_principal(hashlib.sha256(header).digest())
        return None if known is None else self._admit(known, scope)

    async def identify(self, scope: Scope) -> Principal:
        """Return the principal of the request.

        Raises `Unauthenticated` for wrong or expired credentials, `Forbidden` for a
        token that may not be used from the client's network.
        """
        known = self.recall(scope)
        if known is not None:
            return known
        header = find_header(scope, b"authorization") or b""
        generation = self._cache.generation
        signed = await self._verify(read_credential(header))
        if isinstance(signed, Refuse):
            raise Unauthenticated(signed.code, signed.reason, signed.hint)
        self._cache.store_principal(hashlib.sha256(header).digest(), signed, generation=generation)
        return self._admit(signed, scope)

    async def caller(self, scope: Scope) -> Caller:
        """Return the principal together with what the event log keeps of him.

        Raises as `identify` does, and `Forbidden` for a change that another site's page asks for.
        """
        refuse_cross_site(scope, self._own_origin)
        principal = await self.identify(scope)
        address = self.address(scope)
        client = (find_header(scope, b"user-agent") or b"").decode("latin-1")[:_LONGEST_CLIENT]
        return Caller(principal, address=str(address or ""), client=_printable(client))

    def address(self, scope: Scope) -> Address | None:
        """Return the client's address, through the proxies that are trusted and no others."""
        address = _peer(scope)
        if not self._trusted_proxies:
            return address
        # RFC 9110 5.2: repeated lines are one list; a proxy may add its own line behind the one that a client sent.
        lines = [value.decode("latin-1") for key, value in scope["headers"] if key == b"x-forwarded-for"]
        for hop in reversed(",".join(lines).split(",") if lines else []):
            if not _is_in(address, self._trusted_proxies):
                break
            address = _parse_address(hop.strip())
        return address

    def is_near(self, scope: Scope, networks: tuple[Network, ...]) -> bool:
        """Return whether the client is in one of the networks, as far as that can be known.

        Behind a proxy that is not trusted every client has the proxy's address, so a request
        that came through one is never near. Nor is one that a proxy says came from its own
        machine: there another proxy stands, or somebody who is let through by it.
        """
        address = self.address(scope)
        if address is None or not _is_in(address, networks):
            return False
        return not _is_forwarded(scope) or (self.is_from_proxy(scope) and not address.is_loopback)

    def is_from_proxy(self, scope: Scope) -> bool:
        """Return whether a trusted proxy sent the request, for itself or for somebody."""
        return _is_in(_peer(scope), self._trusted_proxies)

    def take_last_used(self) -> dict[TokenId, datetime]:
        """Return the tokens used since the last call, with the time of their last use."""
        taken, self._last_used = self._last_used, {}
        return taken

    def _admit(self, signed: Signed, scope: Scope) -> Signed:
        now = self._clock.now()
        address = self.address(scope) if signed.networks else None
        verdict = judge_presence(signed, now, address=address)
        if isinstance(verdict, Refuse):
            refusal = Forbidden if verdict.code == "token-network" else Unauthenticated
            raise refusal(verdict.code, verdict.reason, verdict.hint)
        if signed.token_id is not None:
            self._last_used[signed.token_id] = now
        return signed

    async def _verify(self, credential: Credential) -> Signed | Refuse:
        token = credential.secret.strip()  # copied with a space or a line end; a password's spaces are its own
        if looks_like_token(token):
            signed = await self._sign_in.with_token(token)
            if isinstance(signed, Signed) and credential.user not in {"", signed.user, *TOKEN_USER_NAMES}:
                return Refuse(
                    "token-user",
                    "The token belongs to another user than the user name says",
                    "Send '__token__' as the user name.",
                )
            return signed
        if not credential.user or credential.user in TOKEN_USER_NAMES:
            return Refuse(
                "bad-credentials",
                "The password is not a token of this server",
                "Send a whole token as the password; it starts with 'strongroom_'.",
            )
        return await self._sign_in.with_password(credential.user, credential.secret)


def read_credential(header: bytes) -> Credential:
    """Read an Authorization header (RFC 7617, RFC 6750); raises `Unauthenticated`."""
    scheme, _, value = header.strip().partition(b" ")
    if len(header) <= _LONGEST_HEADER:
        match scheme.lower():
            case b"bearer" | b"token":
                return Credential("", value.strip().decode("latin-1"))
            case b"basic":
                return _read_basic(value.strip())
    raise Unauthenticated(
        "authorization-header",
        "The Authorization header is not understood",
        "Use Basic with '__token__' and the token, or Bearer with the token.",
    )


def find_header(scope: Scope, name: bytes) -> bytes | None:
    """Return the first header of that lower-case name."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None


def _peer(scope: Scope) -> Address | None:
    client = scope.get("client")
    return _parse_address(client[0]) if client else None


def _is_in(address: Address | None, networks: tuple[Network, ...]) -> bool:
    return address is not None and any(address in network for network in networks)


def _is_forwarded(scope: Scope) -> bool:
    return any(key in _FORWARDED for key, _ in scope["headers"])


def _read_basic(value: bytes) -> Credential:
    try:
        user, colon, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        user, colon, secret = "", "", ""
    if not colon:
        raise Unauthenticated(
            "authorization-header",
            "The Basic credentials are not base64 of 'user:password' in UTF-8",
            "Send '__token__' as the user name and the token as the password.",
        )
    return Credential(user, secret)


def _parse_address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)  # only IPv6Address has it
    return mapped or address


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
