"""Requests for each route: a good body, and every kind of target that its path can name."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tests.access_matrix.demands import DEMANDS
from tests.access_matrix.exempting import MISSING_EXEMPTION, exemption_targets, wish_targets
from tests.access_matrix.identities import Identity
from tests.access_matrix.oracle import EXISTING_INDEXES, EXISTING_PROJECTS, Target
from tests.access_matrix.promoting import MISSING_PROMOTION, known_targets, new_targets
from tests.access_matrix.world import HELD_NAME, Ask, Headers
from tests.crash.form import wheel_body
from tests.crash.wheel import make_wheel

INDEXES = ("main", "staging", "open", "nowhere")
MISSING_TOKEN = "0" * 16
_JSON: Headers = ((b"content-type", b"application/json"),)
_YANK = b'{"reason": "broken"}'
_BODIES = {
    ("POST", "/api/v1/indexes"): b'{"name": "fresh"}',
    ("PATCH", "/api/v1/indexes/{index}"): b'{"accepts_uploads": false}',
    ("POST", "/api/v1/indexes/{index}/rules/trial"): b"{}",
    ("POST", "/api/v1/indexes/{index}/exemptions"): b'{"project": "own-main", "reason": "it is needed"}',
    ("POST", "/api/v1/indexes/{index}/exemptions/{exemption}/decision"): b'{"decision": "approve"}',
    ("PUT", "/api/v1/indexes/{index}/names/{pattern}"): b'{"hold": "reserved", "reason": "ours"}',
    ("PUT", "/api/v1/indexes/{index}/projects/{project}/status"): b'{"status": "archived"}',
    ("PUT", "/api/v1/indexes/{index}/projects/{project}/releases/{version}/yank"): _YANK,
    ("PUT", "/api/v1/indexes/{index}/projects/{project}/files/{filename}/yank"): _YANK,
    ("POST", "/api/v1/promotions/{promotion}/decision"): b'{"decision": "approve"}',
    ("POST", "/api/v1/promotions/{promotion}/undo"): b"{}",
    ("POST", "/api/v1/users"): b'{"name": "fresh"}',
    ("PATCH", "/api/v1/users/{user}"): b'{"is_disabled": true}',
    ("PUT", "/api/v1/users/{user}/password"): b'{"password": "four plain random words"}',
    ("POST", "/api/v1/users/{user}/grants"): b'{"rights": ["read"]}',
    ("POST", "/api/v1/tokens"): b'{"label": "child"}',
    ("POST", "/api/v1/tokens/{token}/rotation"): b"{}",
}
_QUERIES = {("DELETE", "/api/v1/users/{user}/grants"): "?right=read"}


@dataclass(frozen=True, slots=True)
class Case:
    """One request, the route that it is meant for, and what the oracle needs to know about it."""

    method: str
    route: str
    ask: Ask
    target: Target
    note: str = ""
    said: tuple[str, ...] = ()
    """Words of the request that a refusal may repeat."""


def cases_of(method: str, route: str, *, identity: Identity) -> Iterator[Case]:
    """Yield the identity's requests for a method of a route, one for each kind of target."""
    if (method, route) not in DEMANDS:
        target = Target(project="own-main")
        yield Case(method, route, _ask(method, route, values=_values(target, identity), identity=identity), target)
    elif DEMANDS[method, route].on == "upload":
        yield from _uploads(method, route, identity=identity)
    elif DEMANDS[method, route].on in {"promote", "promotion", "promotion-decision"}:
        yield from _promotions(method, route, identity=identity)
    elif DEMANDS[method, route].on in {"exemption", "exemption-request", "exemption-decision"}:
        yield from _exemptions(method, route, identity=identity)
    elif "{user}" in route or "{token}" in route:
        yield from _accounts(method, route, identity=identity)
    else:
        yield from _places(method, route, identity=identity)


def _places(method: str, route: str, *, identity: Identity) -> Iterator[Case]:
    for index in INDEXES if "{index}" in route else ("main",):
        for project in _projects(index) if "{project}" in route else (None,):
            target = Target(index=index, project=project, exists=index in EXISTING_INDEXES)
            ask = _ask(method, route, values=_values(target, identity), identity=identity)
            yield Case(method, route, ask, target, note=_note(target))


