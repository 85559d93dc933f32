"""A disk that is really full: a small one of its own, seen by one child process only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = 'mount -t tmpfs -o size="$1" none "$2" && exec "$3" -m "$4" "$2"'


def run_on_small_disk(module: str, folder: Path, *, size_bytes: int) -> str:
    """Run the module with a disk of that size mounted on the folder, and return what it printed; it must succeed.

    Where nobody may mount one, the test is skipped: the doubles of `test_disk_faults.py` stand for it.
    """
    own_mounts = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    words = ["sh", "-c", _SCRIPT, "sh", str(size_bytes), str(folder), sys.executable, module]
    done = subprocess.run([*own_mounts, *words], capture_output=True, text=True, check=False, timeout=120)
    if "unshare failed" in done.stderr or "mount:" in done.stderr:
        pytest.skip("this machine lets nobody mount a small disk; the doubles of test_disk_faults stand for it")
    assert done.returncode == 0, done.stderr
    return done.stdout
