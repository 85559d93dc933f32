"""What a child process gives up before its first job.

Imports nothing of the program, so that each kind of child loads only what it reads with.
"""

from __future__ import annotations

import contextlib
import resource

_OPEN_FILES = 16


def limit_process(memory_bytes: int) -> None:
    """Give up what reading does not need; what the system cannot limit stays as it is."""
    limits = (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    )
    for kind, most in limits:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (most, most))
