"""A wire to PostgreSQL that can be cut, or go dead without a word.

Listens on a port of the loopback address and passes everything on to the server's unix
socket. `go_silent` is the pulled cable: connections stay, new ones are accepted, and no
byte gets through until `wake`. What was sent meanwhile arrives then, as TCP does it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import make_url

_CHUNK_BYTES = 65536


class Relay:
    """The wire; made by `relaying`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._passes = threading.Event()
        self._passes.set()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def go_silent(self) -> None:
        """Let nothing through, in neither direction."""
        self._passes.clear()

    def wake(self) -> None:
        """Let everything through again."""
        self._passes.set()

    def close(self) -> None:
        """End all connections."""
        self._passes.set()
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                self._sockets += [near, far]
                try:
                    far.connect(self._path)
                except OSError:  # the server is being restarted
                    near.close()
                    continue
                threading.Thread(target=self._pump, args=(near, far), daemon=True).start()
                threading.Thread(target=self._pump, args=(far, near), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(_CHUNK_BYTES):
                self._passes.wait()
                target.sendall(chunk)
        self._passes.wait()
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


@contextmanager
def relaying(url: str) -> Iterator[tuple[Relay, str]]:
    """Lay a wire to the database of that address; yield it with the address at its near end."""
    parsed = make_url(url)
    relay = Relay(f"{parsed.query['host']}/.s.PGSQL.5432")
    try:
        yield relay, f"postgresql://{parsed.username}@127.0.0.1:{relay.port}/{parsed.database}"
    finally:
        relay.close()
