"""Everybody who asks: users of many kinds, their tokens narrowed in many ways, and all sorts of bad credentials."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import ip_network

from strongroom.core.access import Grant, Right, Scope, Token
from strongroom.core.names import ProjectPattern, parse_index_name, parse_token_id, parse_user_name
from strongroom.core.tokens import ID_BYTES, SECRET_BYTES, make_token, secret_digest
from strongroom.services.accounts import NewUser
from tests.access_matrix.oracle import Rule, Who
from tests.access_matrix.world import Headers, World
from tests.factories import OPERATOR

PASSWORD = "correct horse battery staple"
ALL = frozenset(right.value for right in Right)
MEMBER = frozenset({"read", "upload", "yank"})


def _rule(*rights: str, index: str | None = None, pattern: str = "*") -> Rule:
    return Rule(frozenset(rights), index, pattern)


USERS: dict[str, tuple[Rule, ...]] = {
    "u-root": (Rule(ALL),),
    "u-member": (Rule(MEMBER),),
    "u-reader": (_rule("read"),),
    "u-narrow": (_rule("read", "upload", index="main", pattern="own-*"),),
    "u-exact": (_rule("read", "upload", "delete", index="staging", pattern="own-staging"),),
    "u-remover": (_rule("read", index="main"), _rule("delete", "yank", index="main", pattern="own-*")),
    "u-keeper": (_rule("read", "manage", index="main"), _rule("read", index="open")),
    "u-blind": (_rule("upload", index="main"), _rule("yank", "delete", index="staging")),
    "u-local-admin": (_rule("administer", index="staging"),),
    "u-own-admin": (_rule("administer", pattern="own-*"),),
    "u-nothing": (),
}
"""What each user holds. The first is an administrator."""
DISABLED = "u-disabled"
SCOPES: dict[str, tuple[Rule, ...]] = {
    "all": (Rule(ALL),),
    "usual": (_rule("read", "upload"),),
    "read": (_rule("read"),),
    "main": (Rule(ALL - {"administer"}, "main"),),
    "main-own": (_rule("read", "upload", "delete", index="main", pattern="own-*"),),
    "elsewhere": (_rule("read", "upload", "yank", index="staging"),),
    "two-projects": (_rule("read", "yank", pattern="own-main"), _rule("read", "yank", pattern="secret-*")),
    "upload-only": (_rule("upload"),),
}
"""What a user's tokens are narrowed to."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A name, what the oracle knows, what is sent, the id of a token of its own and of one that is not."""

    name: str
    who: Who
    headers: Headers = ()
    token_id: str = ""
    others_token_id: str = ""


def make_identities(world: World) -> list[Identity]:
    """Make the users and tokens in the store, and return everybody."""
    found = [Identity("anonymous", Who("nobody"))]
    for name, held in (*USERS.items(), (DISABLED, (Rule(MEMBER),))):
        _make_user(world, name, held=held)
        found += _of_user(world, name, held=held)
    found += _bad_tokens(world)
    world.run(world.services.accounts.disable(OPERATOR, parse_user_name(DISABLED)))
    world.clock.advance(timedelta(days=2))
    ids = {identity.who.user: identity.token_id for identity in found if identity.token_id}
    other = {"u-reader": ids["u-member"]}
    return [replace(identity, others_token_id=other.get(identity.who.user, ids["u-reader"])) for identity in found]


def make_user_token(world: World, user: str) -> Headers:
    """Return the header with another full token of an existing user."""
    return _basic("__token__", _issue(world, user, scope=SCOPES["all"])[0])


def _make_user(world: World, name: str, *, held: tuple[Rule, ...]) -> None:
    is_administrator = name == "u-root"
    grants = () if is_administrator else tuple(_grant(rule) for rule in held)
    new = NewUser(parse_user_name(name), is_administrator=is_administrator, password=PASSWORD, grants=grants)
    world.run(world.services.accounts.create(OPERATOR, new))


def _of_user(world: World, name: str, *, held: tuple[Rule, ...]) -> list[Identity]:
    state = "bad" if name == DISABLED else "good"
    found: list[Identity] = []
    for label, scope in SCOPES.items():
        text, token_id = _issue(world, name, scope=scope)
        who = Who(state, name, held, scope)
        forms = {"token": _basic("__token__", text)} if label != "usual" else _forms(name, text)
        found += [Identity(f"{name} {label} as {form}", who, header, token_id) for form, header in forms.items()]
    by_password = Who(state, name, held)
    found.append(Identity(f"{name} by password", by_password, _basic(name, PASSWORD), found[0].token_id))
    return found


