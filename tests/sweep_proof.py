"""The proof of the sweep at any length: `python -m tests.sweep_proof --events 100000 [--seed 1]`.

Uploads, deletions and uploads of the same bytes against a sweep without any grace, on
memory stores and on SQLite with a directory. Ends with 1 if a single blob was lost, or
one is left at the end that nobody needs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.sweep_scene import prove_sweep


def main() -> int:
    """Run the proof and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.sweep_proof", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="strongroom-sweep-") as folder:
        tally = prove_sweep(
            Path(folder), arguments.events, seed=arguments.seed, tell=lambda line: print(f"... {line}", file=sys.stderr)
        )
    print(f"{tally.sentence()}, in {time.monotonic() - began:.0f} s with seed {arguments.seed}")
    for fault in tally.faults[:50]:
        print(f"  {fault}")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
