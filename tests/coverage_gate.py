"""Fail when a branch of the code that guards the rest is not tested.

Reads the coverage data that `make test` combined. The access, token, write-order and
archive code must be covered branch by branch; the whole at least as far as `OVERALL`.
"""

from __future__ import annotations

import subprocess
import sys

OVERALL = 90
GUARDED = (
    "src/strongroom/core/access.py",
    "src/strongroom/core/delegation.py",
    "src/strongroom/core/reservations.py",
    "src/strongroom/core/sources.py",
    "src/strongroom/core/tokens.py",
    "src/strongroom/core/upload.py",
    "src/strongroom/core/archive/*",
    "src/strongroom/core/policies/upstream_name.py",
    "src/strongroom/services/publish.py",
    "src/strongroom/services/shield.py",
    "src/strongroom/services/sign_in.py",
    "src/strongroom/adapters/blobs/local.py",
    "src/strongroom/adapters/upstream/guard.py",
    "src/strongroom/adapters/upstream/hops.py",
)


def report(*options: str) -> int:
    """Run `coverage report` with these options and return its exit code."""
    return subprocess.run([sys.executable, "-m", "coverage", "report", "--skip-covered", *options]).returncode


if __name__ == "__main__":
    guarded = report("--include", ",".join(GUARDED), "--fail-under=100")
    overall = report("--fail-under", str(OVERALL), "--format=total")
    sys.exit(guarded or overall)
