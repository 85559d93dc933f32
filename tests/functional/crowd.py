"""Many clients who ask for the same at once: `python -m tests.functional.crowd PORT TOKEN PATH LEAVING...`.

Each word LEAVING is one client: how many bytes of the body it takes before it hangs up, or
`stays` for one that takes all. A process of its own, so that whoever measures and whoever
sends do not hold each other up. Prints what each client got, as JSON.
"""

from __future__ import annotations

import hashlib
import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from tests.functional.wire import JSON, basic

STAYS = "stays"
TIMEOUT_SECONDS = 80
_BUFFER_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Got:
    """What one client got. Times are of the monotonic clock, which all processes share."""

    status: int
    size_bytes: int
    sha256: str
    is_whole: bool
    """All that was announced has come."""
    has_left: bool
    """It hung up by its own wish."""
    first_byte_at: float
    """When the first byte of the body came; 0: none did."""
    ended_at: float


@dataclass(slots=True)
class Client:
    """One connection, and what has come over it."""

    connection: socket.socket
    leaves_after: int | None
    head: bytes = b""
    announced_bytes: int | None = None
    size_bytes: int = 0
    first_byte_at: float = 0
    has_left: bool = False
    ended_at: float = 0
    # Any: hashlib's own type has no public name.
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def take(self, data: memoryview) -> bool:
        """Take what came, and return whether more is wanted."""
        if self.announced_bytes is None:
            before, end, rest = (self.head + bytes(data)).partition(b"\r\n\r\n")
            if not end:
                self.head = before
                return True
            self.head, data = before, memoryview(rest)
            self.announced_bytes = _length_in(before)
        if len(data) and not self.first_byte_at:
            self.first_byte_at = time.monotonic()
        self.digest.update(data)
        self.size_bytes += len(data)
        self.has_left = self.leaves_after is not None and self.size_bytes >= self.leaves_after
        return not self.has_left and self.size_bytes < self.announced_bytes

    def result(self) -> Got:
        """Return what has come."""
        status = int(self.head.split(b" ", 2)[1]) if self.head.startswith(b"HTTP/1.1 ") else 0
        return Got(
            status=status,
            size_bytes=self.size_bytes,
            sha256=self.digest.hexdigest(),
            is_whole=self.size_bytes == self.announced_bytes,
            has_left=self.has_left,
            first_byte_at=self.first_byte_at,
            ended_at=self.ended_at,
        )


def ask_together(port: int, token: str, *, path: str, leaving: Sequence[int | str]) -> list[Got]:
    """Let as many clients as there are items in `leaving` ask at once, in a process of their own."""
    command = [sys.executable, "-m", "tests.functional.crowd", str(port), token, path, *map(str, leaving)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    assert done.returncode == 0, done.stderr
    return [Got(**item) for item in json.loads(done.stdout)]


def _length_in(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise AssertionError(f"an answer without a length: {head!r}")


def _ask_here(port: int, token: str, *, path: str, leaving: Sequence[str]) -> list[Got]:
    """Connect all, then ask in their order, and read until all are served, have left or were cut off."""
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in leaving]
    clients = [
        Client(connection, None if word == STAYS else int(word))
        for connection, word in zip(connections, leaving, strict=True)
    ]
    head = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {basic(token)}\r\n"
        f"Accept: {JSON}\r\nConnection: close\r\n\r\n"
    ).encode()
    with selectors.DefaultSelector() as selector:
        for client in clients:
            client.connection.sendall(head)
            client.connection.settimeout(0)
            selector.register(client.connection, selectors.EVENT_READ, client)
        _read_all(selector)
    return [client.result() for client in clients]


def _read_all(selector: selectors.BaseSelector) -> None:
    buffer = bytearray(_BUFFER_BYTES)
    while selector.get_map():
        for key, _ in selector.select():
            client: Client = key.data
            try:
                count = client.connection.recv_into(buffer)
            except ConnectionResetError:
                count = 0
            if count == 0 or not client.take(memoryview(buffer)[:count]):
                client.ended_at = time.monotonic()
                selector.unregister(client.connection)
                client.connection.close()


if __name__ == "__main__":
    port, token, path, *leaving = sys.argv[1:]
    got = _ask_here(int(port), token, path=path, leaving=leaving)
    sys.stdout.write(json.dumps([asdict(item) for item in got]))
