"""A spy on every connection that a thread attempts: Python's sockets tell of each `connect`, whoever calls it.

Not by an audit hook, which nobody can take out again: while one is there, two threads
that start at once under coverage may fail to install their trace functions (CPython 3.11).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any, TypeVar
from unittest import mock

T = TypeVar("T")
Connect = Callable[[socket.socket, Any], T]  # Any: an address is what its family wants


@contextmanager
def attempted_connections() -> Iterator[list[str]]:
    """Give the addresses that this thread tries to connect to while the block runs."""
    seen: list[str] = []
    thread = get_ident()

    def hearing(connect: Connect[T]) -> Connect[T]:
        def heard(self: socket.socket, address: Any) -> T:
            if get_ident() == thread and isinstance(address, tuple):
                seen.append(str(address[0]))
            return connect(self, address)

        return heard

    with (
        mock.patch.object(socket.socket, "connect", hearing(socket.socket.connect)),
        mock.patch.object(socket.socket, "connect_ex", hearing(socket.socket.connect_ex)),
    ):
        yield seen
