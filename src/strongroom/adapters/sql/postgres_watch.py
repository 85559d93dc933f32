"""Cuts connections to PostgreSQL that would keep somebody waiting for ever.

A server that is gone without a word (a pulled cable, a firewall that forgot us) keeps a
thread waiting for as long as the system's network timeouts allow, and behind some
proxies for ever. libpq has no deadline for a single answer. So who listens for changes
measures the silence, and this thread ends all waiting when it has lasted too long.
The other thing without an end is a commit: one that waits for a standby, or for a disk
that stands still, is covered by no timeout of the server. Decides nothing about a server
that answers, however slowly a statement of it runs.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

import psycopg

from strongroom.adapters.sql.postgres_listener import ChangeListener

SILENT_AFTER_SECONDS = 3.0
COMMIT_SECONDS = 20.0
"""How long a commit is waited for; whether it happens then, nobody knows."""

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


class Commit:
    """The commit that is running, if there is one, and the connection to cut when it takes too long."""

    def __init__(self, limit_seconds: float) -> None:
        self.connections = Connections()
        self._limit_seconds = limit_seconds
        self._begun_at: float | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Take the time of the block."""
        self._begun_at = time.monotonic()
        try:
            yield
        finally:
            self._begun_at = None

    def has_hung(self) -> bool:
        """Return whether it takes too long."""
        begun_at = self._begun_at
        return begun_at is not None and time.monotonic() - begun_at > self._limit_seconds


class Watch:
    """The thread that looks how long the server has been silent, and a commit has taken."""

    def __init__(self, listener: ChangeListener, connections: Connections, *, commit: Commit) -> None:
        self._listener = listener
        self._connections = connections
        self._commit = commit
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
            if not has_overslept and self._commit.has_hung():
                self._commit.connections.cut()


def _cut(connection: psycopg.Connection[Any]) -> None:
    # Takes no new file descriptor: there may be none left. An error means that it was closed meanwhile.
    with suppress(psycopg.Error, OSError):
        twin = socket.socket(fileno=connection.fileno())
        try:
            twin.shutdown(socket.SHUT_RDWR)
        finally:
            twin.detach()
