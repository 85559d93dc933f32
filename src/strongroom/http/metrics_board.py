"""The numbers of one worker process, where the other workers of the server can read them.

Counting is adding to a number in a list, ten times cheaper than to one in a mapped file;
the list is copied there once a second, so that what a worker has counted outlives it.
Only its own process writes to a board, from one thread.
Knows cells, not what they mean (`metrics_layout.py`).
"""

from __future__ import annotations

import logging
import mmap
import os
import shutil
import struct
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from strongroom.http.metrics_layout import CELLS

_log = logging.getLogger(__name__)
_FORM = struct.Struct(f"={CELLS}d")
_SIZE_BYTES = _FORM.size


class Board:
    """A process's own numbers: `cells` to count in, written down once a second.

    Without a directory nobody else sees them.
    """

    def __init__(self, directory: Path | None = None) -> None:
        """Map the file of this process, or memory where the disk does not take it: counting must stop no server."""
        self._directory = directory
        self._path = None if directory is None else directory / str(os.getpid())
        self._is_closed = False
        self._map = mmap.mmap(-1, _SIZE_BYTES) if self._path is None else _map_file(self._path)
        self.cells: list[float] = list(_FORM.unpack_from(self._map))

    def write(self) -> None:
        """Show the others how things stand; a copy in memory, no system call."""
        if not self._is_closed:
            _FORM.pack_into(self._map, 0, *self.cells)

    def totals(self) -> list[Sequence[float]]:
        """Return the numbers of all processes of this server, its own first, those of ended ones too."""
        others = [] if self._directory is None else _read_boards(self._directory, without=self._path)
        return [list(self.cells), *others]

    def close(self) -> None:
        """Write a last time and give the memory back; the file stays, for what was counted was counted."""
        self.write()
        self._is_closed = True
        self._map.close()


def server_directory(data: Path, server_id: int) -> Path:
    """Return where the workers of one server, known by its process, keep their boards."""
    return data / "metrics" / str(server_id)


def remove_old_boards(data: Path) -> None:
    """Remove the boards of servers that are gone, so that a start counts from zero.

    This process is one that starts: what bears its number is an earlier one's. In a container
    every server has the same number.
    """
    with suppress(OSError):
        for directory in (data / "metrics").iterdir():
            if directory.name == str(os.getpid()) or not _is_running(directory.name):
                shutil.rmtree(directory, ignore_errors=True)


def _map_file(path: Path) -> mmap.mmap:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size != _SIZE_BYTES:
                os.ftruncate(descriptor, 0)  # another version's: its numbers stand in other cells
            # The room is taken now: a mapped page that the disk has no room for would end the process (SIGBUS).
            os.posix_fallocate(descriptor, 0, _SIZE_BYTES)
            return mmap.mmap(descriptor, _SIZE_BYTES)
        finally:
            os.close(descriptor)
    except (OSError, AttributeError) as fault:  # AttributeError: macOS has no posix_fallocate
        _log.warning("the numbers of this worker stay in its memory", extra={"fields": {"reason": str(fault)}})
        with suppress(OSError):
            path.unlink()
        return mmap.mmap(-1, _SIZE_BYTES)


def _read_boards(directory: Path, *, without: Path | None) -> list[Sequence[float]]:
    boards: list[Sequence[float]] = []
    with suppress(OSError):
        for path in sorted(directory.iterdir()):
            if path != without:
                content = path.read_bytes()
                if len(content) == _SIZE_BYTES:
                    boards.append(_FORM.unpack(content))
    return boards


def _is_running(name: str) -> bool:
    try:
        os.kill(int(name), 0)
    except (ValueError, ProcessLookupError):
        return False
    except OSError:  # somebody else's
        return True
    return True