def _uploads(method: str, route: str, *, identity: Identity) -> Iterator[Case]:
    for index in INDEXES if "{index}" in route else ("main",):
        for project in _projects(index):
            content_type, body = _upload_body(project)
            target = Target(index=index, project=project)
            headers = (*identity.headers, (b"content-type", content_type.encode()))
            ask = Ask(method, route.replace("{index}", index), headers, body)
            yield Case(method, route, ask, target, note=_note(target), said=(project, index))


def _promotions(method: str, route: str, *, identity: Identity) -> Iterator[Case]:
    if "{promotion}" not in route:
        for body, target in new_targets():
            ask = Ask(method, route, (*identity.headers, *_JSON), body)
            said = (target.project or "", target.index, target.source)
            yield Case(method, route, ask, target, note=_note(target), said=said)
        return
    for promotion_id, target in known_targets(route):
        ask = _ask(method, route, values={"{promotion}": promotion_id}, identity=identity)
        yield Case(method, route, ask, target, note="there" if target.exists else "missing", said=(promotion_id,))


def _exemptions(method: str, route: str, *, identity: Identity) -> Iterator[Case]:
    if "{exemption}" not in route:
        for body, target in wish_targets():
            ask = Ask(method, route.replace("{index}", target.index), (*identity.headers, *_JSON), body)
            yield Case(method, route, ask, target, note=_note(target))
        return
    for exemption_id, target in exemption_targets():
        values = {"{index}": target.index, "{exemption}": exemption_id}
        ask = _ask(method, route, values=values, identity=identity)
        yield Case(method, route, ask, target, note="there" if target.exists else "missing")


def _accounts(method: str, route: str, *, identity: Identity) -> Iterator[Case]:
    own, other = identity.who.user or "u-nothing", "u-reader" if identity.who.user != "u-reader" else "u-member"
    if "{user}" in route:
        targets = {own: Target(own=True), other: Target(), "u-ghost": Target(exists=False)}
        key = "{user}"
    else:
        targets = {identity.others_token_id: Target(), MISSING_TOKEN: Target(exists=False)}
        targets |= {identity.token_id: Target(own=True)} if identity.token_id else {}
        key = "{token}"
    for value, target in targets.items():
        ask = _ask(method, route, values={key: value}, identity=identity)
        yield Case(method, route, ask, target, note="own" if target.own else "other" if target.exists else "missing")


@cache
def _upload_body(project: str) -> tuple[str, bytes]:
    return wheel_body(make_wheel(project, "2.0"))


@cache
def _digest() -> str:
    """Return that of a published wheel; it is made once, for two hundred thousand cases ask for it."""
    return make_wheel("own-main", "1.0").sha256


def _projects(index: str) -> tuple[str, ...]:
    """Return an own project, a secret one, and a missing one of either kind."""
    where = index if index in EXISTING_INDEXES else "main"
    return f"own-{where}", f"secret-{where}", "own-ghost", "secret-ghost"


def _note(target: Target) -> str:
    there = target.project is None or target.project in EXISTING_PROJECTS
    return "there" if there and target.index in EXISTING_INDEXES else "missing"


def _values(target: Target, identity: Identity) -> dict[str, str]:
    project = target.project or "own-main"
    return {
        "{index}": target.index,
        "{project}": project,
        "{pattern}": HELD_NAME,
        "{version}": "1.0",
        "{filename}": f"{project.replace('-', '_')}-1.0-py3-none-any.whl",
        "{exemption}": MISSING_EXEMPTION,
        "{promotion}": MISSING_PROMOTION,
        "{digest}": _digest(),
        "{user}": identity.who.user or "u-nothing",
        "{token}": identity.token_id or MISSING_TOKEN,
    }


def _ask(method: str, route: str, *, values: dict[str, str], identity: Identity) -> Ask:
    path = route
    for key, value in values.items():
        path = path.replace(key, value)
    body = _BODIES.get((method, route), b"")
    assert not body or json.loads(body) is not None
    headers = tuple(itertools.chain(identity.headers, _JSON if body else ()))
    return Ask(method, path + _QUERIES.get((method, route), ""), headers, body)
