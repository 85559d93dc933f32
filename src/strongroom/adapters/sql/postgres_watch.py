"""Cuts the connections to a PostgreSQL server that has gone silent, so that nobody waits for it.

A server that is gone without a word (a pulled cable, a firewall that forgot us) keeps a
thread waiting for as long as the system's network timeouts allow, and behind some
proxies for ever. libpq has no deadline for a single answer. So who listens for changes
measures the silence, and this thread ends all waiting when it has lasted too long.
Decides nothing about a server that answers, however slowly a statement of it runs.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from typing import Any
from weakref import WeakSet

import psycopg

from strongroom.adapters.sql.postgres_listener import ChangeListener

SILENT_AFTER_SECONDS = 3.0

_LOOK_SECONDS = 0.25
_OVERSLEPT_SECONDS = 1.0


class Connections:
    """All open connections to the server, whoever made them."""

    def __init__(self) -> None:
        self._all: WeakSet[psycopg.Connection[Any]] = WeakSet()  # Any: rows of any shape
        self._lock = threading.Lock()

    def add(self, connection: psycopg.Connection[Any]) -> None:
        """Remember a connection that was just made."""
        with self._lock:
            self._all.add(connection)

    def remove(self, connection: psycopg.Connection[Any]) -> None:
        """Forget a connection that is about to be closed."""
        with self._lock:
            self._all.discard(connection)

    def cut(self) -> None:
        """End each of them below the driver: whoever waits for an answer gets an error at once."""
        with self._lock:
            for connection in self._all:
                _cut(connection)
            self._all.clear()


class Watch:
    """The thread that looks how long the server has been silent."""

    def __init__(self, listener: ChangeListener, connections: Connections) -> None:
        self._listener = listener
        self._connections = connections
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="catalog-watch", daemon=True)
        self._thread.start()

    def is_silent(self) -> bool:
        """Return whether the server has said nothing for so long that asking it is in vain."""
        return self._listener.silent_seconds() > SILENT_AFTER_SECONDS

    def close(self) -> None:
        """Stop the thread."""
        self._is_stopping.set()
        self._thread.join()

    def _run(self) -> None:
        looked_at = time.monotonic()
        while not self._is_stopping.wait(_LOOK_SECONDS):
            # After a pause of this whole process the silence was ours; the listener gets time to hear.
            has_overslept = time.monotonic() - looked_at > _OVERSLEPT_SECONDS
            looked_at = time.monotonic()
            if not has_overslept and self.is_silent():
                self._connections.cut()


def _cut(connection: psycopg.Connection[Any]) -> None:
    # An error means that it was closed meanwhile.
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as twin:
        twin.shutdown(socket.SHUT_RDWR)
