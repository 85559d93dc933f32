"""The crash proof at any length: `python -m tests.crash_proof --kills 1000 [--seed 1]`.

A twentieth of the kills hit whole servers under traffic over HTTP, the rest processes
that publish through the real store: first one for each system call of an upload, then
at random moments. Ends with 1 if a single acknowledged file was lost or half of one seen.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.points import can_inject, count_calls, kill_at_points
from tests.crash.servers import RESTART_SECONDS, kill_servers
from tests.crash.trials import Tally, kill_at_random

_SERVERS_SHARE = 20
_SAY_EVERY_SECONDS = 10.0


class _Progress:
    """A line on standard error every ten seconds."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, tally: Tally) -> None:
        """Say how far it is, if it is time."""
        if time.monotonic() - self._said > _SAY_EVERY_SECONDS:
            self._said = time.monotonic()
            sys.stderr.write(f"... {tally.sentence()}\n")


def prove(kills: int, *, seed: int) -> Tally:
    """Kill so many times, and return what was counted."""
    total = Tally()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        at_servers = kill_servers(scratch, -(-kills // _SERVERS_SHARE), seed=seed, tell=_Progress())
        _say("whole servers", at_servers)
        total.add(at_servers)
        at_points = _kill_at_points(scratch, kills - total.kills, seed=seed)
        _say("at each system call", at_points)
        total.add(at_points)
        at_random = kill_at_random(scratch, kills - total.kills, seed=seed, tell=_Progress())
        _say("at random moments", at_random)
        total.add(at_random)
    return total


def _kill_at_points(scratch: Path, most: int, *, seed: int) -> Tally:
    """Go through the calls, again and again in another order, for half of the kills that are left."""
    if not can_inject():
        sys.stderr.write("strace is not installed: no kills at system calls, only at random moments\n")
        return Tally()
    points = count_calls(scratch)
    wanted = points * max(1, most // 2 // len(points))
    random.Random(seed).shuffle(wanted)
    return kill_at_points(scratch, wanted[:most], tell=_Progress())


def _say(what: str, tally: Tally) -> None:
    sys.stdout.write(f"{what}: {tally.sentence()}\n")
    sys.stdout.flush()


def main() -> int:
    """Run the proof and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash_proof", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.monotonic()
    tally = prove(arguments.kills, seed=arguments.seed)
    _say(f"in all, in {time.monotonic() - began:.0f} s with seed {arguments.seed}", tally)
    for fault in tally.faults[:50]:
        sys.stdout.write(f"  {fault}\n")
    too_slow = tally.slowest_restart_seconds > RESTART_SECONDS
    return 1 if tally.faults or too_slow else 0


if __name__ == "__main__":
    sys.exit(main())
