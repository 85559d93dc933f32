"""What a new token may carry: how wide, how long, from where.

Decides on what the owner holds and, when a token asks for a token, on what that
one carries: the child never exceeds it. Does not decide who may make tokens for
whom (`services/tokens.py`), and makes no randomness.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from strongroom.core.access import (
    TOKEN_RIGHTS,
    Grant,
    Network,
    Right,
    Scope,
    Token,
    describe_grant,
)
from strongroom.core.events import TokenIssued
from strongroom.core.names import EVERY_PROJECT, IndexName, ProjectPattern, TokenId, UserName
from strongroom.core.policy import ALLOW, Refuse, Verdict

DEFAULT_LIFETIME = timedelta(days=90)
LONGEST_LIFETIME = timedelta(days=366)
"""What only an administrator may exceed: a year, leap day included."""

MOST_PLACES = 100
"""Indexes times patterns; as many networks. Each request with the token is judged against all of them."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token as somebody wants it.

    `rights` None stands for the usual ones, as far as its owner or its parent has
    them; `lifetime` None for a token that never expires. Empty `indexes` and
    `projects` mean: wherever its owner may.
    """

    owner: UserName
    label: str = ""
    rights: frozenset[Right] | None = None
    indexes: frozenset[IndexName] = frozenset()
    projects: tuple[ProjectPattern, ...] = ()
    networks: tuple[Network, ...] = ()
    lifetime: timedelta | None = DEFAULT_LIFETIME


def plan_token(wanted: TokenRequest, parent: Token | None, *, token_id: TokenId, digest: bytes, now: datetime) -> Token:
    """Return the token that the request describes; what it leaves open comes from the parent."""
    scope = Scope(
        rights=TOKEN_RIGHTS if wanted.rights is None else wanted.rights,
        indexes=wanted.indexes,
        projects=wanted.projects,
    )
    token = Token(
        token_id=token_id,
        owner=wanted.owner,
        label=wanted.label,
        digest=digest,
        scope=scope,
        created_at=now,
        expires_at=None if wanted.lifetime is None else now + wanted.lifetime,
        networks=wanted.networks,
    )
    return token if parent is None else _inherit(token, parent, wanted=wanted)


def _inherit(token: Token, parent: Token, *, wanted: TokenRequest) -> Token:
    rights = token.scope.rights
    if wanted.rights is None and Right.ADMINISTER not in parent.scope.rights:
        rights = (rights & parent.scope.rights) or parent.scope.rights
    expires_at = token.expires_at
    if wanted.lifetime == DEFAULT_LIFETIME:
        expires_at = earliest(expires_at, parent.expires_at)
    return replace(
        token,
        scope=Scope(
            rights=rights,
            indexes=token.scope.indexes or parent.scope.indexes,
            projects=token.scope.projects or parent.scope.projects,
        ),
        networks=token.networks or parent.networks,
        expires_at=expires_at,
        parent=parent.token_id,
    )


def judge_lifetime(lifetime: timedelta | None) -> Verdict:
    """Decide whether somebody who is no administrator may make a token last so long."""
    if lifetime is None or lifetime > LONGEST_LIFETIME:
        return Refuse(
            "token-lifetime",
            "Only an administrator may make a token that lasts longer than a year",
            "Ask for a year or less, and rotate the token before it ends.",
        )
    return ALLOW


def judge_size(wanted: TokenRequest) -> Verdict:
    """Decide whether the token names no more places and networks than can be judged at each request."""
    places = max(len(wanted.indexes), 1) * max(len(wanted.projects), 1)
    if max(places, len(wanted.networks)) > MOST_PLACES:
        return Refuse(
            "token-size",
            f"A token names at most {MOST_PLACES} places (indexes times projects) and as many networks",
            "Use patterns and wider networks, or make several tokens.",
        )
    return ALLOW


def judge_usefulness(token: Token, rights: frozenset[Right], *, held: tuple[Grant, ...]) -> Verdict:
    """Decide whether the owner, who holds these grants, has each of the rights somewhere in the token's scope."""
    for right in sorted(rights):
        reached = (_meets(grant, wish, right=right) for grant in held for wish in token.scope.grants())
        if not any(reached):
            where = _describe_place(token.scope)
            return Refuse(
                "token-right",
                f"{token.owner} may not {right} {where}, so a token cannot either",
                "Leave this right out, or grant it to the user first.",
            )
    return ALLOW


