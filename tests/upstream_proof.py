"""Every scenario of a hostile upstream against the real server: `python -m tests.upstream_proof`.

`tests/functional/test_hostile_upstream.py` tries a third of them in each test run. Prints
what is wrong, if anything is, and ends with 1 then.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.functional.onslaught import (
    PROMISED_ANOTHER_DIGEST,
    WRONG_FOR_SECONDS,
    Onslaught,
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


def prove(made: Onslaught) -> Iterator[str]:
    """Try everything, also when the upstreams have become good, and yield what is wrong."""
    workers = workers_of(made.server)
    with made.private_client() as private:
        hostile = made.try_all()
        made.hostile.is_healed = True
        time.sleep(WRONG_FOR_SECONDS)
        healed = made.try_all()
    _say(f"{len(private.seconds)} private pages meanwhile, 99th percentile {private.percentile_99() * 1e3:.0f} ms")
    yield from find_wrong_answers([*hostile, *healed])
    yield from find_wrongly_kept(made)
    yield from (f"no line in the log about {path}" for path in find_unexplained(made, hostile))
    yield from find_own_faults(made)
    yield from _find_unlike(hostile)
    for one in healed:
        if not (one.is_served and one.metadata.is_whole) and one.scenario.name not in PROMISED_ANOTHER_DIGEST:
            yield f"{one.scenario.name}: not served when the upstream had become good"
    if workers_of(made.server) != workers or private.statuses != {200}:
        yield "the server did not live through it"
    if (done := made.server.run("verify")).returncode:
        yield f"the store is not whole: {done.stdout}{done.stderr}"


def _find_unlike(hostile: list[Tried]) -> Iterator[str]:
    for one in hostile:
        expected = one.scenario.expected
        if expected is not Expected.EITHER and one.is_served is not (expected is Expected.SERVED):
            yield f"{one.scenario.name}: {'' if one.is_served else 'not '}served, and should be {expected}"


def main() -> int:
    """Prove it, and return the exit code."""
    with tempfile.TemporaryDirectory() as folder, onslaught(Path(folder), SCENARIOS) as made:
        wrong = list(prove(made))
    for text in wrong:
        _say(text)
    _say(f"{len(SCENARIOS)} hostile upstreams: {len(wrong)} things are wrong")
    return 1 if wrong else 0


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
