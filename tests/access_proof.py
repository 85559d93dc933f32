"""The access matrix as a whole: `python -m tests.access_proof [--cases N] [--seed S]`.

Every identity at every route with every method and every kind of target, and the time
that a hidden project takes compared with a missing one. Ends with 1 for a single leak
or over-denial.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.access_matrix.identities import make_identities
from tests.access_matrix.matrix import Verdicts, all_cases, judge, sample_cases, unknown_routes
from tests.access_matrix.timing import TIMING_LIMIT_SECONDS, hidden_versus_missing
from tests.access_matrix.world import World


def prove(world: World, *, cases: int | None, seed: int) -> Verdicts:
    """Ask the whole product, or so many cases of it."""
    identities, paths = make_identities(world), world.paths()
    pairs = (
        list(all_cases(identities, paths)) if cases is None else sample_cases(identities, paths, most=cases, seed=seed)
    )
    return judge(world, pairs)


def main() -> int:
    """Run the proof and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.access_proof", description=__doc__)
    parser.add_argument("--cases", type=int, help="so many cases instead of all of them")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        try:
            unknown, gone = unknown_routes(world)
            verdicts = prove(world, cases=arguments.cases, seed=arguments.seed)
            difference = hidden_versus_missing(world, times=10_000)
        finally:
            world.close()
    sys.stdout.write(f"{verdicts.sentence()}, in {time.monotonic() - began:.0f} s\n")
    sys.stdout.write(f"a hidden project answers {difference * 1e6:+.1f} microseconds after a missing one (median)\n")
    for fault in [*verdicts.leaks[:50], *verdicts.over_denials[:50], *sorted(unknown), *sorted(gone)]:
        sys.stdout.write(f"  {fault}\n")
    is_slow = abs(difference) > TIMING_LIMIT_SECONDS
    return 1 if verdicts.leaks or verdicts.over_denials or unknown or gone or is_slow else 0


if __name__ == "__main__":
    sys.exit(main())
