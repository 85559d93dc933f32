"""Hears of commits to a PostgreSQL catalog, from a thread with a connection of its own.

While it cannot hear, it says that something has changed, each time it is asked: a
reader may then be slow, but never stale. Does not know what has changed. Since it asks
the server something all the time, it is also the one who knows how long that is silent.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import psycopg

CHANNEL = "strongroom_change"

_POLL_SECONDS = 0.2
_DEAF_AFTER_SECONDS = 1.0
_RETRY_SECONDS = 0.5
_FIRST_CONNECTION_SECONDS = 10.0

Connected = Callable[[psycopg.Connection[Any]], object]  # Any: rows of any shape
"""Is told of each connection that the listener makes."""


class ChangeListener:
    """Counts the notifications of other catalogs; `heard` counts the commits of its own."""

    def __init__(self, parameters: Mapping[str, Any], sender: str, *, connected: Connected) -> None:
        """Connect with the driver's parameters (which are of any type); `sender` is what our own notes carry."""
        self._parameters = parameters
        self._sender = sender
        self._connected = connected
        # Each number is used once, so that two threads cannot undo each other's change of the mark.
        self._numbers = itertools.count(1)
        self._mark = 0
        self._heard_at = time.monotonic()
        self._was_refused = False
        self._is_stopping = threading.Event()
        self._has_connected = threading.Event()
        self._thread = threading.Thread(target=self._run, name="catalog-listen", daemon=True)
        self._thread.start()
        self._has_connected.wait(_FIRST_CONNECTION_SECONDS)

    def mark(self) -> int:
        """Return a number that differs whenever a commit was heard of since."""
        if time.monotonic() - self._heard_at > _DEAF_AFTER_SECONDS or not self._has_connected.is_set():
            self.heard()
        return self._mark

    def heard(self) -> None:
        """Change the mark."""
        self._mark = next(self._numbers)

    def silent_seconds(self) -> float:
        """Return how long the server has given no answer at all; one that refuses connections is not silent."""
        return 0.0 if self._was_refused else time.monotonic() - self._heard_at

    def close(self) -> None:
        """Stop the thread and its connection."""
        self._is_stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            try:
                self._listen()
            except psycopg.Error:
                self._is_stopping.wait(_RETRY_SECONDS)

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            connection = psycopg.connect(**self._parameters, autocommit=True)
        except psycopg.Error as error:
            self._was_refused = not isinstance(error, psycopg.errors.ConnectionTimeout)
            raise
        self._connected(connection)
        return connection

    def _listen(self) -> None:
        with self._connect() as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            self.heard()  # whatever was committed before we began to listen
            self._note_answer()
            self._has_connected.set()
            while not self._is_stopping.is_set():
                for note in connection.notifies(timeout=_POLL_SECONDS):
                    if note.payload != self._sender:
                        self.heard()
                connection.execute("SELECT 1")  # a dead connection notifies of nothing
                self._note_answer()

    def _note_answer(self) -> None:
        self._heard_at = time.monotonic()
        self._was_refused = False
