"""A process with all its descendants, as /proc shows them."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path


def process_tree(pid: int) -> list[int]:
    """Return the process and its descendants, parents first.

    From the parent that each process names: the kernel's own lists of children may
    leave some out while others come and go.
    """
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _status_of(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    tree = [pid]
    for one in tree:
        tree += children.get(one, [])
    return tree


def name_of(pid: int) -> str:
    """Return the command line, or nothing when the process has gone."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def kill_tree(pid: int) -> None:
    """Kill all of them as a power switch would, parents first, and wait until none is left.

    The first is stopped before its descendants are counted, so that it starts no other meanwhile.
    """
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        while (status := _status_of(pid)) and status[0] not in "TZ":
            time.sleep(0.001)
    tree = process_tree(pid)
    for one in tree:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    for one in tree[1:]:
        while _is_alive(one):
            time.sleep(0.002)


def wait_until_gone(pids: list[int], *, within_seconds: float) -> list[int]:
    """Return those that are still there after that time; kills those, so that none is left behind."""
    deadline = time.monotonic() + within_seconds
    while any(map(_is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    left = [pid for pid in pids if _is_alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return left


def _is_alive(pid: int) -> bool:
    fields = _status_of(pid)
    return bool(fields) and fields[0] != "Z"


def _status_of(pid: int) -> list[str]:
    """Return state, parent and what follows of a process, or nothing when it has gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