def _forms(name: str, text: str) -> dict[str, Headers]:
    return {
        "__token__": _basic("__token__", text),
        "pypi": _basic("pypi", text),
        "owner": _basic(name, text),
        "Bearer": _header(f"Bearer {text}"),
    }


def _bad_tokens(world: World) -> list[Identity]:
    """Return what must be refused, whatever its owner may do."""
    member, bad = "u-root", Who("bad", "u-root", (Rule(ALL),))
    text, _ = _issue(world, member, scope=SCOPES["all"])
    expired, _ = _issue(world, member, scope=SCOPES["all"], days=1)
    revoked, revoked_id = _issue(world, member, scope=SCOPES["all"])
    foreign, _ = _issue(world, member, scope=SCOPES["all"], network="10.0.0.0/8")
    local, local_id = _issue(world, member, scope=SCOPES["all"], network="192.0.2.0/24")
    world.run(world.services.tokens.revoke(OPERATOR, parse_token_id(revoked_id)))
    headers = {
        "expired": _basic("__token__", expired),
        "revoked": _basic("__token__", revoked),
        "wrong secret": _basic("__token__", text[:-20] + text[-20:][::-1]),
        "cut": _basic("__token__", text[:-1]),
        "of another user": _basic("u-reader", text),
        "upper case": _basic("__token__", text.upper()),
        "wrong password": _basic(member, f"{PASSWORD}r"),
        "empty password": _basic(member, ""),
        "unknown user": _basic("u-ghost", PASSWORD),
        "password as token": _basic("__token__", PASSWORD),
        "hash as password": _basic(member, f"fake:{PASSWORD}"),
        "no colon": _header("Basic " + base64.b64encode(b"u-root").decode()),
        "not base64": _header("Basic %%%"),
        "not UTF-8": _header("Basic " + base64.b64encode(b"\xff\xfe:x").decode()),
        "empty header": _header(""),
        "unknown scheme": _header(f"Negotiate {text}"),
        "only a scheme": _header("Basic"),
        "bare token": _header(text),
        "far too long": _header(f"Bearer {text}{'x' * 10_000}"),
        "two tokens": _header(f"Bearer {text} {text}"),
    }
    identities = [Identity(name, bad, header) for name, header in headers.items()]
    identities.append(Identity("foreign network", Who("network", member, (Rule(ALL),)), _basic("__token__", foreign)))
    good = Who("good", member, (Rule(ALL),), SCOPES["all"], is_bound=True)
    return [*identities, Identity("own network", good, _basic("__token__", local), local_id)]


def _issue(
    world: World, owner: str, *, scope: tuple[Rule, ...], days: int = 90, network: str | None = None
) -> tuple[str, str]:
    """Store a token, whatever its owner holds (he may have held more once); return its text and id."""
    secrets = world.services.secrets
    text = make_token(secrets.token_bytes(ID_BYTES), secrets.token_bytes(SECRET_BYTES))
    now = world.clock.now()
    token = Token(
        token_id=text.token_id,
        owner=parse_user_name(owner),
        label="",
        digest=secret_digest(secrets.derive_key("tokens"), text.secret),
        scope=Scope(
            rights=frozenset(Right(right) for right in scope[0].rights),
            indexes=frozenset(parse_index_name(rule.index) for rule in scope if rule.index is not None),
            projects=tuple(ProjectPattern(rule.pattern) for rule in scope if rule.pattern != "*"),
        ),
        created_at=now,
        expires_at=now + timedelta(days=days),
        networks=() if network is None else (ip_network(network),),
    )
    world.run(world.services.catalog.write(lambda tx: tx.tokens.add(token)))
    return text.render(), text.token_id


def _grant(rule: Rule) -> Grant:
    return Grant(
        rights=frozenset(Right(right) for right in rule.rights),
        index=None if rule.index is None else parse_index_name(rule.index),
        projects=ProjectPattern(rule.pattern),
    )


def _basic(user: str, secret: str) -> Headers:
    return _header("Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode())


def _header(value: str) -> Headers:
    return ((b"authorization", value.encode("latin-1")),)
