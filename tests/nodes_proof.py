"""The proof of several nodes at any length: `python -m tests.nodes_proof --seconds 600 --nodes 3 [--seed 1]`.

Real nodes on one PostgreSQL and one S3, eight uploaders and eight installers, and every
few seconds one node is killed and started again. Ends with 1 if an acknowledged upload
was lost, a node lists other files than the others, or `verify` finds anything.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.nodes.scene import Outcome, prove_nodes

_SAY_EVERY_SECONDS = 10.0


class _Progress:
    """A line on standard error every ten seconds."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, outcome: Outcome) -> None:
        """Say how far it is, if it is time."""
        if time.monotonic() - self._said > _SAY_EVERY_SECONDS:
            self._said = time.monotonic()
            sys.stderr.write(f"... {outcome.sentence()}\n")


def main() -> int:
    """Run the proof and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.nodes_proof", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strongroom-nodes-") as folder:
        outcome = prove_nodes(
            Path(folder), arguments.seconds, nodes=arguments.nodes, seed=arguments.seed, tell=_Progress()
        )
    sys.stdout.write(f"{arguments.nodes} nodes, seed {arguments.seed}: {outcome.sentence()}\n")
    for fault in outcome.faults[:50]:
        sys.stdout.write(f"  {fault}\n")
    return 1 if outcome.faults or not outcome.acknowledged else 0


if __name__ == "__main__":
    sys.exit(main())
