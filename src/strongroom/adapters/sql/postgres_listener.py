"""Hears of commits to a PostgreSQL catalog, from a thread with a connection of its own.

While it cannot hear, it says that something has changed, each time it is asked: a
reader may then be slow, but never stale. Does not know what has changed, but whether it
was about access. Since it asks the server something all the time, it is also the one who
knows how long that is silent.
"""

from __future__ import annotations

import itertools
import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import psycopg

CHANNEL = "strongroom_change"
_ACCESS = " access"
"""Ends a note of a commit that changed access; versions before took the whole note for the sender's name."""

_POLL_SECONDS = 0.2
_DEAF_AFTER_SECONDS = 1.0
_RETRY_SECONDS = 0.5
_FIRST_CONNECTION_SECONDS = 10.0

_log = logging.getLogger(__name__)

Connected = Callable[[psycopg.Connection[Any]], object]  # Any: rows of any shape
"""Is told of each connection that the listener makes."""


class ChangeListener:
    """Counts the notifications of other catalogs; `heard` counts the commits of its own."""

    def __init__(self, parameters: Mapping[str, Any], *, connected: Connected) -> None:
        """Connect with the driver's parameters (which are of any type)."""
        self._parameters = parameters
        self._sender = _new_sender()
        self._connected = connected
        # Each number is used once, so that two threads cannot undo each other's change of the mark.
        self._numbers = itertools.count(1)
        self._mark = 0
        self._access_mark = 0
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

    def access_mark(self) -> int:
        """Return a number that differs whenever a commit that changed access was heard of since."""
        return self._access_mark

    def heard(self, *, is_access: bool = False) -> None:
        """Change the mark, or both."""
        number = next(self._numbers)
        if is_access:
            self._access_mark = number
        self._mark = number

    def note(self, *, is_access: bool) -> str:
        """Return what to tell the others of a commit."""
        return self._sender + (_ACCESS if is_access else "")

    def disown(self) -> None:
        """Take the last commit for somebody else's: nobody knows whether, or when, it is made."""
        self._sender = _new_sender()
        self.heard()

    def silent_seconds(self) -> float:
        """Return how long the server has given no answer at all; one that refuses connections is not silent."""
        return 0.0 if self._was_refused else time.monotonic() - self._heard_at

    def close(self) -> None:
        """Stop the thread and its connection."""
        self._is_stopping.set()
        self._thread.join()

    def _run(self) -> None:
        is_told = False
        while not self._is_stopping.is_set():
            try:
                self._listen()
            except psycopg.Error:
                is_told = False
            except Exception:  # no file descriptor is left, say: without this thread nothing would ever be current
                if not is_told:
                    _log.exception("cannot listen for changes of the catalog; trying on")
                is_told = True
            self._is_stopping.wait(_RETRY_SECONDS)

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            return psycopg.connect(**self._parameters, autocommit=True)
        except psycopg.Error as error:
            self._was_refused = not isinstance(error, psycopg.errors.ConnectionTimeout)
            raise

    def _listen(self) -> None:
        with self._connect() as connection:
            self._connected(connection)
            connection.execute(f"LISTEN {CHANNEL}")
            self.heard()  # whatever was committed before we began to listen
            self._note_answer()
            self._has_connected.set()
            while not self._is_stopping.is_set():
                for note in connection.notifies(timeout=_POLL_SECONDS):
                    sender = note.payload.removesuffix(_ACCESS)
                    if sender != self._sender:
                        self.heard(is_access=sender != note.payload)
                connection.execute("SELECT 1")  # a dead connection notifies of nothing
                self._note_answer()

    def _note_answer(self) -> None:
        self._heard_at = time.monotonic()
        self._was_refused = False


def _new_sender() -> str:
    return secrets.token_hex(8)
