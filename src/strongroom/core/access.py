"""Who may do what: the one function that decides, and what it decides about.

Deny by default, reading included: only a grant allows. A token narrows what its
owner may do and never widens it. Does not know where credentials come from
(`http/auth.py`) nor how they are stored (`ports.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import assert_never

from strongroom.core.errors import Forbidden, NotFound, Unauthenticated
from strongroom.core.model import User
from strongroom.core.names import EVERY_PROJECT, IndexName, ProjectName, ProjectPattern, TokenId, UserName
from strongroom.core.policy import ALLOW, Allow, Refuse, Verdict

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Right(StrEnum):
    """What one may be allowed to do. None of them implies another, but `administer` implies all."""

    READ = "read"
    UPLOAD = "upload"
    YANK = "yank"
    DELETE = "delete"
    MANAGE = "manage"
    ADMINISTER = "administer"


ALL_RIGHTS = frozenset(Right)
MEMBER_RIGHTS = frozenset({Right.READ, Right.UPLOAD, Right.YANK})
"""What `user create` grants on every index when it is not told otherwise."""
TOKEN_RIGHTS = frozenset({Right.READ, Right.UPLOAD})
"""What `token create` puts on a token when it is not told otherwise."""


@dataclass(frozen=True, slots=True)
class Server:
    """The target of what concerns no single index: users, the list of indexes, the audit log."""


@dataclass(frozen=True, slots=True)
class IndexTarget:
    """An index as a whole: its settings, its project list."""

    index: IndexName


@dataclass(frozen=True, slots=True)
class ProjectTarget:
    """One project of an index, existing or not."""

    index: IndexName
    project: ProjectName


Target = Server | IndexTarget | ProjectTarget
SERVER = Server()


@dataclass(frozen=True, slots=True)
class Grant:
    """Rights on an index (None: on every index) for the projects that match the pattern."""

    rights: frozenset[Right]
    index: IndexName | None = None
    projects: ProjectPattern = EVERY_PROJECT

    def covers(self, right: Right, target: Target) -> bool:
        """Return whether this grant alone allows the right on the target.

        A grant for some projects of an index lets its holder read the index as a
        whole (its project list, which shows what he may see), and nothing else of it.
        """
        if right not in self.rights and Right.ADMINISTER not in self.rights:
            return False
        match target:
            case Server():
                return self.index is None and self.projects == EVERY_PROJECT
            case IndexTarget(index):
                if self.index is not None and self.index != index:
                    return False
                return right is Right.READ or self.projects == EVERY_PROJECT
            case ProjectTarget(index, project):
                if self.index is not None and self.index != index:
                    return False
                return self.projects == EVERY_PROJECT or fnmatchcase(project, self.projects)
            case _:  # pragma: no cover
                assert_never(target)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a token is narrowed to. Empty `indexes` or `projects` mean: wherever its owner may."""

    rights: frozenset[Right] = TOKEN_RIGHTS
    indexes: frozenset[IndexName] = frozenset()
    projects: tuple[ProjectPattern, ...] = ()

    def grants(self) -> tuple[Grant, ...]:
        """Return the scope as grants: it covers what any of them covers."""
        return tuple(
            Grant(rights=self.rights, index=index, projects=pattern)
            for index in (sorted(self.indexes) or (None,))
            for pattern in (self.projects or (EVERY_PROJECT,))
        )


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is stored: never its secret, only the keyed digest of it.

    `parent` is the token that made it and takes it along when it is revoked.
    """

    token_id: TokenId
    owner: UserName
    label: str
    digest: bytes = field(repr=False)
    scope: Scope
    created_at: datetime
    expires_at: datetime | None
    networks: tuple[Network, ...] = ()
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    parent: TokenId | None = None


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Nobody in particular; may read the indexes that are open to everybody."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A user, or a token of his: `grants` are the user's, `scope` narrows them.

    `until` and `networks` come from the token and are checked at each request by
    `judge_presence`, so that a cached principal cannot outlive its token.
    """

    user: UserName
    grants: tuple[Grant, ...]
    token_id: TokenId | None = None
    scope: tuple[Grant, ...] | None = None
    until: datetime | None = None
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Operator:
    """Whoever runs the command line on the store itself; may do everything."""

    login: str


Principal = Anonymous | Signed | Operator
ANONYMOUS = Anonymous()
ADMINISTRATOR_GRANTS = (Grant(rights=ALL_RIGHTS),)


def allows(principal: Principal, right: Right, *, target: Target, open_indexes: frozenset[IndexName]) -> Verdict:
    """Decide whether the principal has the right on the target.

    `open_indexes` are the indexes that anybody may read.
    """
    if _is_open(right, target, open_indexes=open_indexes):
        return ALLOW
    match principal:
        case Operator():
            return ALLOW
        case Anonymous():
            return Refuse("unauthenticated", "This needs credentials", "Send a token as the password.")
        case Signed(grants=grants, scope=scope):
            if not _covered(grants, right, target=target):
                return Refuse("forbidden", f"{describe(principal)} may not {right} {describe_target(target)}")
            if scope is not None and not _covered(scope, right, target=target):
                return Refuse(
                    "token-scope",
                    f"{describe(principal)} may not {right} {describe_target(target)}",
                    "The token was made for something else; create one with this right.",
                )
            return ALLOW
        case _:  # pragma: no cover
            assert_never(principal)


