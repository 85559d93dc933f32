"""Nobody sees or changes what he may not, and nobody is refused what he may: the matrix against its own oracle.

`make proof-access` asks the whole product.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.access_matrix.demands import DEMANDS
from tests.access_matrix.identities import make_identities
from tests.access_matrix.matrix import judge, sample_cases, unknown_routes
from tests.access_matrix.oracle import Demand, Rule, Target, Who, expect
from tests.access_matrix.timing import TIMING_LIMIT_SECONDS, hidden_versus_missing
from tests.access_matrix.world import Ask, World

CASES = 5_500


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return the application with three indexes."""
    world = World(tmp_path)
    yield world
    world.close()


def test_the_oracle_knows_every_route(world: World) -> None:
    """A route that the oracle does not know, of lane, router or API, fails here; so does one that has gone."""
    assert unknown_routes(world) == (set(), set())


def test_no_leak_and_no_over_denial(world: World) -> None:
    """Of thousands of cases none is answered otherwise than the oracle says; what is hidden looks missing."""
    pairs = sample_cases(make_identities(world), world.paths(), most=CASES, seed=1)
    assert {(case.method, case.route) for _, case in pairs} >= set(DEMANDS)
    verdicts = judge(world, pairs)
    assert verdicts.cases >= 5_000
    assert verdicts.leaks == []
    assert verdicts.over_denials == []


def test_a_widened_right_is_seen(world: World) -> None:
    """The matrix is not blind: who holds more than the oracle thinks shows as a leak, who holds less as denied."""
    identities = {identity.name: identity for identity in make_identities(world)}
    reader, nothing = identities["u-reader by password"], identities["u-nothing by password"]
    widened = judge(world, sample_cases([replace(reader, who=nothing.who)], world.paths(), most=500, seed=1))
    assert widened.leaks
    narrowed = judge(world, sample_cases([replace(nothing, who=reader.who)], world.paths(), most=500, seed=1))
    assert narrowed.over_denials


def test_time_does_not_tell_hidden_from_missing(world: World) -> None:
    """The answers for a hidden and a missing project take the same time to well below a millisecond."""
    make_identities(world)
    assert abs(hidden_versus_missing(world, times=150)) < TIMING_LIMIT_SECONDS


def test_a_changed_right_counts_at_the_next_request(world: World) -> None:
    """A disabled user's remembered token is refused at the next request."""
    identities = make_identities(world)
    member = next(one for one in identities if one.name == "u-member by password")
    request = Ask("GET", "/main/simple/own-main/", member.headers)
    assert world.ask(request).status == 200
    world.forget_user("u-member")
    assert world.ask(request).status == 401


def test_the_oracle_itself() -> None:
    """A few sentences of the design, asked of the oracle: it denies by default and never widens a token."""
    read, nobody = Demand("project", "read"), Who("nobody")
    secret = Target(index="main", project="secret-main")
    assert expect(nobody, read, target=secret) == {"401"}
    assert expect(Who("good", "u-x"), read, target=secret) == {"404"}
    everything = (Rule(frozenset({"administer"})),)
    assert expect(Who("good", "u-x", everything), read, target=secret) == {"ok"}
    assert expect(Who("good", "u-x", everything, ()), read, target=secret) == {"404"}
    assert expect(nobody, read, target=Target(index="open", project="secret-open")) == {"ok"}
