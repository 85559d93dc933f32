"""A spy on every connection that this process attempts, by Python's own audit events.

Nothing is patched: the interpreter itself tells of each `connect`, whoever calls it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

_watchers: list[tuple[int, list[str]]] = []


def _hear(event: str, arguments: tuple[Any, ...]) -> None:  # Any: an audit event's arguments are what it pleases
    if event == "socket.connect" and _watchers:
        for thread, seen in _watchers:
            if thread == get_ident() and isinstance(arguments[1], tuple):
                seen.append(str(arguments[1][0]))


sys.addaudithook(_hear)


@contextmanager
def attempted_connections() -> Iterator[list[str]]:
    """Give the addresses that this thread tries to connect to while the block runs."""
    watcher: tuple[int, list[str]] = (get_ident(), [])
    _watchers.append(watcher)
    try:
        yield watcher[1]
    finally:
        _watchers.remove(watcher)
