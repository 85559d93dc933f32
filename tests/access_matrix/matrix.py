"""The product of identities, routes, methods and targets, asked and judged.

Counts as a leak: an answer that allows what the oracle forbids, a refusal that shows
more than a missing thing would, a body that names what the identity may not see, an
event after a refusal. Counts as an over-denial: a refusal of what the oracle allows.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.access_matrix.demands import DEMANDS
from tests.access_matrix.identities import Identity
from tests.access_matrix.oracle import EXISTING_INDEXES, EXISTING_PROJECTS, Demand, Target, Who, expect, may
from tests.access_matrix.samples import Case, cases_of
from tests.access_matrix.world import Reply, World

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_ADMITTED = {200, 201, 204, 301, 409}
"""What a route may answer to whom it admits; 409 where the request contradicts what is stored."""
_OF_ONESELF = ("/api/v1/whoami", "/api/v1/tokens", "/api/v1/users")
"""Where the body says what one holds and what one's own tokens are for, which may be more than the token at hand."""


@dataclass(slots=True)
class Verdicts:
    """What was counted, and a sentence for each fault."""

    cases: int = 0
    leaks: list[str] = field(default_factory=list)
    over_denials: list[str] = field(default_factory=list)
    refusals: dict[tuple[str, str], tuple[Reply, Case]] = field(default_factory=dict)

    def sentence(self) -> str:
        """Say it in one line."""
        return f"{self.cases} cases: {len(self.leaks)} leaks, {len(self.over_denials)} over-denials"


def unknown_routes(world: World) -> tuple[set[str], set[str]]:
    """Return the application's paths that the oracle does not know, and the oracle's that do not exist."""
    known, real = {path for _, path in DEMANDS}, world.paths()
    return real - known, known - real


def all_cases(identities: list[Identity], paths: set[str]) -> Iterator[tuple[Identity, Case]]:
    """Yield the whole product."""
    for path in sorted(paths):
        for method in METHODS:
            for identity in identities:
                for case in cases_of(method, path, identity=identity):
                    yield identity, case


def sample_cases(identities: list[Identity], paths: set[str], *, most: int, seed: int) -> list[tuple[Identity, Case]]:
    """Return that many of them, each route and method and each identity several times among them."""
    chance = random.Random(seed)
    product = list(all_cases(identities, paths))
    chance.shuffle(product)
    product.sort(key=lambda pair: (pair[1].method, pair[1].route) not in DEMANDS)
    told = sum((case.method, case.route) in DEMANDS for _, case in product)
    refused = product[told : told + most // 6]
    return product[: min(told, most - len(refused))] + refused


def judge(world: World, pairs: list[tuple[Identity, Case]]) -> Verdicts:
    """Ask all of them."""
    verdicts = Verdicts()
    for identity, case in pairs:
        reply = world.ask(case.ask)
        verdicts.cases += 1
        demand = DEMANDS.get((case.method, case.route))
        where = f"{identity.name}: {case.method} {case.ask.path} [{case.note}] -> {reply.status}"
        if demand is None:
            _judge_other_method(verdicts, reply, where=where)
        else:
            _judge(verdicts, (identity, case, reply), demand=demand, where=where)
        if leaked := _names_hidden(identity.who, case, reply=reply):
            verdicts.leaks.append(f"{where}: the body names {leaked}")
    return verdicts


def _judge_other_method(verdicts: Verdicts, reply: Reply, *, where: str) -> None:
    if reply.status not in {405, 204} or reply.events:
        verdicts.leaks.append(f"{where}: the route does not have this method")


def _judge(verdicts: Verdicts, answered: tuple[Identity, Case, Reply], *, demand: Demand, where: str) -> None:
    identity, case, reply = answered
    wanted = expect(identity.who, demand, target=case.target)
    outcome = _outcome(reply, demand)
    if outcome not in wanted:
        too_strict = "ok" in wanted and outcome in {"401", "403", "404"}
        (verdicts.over_denials if too_strict else verdicts.leaks).append(f"{where}, not {' or '.join(sorted(wanted))}")
    elif outcome != "ok":
        if reply.events:
            verdicts.leaks.append(f"{where}: refused, and yet {reply.events} events")
        _compare(verdicts, answered, where=where)


def _outcome(reply: Reply, demand: Demand) -> str:
    if demand.on == "public":
        return "ok" if reply.status < 500 else str(reply.status)  # `/setup` has a credential of its own
    return "ok" if reply.status in _ADMITTED else str(reply.status)


def _compare(verdicts: Verdicts, answered: tuple[Identity, Case, Reply], *, where: str) -> None:
    """Compare with the first such refusal that the identity heard there: all that is hidden from it is the same."""
    identity, case, reply = answered
    place = {"index": case.target.index, "project": case.target.project}
    if any(may(identity.who, right, **place) for right in ("read", DEMANDS[case.method, case.route].right)):
        return  # what one may read, or change, may be named in the refusal
    neutral = Reply(reply.status, _neutral_headers(reply, case), _neutral(reply.body, case), 0)
    first, first_case = verdicts.refusals.setdefault(
        (identity.name, f"{case.method} {case.route} {reply.status}"), (neutral, case)
    )
    if first.bytes != neutral.bytes:
        verdicts.leaks.append(f"{where}: told apart from {first_case.ask.path} [{first_case.note}]")


def _neutral(body: bytes, case: Case) -> bytes:
    """Blank out what the client itself has said: an upload's project is named in its refusal."""
    for word in case.said:
        body = body.replace(word.encode(), b"~")
    return body


def _neutral_headers(reply: Reply, case: Case) -> tuple[tuple[bytes, bytes], ...]:
    """Leave out the length where the body says a name back."""
    return tuple(pair for pair in reply.headers if pair[0] != b"content-length" or not case.said)


def _names_hidden(who: Who, case: Case, *, reply: Reply) -> str | None:
    """Return the name of a project, index or user in the body that the identity may not know."""
    text = reply.body.decode("utf-8", "replace")
    demand = DEMANDS.get((case.method, case.route))
    if not text or (demand is not None and demand.on == "public"):
        return None
    said = case.ask.path + case.ask.body.decode("latin-1")
    if case.route.startswith(_OF_ONESELF):
        return _names_users(who, text, said=said)
    for project in EXISTING_PROJECTS:
        index = project.split("-")[1]
        if project in text and project not in said and not may(who, "read", index=index, project=project):
            return project
    for index in EXISTING_INDEXES:
        if f'"{index}"' in text and index not in said and not _may_know(who, index):
            return index
    return _names_users(who, text, said=said)


def _names_users(who: Who, text: str, *, said: str) -> str | None:
    users = set(re.findall(r"\bu-[a-z-]+", text)) - set(re.findall(r"\bu-[a-z-]+", said)) - {who.user}
    return ", ".join(users) if users and not may(who, "administer", index=None) else None


def _may_know(who: Who, index: str) -> bool:
    """Return whether the identity reads the index, or holds anything there: that it may hear about itself."""
    rules = (*who.held, *(who.scope or ()))
    return may(who, "read", index=index) or (who.state == "good" and any(rule.index == index for rule in rules))


__all__ = ["METHODS", "Target", "Verdicts", "all_cases", "judge", "sample_cases", "unknown_routes"]
