"""How much memory a server's processes have needed since a moment: master, workers and inspecting children.

Counted is, for each process, the peak of its resident set (VmHWM, reset at the start)
minus its resident set at the start; a process that began later counts whole. All of them
summed: an upper bound, since they need not peak at the same time.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from tests.crash.tree import name_of, process_tree

_EVERY_SECONDS = 0.05


class MemoryWatch:
    """Watches a process tree between `__enter__` and `__exit__`."""

    def __init__(self, pid: int) -> None:
        """Watch nothing yet."""
        self._pid = pid
        self._before: dict[int, int] = {}
        self._peaks: dict[int, int] = {}
        self._names: dict[int, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> MemoryWatch:
        """Reset the peaks, note what there is, and begin to look for new processes."""
        for pid in process_tree(self._pid):
            with suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")
            self._before[pid] = _status_kib(pid, "VmRSS")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look a last time."""
        self._stop.set()
        self._thread.join()
        self._look()

    def growth_mib(self, *, with_inspectors: bool = True) -> float:
        """Return the summed growth."""
        pids = [pid for pid in self._peaks if with_inspectors or "inspector" not in self._names[pid]]
        return sum(self._peaks[pid] - self._before.get(pid, 0) for pid in pids) / 1024

    def _watch(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            self._look()

    def _look(self) -> None:
        for pid in process_tree(self._pid):
            self._peaks[pid] = max(self._peaks.get(pid, 0), _status_kib(pid, "VmHWM"))
            self._names.setdefault(pid, name_of(pid))


def _status_kib(pid: int, field: str) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
    return 0
