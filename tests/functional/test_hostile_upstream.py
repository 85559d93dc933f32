"""More than three hundred upstreams that misbehave, and the real server: nothing wrong is kept or given, all is told.

`python -m tests.upstream_proof` does the same with every scenario.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.functional.onslaught import (
    PATIENCE_SECONDS,
    PROMISED_ANOTHER_DIGEST,
    WRONG_FOR_SECONDS,
    Onslaught,
    PrivateClient,
    Tried,
    find_own_faults,
    find_unexplained,
    find_wrong_answers,
    find_wrongly_kept,
    onslaught,
    workers_of,
)
from tests.upstream.hostile import SCENARIOS
from tests.upstream.scenario import Expected

EVERY = 3
SOME = tuple(one for number, one in enumerate(SCENARIOS) if number % EVERY == 0 or one.is_slow)


@dataclass(frozen=True, slots=True)
class Met:
    """What the clients met while the upstreams misbehaved, and when they had become good."""

    made: Onslaught
    workers: set[int]
    hostile: list[Tried]
    healed: list[Tried]
    private: PrivateClient


@pytest.fixture(scope="module")
def met(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Met]:
    """Try all scenarios, let the upstreams become good, and try them again."""
    with onslaught(tmp_path_factory.mktemp("hostile"), SOME) as made:
        workers = workers_of(made.server)
        with made.private_client() as private:
            hostile = made.try_all()
            made.hostile.is_healed = True
            time.sleep(WRONG_FOR_SECONDS)
            healed = made.try_all()
        yield Met(made, workers, hostile, healed, private)


def test_there_are_enough_scenarios(met: Met) -> None:
    """At least 300 are tried; the harmless ones are served and most of the others are not."""
    served = {one.scenario.name for one in met.hostile if one.is_served}
    expected = {what: {one.name for one in SOME if one.expected is what} for what in Expected}
    assert len(met.hostile) >= 300
    assert expected[Expected.SERVED] - served == set()
    assert expected[Expected.REFUSED] & served == set()
    print(f"{len(met.hostile)} scenarios, {len(served)} of them harmless")


def test_nothing_wrong_is_given_as_whole(met: Met) -> None:
    """Whoever got a whole answer got the true bytes, also when the upstream had become good."""
    assert find_wrong_answers([*met.hostile, *met.healed]) == []


def test_metadata_that_cannot_be_had_in_parts_comes_from_the_whole_wheel(met: Met) -> None:
    """An upstream that sends wrong METADATA, or other parts than it was asked for, keeps nobody from METADATA."""
    tried = [one for one in met.hostile if one.scenario.name.startswith(("part-", "metadata-"))]
    assert len(tried) > 3
    assert [one.scenario.name for one in tried if not one.metadata.is_whole] == []


def test_nothing_wrong_is_kept(met: Met) -> None:
    """No blob, no row, no temporary file and no lease stays of what was wrong."""
    assert find_wrongly_kept(met.made) == []


def test_a_good_upstream_is_served_after_all(met: Met) -> None:
    """What an upstream did wrong spoils nothing for later: everything is served when it has become good.

    Only a digest that its page once promised binds it: no other file comes under that name.
    """
    spoilt = {one.scenario.name for one in met.healed if not (one.is_served and one.metadata.is_whole)}
    assert spoilt <= PROMISED_ANOTHER_DIGEST


def test_every_failure_is_told_in_the_log(met: Met) -> None:
    """Each request that failed has a line with its path or file, a code and the cause; none is the server's own."""
    assert find_unexplained(met.made, met.hostile) == []
    assert find_own_faults(met.made) == []


def test_the_server_lives_on(met: Met) -> None:
    """The same processes serve as before, and private names were served all the while, never slowly."""
    assert workers_of(met.made.server) == met.workers
    assert met.made.server.get("/healthz").status == 200
    print(f"{len(met.private.seconds)} private pages, 99th percentile {met.private.percentile_99() * 1e3:.0f} ms")
    assert met.private.statuses == {200}
    assert met.private.percentile_99() < PATIENCE_SECONDS


def test_the_store_is_whole(met: Met) -> None:
    """`strongroom verify` finds every byte as it should be."""
    done = met.made.server.run("verify")
    assert done.returncode == 0, done.stdout + done.stderr
