"""One writer at a time among all processes on this machine: a lock on a file beside the database.

SQLite 3.7.0 to 3.51.2 can corrupt a WAL database when two connections write or
checkpoint at the same moment, so all of that happens under this lock. It ends with
its process, however that dies.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strongroom.core.errors import StorageFault, Unavailable
from strongroom.core.os_faults import TOO_MANY_OPEN, too_many_files

_FIRST_PAUSE_SECONDS = 0.0002
_LONGEST_PAUSE_SECONDS = 0.002


class WriteLock:
    """An exclusive lock on one file, for threads as well as processes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def held(self, deadline: float) -> Iterator[None]:
        """Hold the lock; raises `Unavailable` when it is not free by that `time.monotonic()`.

        Each holder opens the file for itself: the lock belongs to the open file, and so
        also keeps threads apart, and is not shared with a forked process.
        """
        descriptor = self._open()
        try:
            _acquire(descriptor, deadline)
            try:
                yield
            finally:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno in TOO_MANY_OPEN:
                raise too_many_files("Opening the catalog's lock file") from error
            raise StorageFault(
                "lock-file",
                f"The lock file {self._path.name} cannot be opened: {error.strerror}",
                "The server's user must be able to write to the data directory.",
            ) from error


def _acquire(descriptor: int, deadline: float) -> None:
    """Ask again and again: `flock` knows no time limit."""
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Unavailable(
                    "catalog-busy", "Another process has been writing to the catalog for too long", "Try again later."
                ) from None
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