def judge_child(child: Token, parent: Token) -> Verdict:
    """Decide whether the child stays within what its parent may do, for how long and from where."""
    if not within(child.scope, parent.scope):
        what = "may do more than the token that asks for it"
    elif earliest(child.expires_at, parent.expires_at) != child.expires_at:
        what = "would outlive the token that asks for it"
    elif not _inside(child.networks, parent.networks):
        what = "could be used from more networks than the token that asks for it"
    else:
        return ALLOW
    return Refuse("token-exceeds", f"The new token {what}", "Ask for less, or sign in with a wider token.")


def within(inner: Scope, outer: Scope) -> bool:
    """Return whether the outer scope covers all that the inner one does, grant by grant."""
    return all(any(_contains(wide, narrow) for wide in outer.grants()) for narrow in inner.grants())


def earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    """Return the earlier end; None never ends."""
    ends = [end for end in (one, other) if end is not None]
    return min(ends, default=None)


def pattern_contains(outer: ProjectPattern, inner: ProjectPattern) -> bool:
    """Return whether each name of the inner pattern matches the outer one; may say no too often, never yes.

    A `?` of the outer pattern stands for one character, so a `*` of the inner one
    must not be taken for it.
    """
    if outer in (EVERY_PROJECT, inner):
        return True
    return not ("?" in outer and "*" in inner) and fnmatchcase(inner, outer)


def token_issued(token: Token, *, replaces: TokenId | None = None) -> TokenIssued:
    """Return the event that tells of the new token."""
    return TokenIssued(
        token=token.token_id,
        owner=token.owner,
        label=token.label,
        scope=tuple(describe_grant(grant) for grant in token.scope.grants()),
        expires_at="never" if token.expires_at is None else token.expires_at.isoformat(),
        networks=tuple(map(str, token.networks)),
        replaces=replaces,
    )


def _contains(wide: Grant, narrow: Grant) -> bool:
    if not (narrow.rights <= wide.rights or Right.ADMINISTER in wide.rights):
        return False
    return wide.index in (None, narrow.index) and pattern_contains(wide.projects, narrow.projects)


def _inside(inner: tuple[Network, ...], outer: tuple[Network, ...]) -> bool:
    if not outer:
        return True
    return bool(inner) and all(any(_is_subnet(network, wide) for wide in outer) for network in inner)


def _is_subnet(inner: Network, outer: Network) -> bool:
    if inner.version != outer.version or inner.prefixlen < outer.prefixlen:
        return False
    return inner.network_address in outer


def _meets(grant: Grant, wish: Grant, *, right: Right) -> bool:
    """Return whether the grant gives the right on something of the wish."""
    if right not in grant.rights and Right.ADMINISTER not in grant.rights:
        return False
    same_index = None in (grant.index, wish.index) or grant.index == wish.index
    return same_index and _overlap(grant.projects, wish.projects)


def _overlap(one: ProjectPattern, other: ProjectPattern) -> bool:
    """Return whether a name may match both; two patterns with wildcards are taken to overlap."""
    if _is_glob(one) and _is_glob(other):
        return True
    return fnmatchcase(one, other) or fnmatchcase(other, one)


def _is_glob(pattern: ProjectPattern) -> bool:
    return "*" in pattern or "?" in pattern


def _describe_place(scope: Scope) -> str:
    if not scope.indexes and not scope.projects:
        return "anywhere"
    projects = ", ".join(scope.projects) or "any project"
    return f"{projects} in {', '.join(sorted(scope.indexes)) or 'any index'}"