def demand(principal: Principal, right: Right, *, target: Target, open_indexes: frozenset[IndexName]) -> None:
    """Return if the principal has the right on the target, else raise what the client is told.

    Raises `Unauthenticated` for nobody, `NotFound` for what the principal may not
    even read (the same error as for what does not exist), `Forbidden` otherwise.
    """
    verdict = allows(principal, right, target=target, open_indexes=open_indexes)
    if isinstance(verdict, Allow):
        return
    if isinstance(principal, Anonymous):
        raise Unauthenticated(verdict.code, verdict.reason, verdict.hint)
    if not isinstance(target, Server) and not isinstance(
        allows(principal, Right.READ, target=target, open_indexes=open_indexes), Allow
    ):
        raise not_found()
    raise Forbidden(verdict.code, verdict.reason, verdict.hint)


def demand_upload(principal: Principal, target: ProjectTarget, *, open_indexes: frozenset[IndexName]) -> None:
    """Like `demand` for an upload, where who may upload something hears about his other projects.

    Somebody who may upload to this index, but not this project, is told so (403):
    the answer is the same whether the project exists or not.
    """
    if may_somewhere(principal, Right.UPLOAD, index=target.index):
        verdict = allows(principal, Right.UPLOAD, target=target, open_indexes=open_indexes)
        if isinstance(verdict, Refuse):
            raise Forbidden(verdict.code, verdict.reason, verdict.hint)
        return
    demand(principal, Right.UPLOAD, target=IndexTarget(target.index), open_indexes=open_indexes)


def not_found() -> NotFound:
    """Make the one error for what is missing and for what may not be seen."""
    return NotFound(
        "not-found", "There is nothing here, or you may not see it", "Check the name, the URL and your rights."
    )


def sign_in(user: User, grants: tuple[Grant, ...], *, token: Token | None = None) -> Signed | Refuse:
    """Return what the user, or his token, may do now; refuses the disabled and the revoked."""
    if user.is_disabled:
        return Refuse("user-disabled", "The account is disabled", "Ask an administrator.")
    held = ADMINISTRATOR_GRANTS if user.is_administrator else grants
    if token is None:
        return Signed(user=user.name, grants=held)
    if token.revoked_at is not None:
        return Refuse("token-revoked", "The token was revoked", "Create a new one.")
    return Signed(
        user=user.name,
        grants=held,
        token_id=token.token_id,
        scope=token.scope.grants(),
        until=token.expires_at,
        networks=token.networks,
    )


def may_somewhere(principal: Principal, right: Right, *, index: IndexName) -> bool:
    """Return whether the right is held on at least one project of the index, existing or not.

    An upload is judged by this before its body is read, when the project is not yet
    known. It may say yes too often (patterns that do not overlap), never no.
    """
    match principal:
        case Operator():
            return True
        case Anonymous():
            return False
        case Signed(grants=grants, scope=scope):
            return _reaches(grants, right, index=index) and (scope is None or _reaches(scope, right, index=index))
        case _:  # pragma: no cover
            assert_never(principal)


def judge_presence(principal: Principal, now: datetime, *, address: Address | None) -> Verdict:
    """Decide whether the principal's token is still good now, from this address.

    An unknown address (None) is inside no network, so a token bound to networks is refused.
    """
    if not isinstance(principal, Signed):
        return ALLOW
    if principal.until is not None and now >= principal.until:
        return Refuse("token-expired", "The token has expired", "Create a new one, or rotate it before it ends.")
    if principal.networks and not any(address is not None and address in network for network in principal.networks):
        return Refuse(
            "token-network",
            f"The token may not be used from {address or 'an unknown address'}",
            "Use it from the networks it was made for.",
        )
    return ALLOW


def describe(principal: Principal) -> str:
    """Name the principal as messages and the audit log do."""
    match principal:
        case Anonymous():
            return "anonymous"
        case Operator(login):
            return f"operator:{login}"
        case Signed(user=user, token_id=None):
            return f"user:{user}"
        case Signed(user=user, token_id=token_id):
            return f"user:{user} token:{token_id}"
        case _:  # pragma: no cover
            assert_never(principal)


def describe_grant(grant: Grant) -> str:
    """Name the grant as messages and the audit log do: "read, upload on acme-* in main"."""
    rights = ", ".join(right for right in Right if right in grant.rights)
    projects = "every project" if grant.projects == EVERY_PROJECT else grant.projects
    return f"{rights} on {projects} in {grant.index or 'every index'}"


def describe_target(target: Target) -> str:
    """Name the target as messages do."""
    match target:
        case Server():
            return "this server"
        case IndexTarget(index):
            return f"the index '{index}'"
        case ProjectTarget(index, project):
            return f"the project '{project}' in the index '{index}'"
        case _:  # pragma: no cover
            assert_never(target)


def _is_open(right: Right, target: Target, *, open_indexes: frozenset[IndexName]) -> bool:
    return right is Right.READ and not isinstance(target, Server) and target.index in open_indexes


def _covered(grants: tuple[Grant, ...], right: Right, *, target: Target) -> bool:
    return any(grant.covers(right, target) for grant in grants)


def _reaches(grants: tuple[Grant, ...], right: Right, *, index: IndexName) -> bool:
    return any(
        (grant.index is None or grant.index == index) and (right in grant.rights or Right.ADMINISTER in grant.rights)
        for grant in grants
    )
