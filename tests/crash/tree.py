"""A process with all its descendants, as /proc shows them."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path


def process_tree(pid: int) -> list[int]:
    """Return the process and its descendants, parents first."""
    tree, children = [pid], []
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += [int(child) for child in (task / "children").read_text().split()]
    for child in children:
        tree += process_tree(child)
    return tree


def name_of(pid: int) -> str:
    """Return the command line, or nothing when the process has gone."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def kill_tree(pid: int) -> None:
    """Kill all of them as a power switch would, parents first, and wait until none is left."""
    tree = process_tree(pid)
    for one in tree:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    for one in tree[1:]:
        while _is_alive(one):
            time.sleep(0.002)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
