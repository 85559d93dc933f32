"""A raw HTTP client that costs little: it counts bytes and parses only the first response."""

from __future__ import annotations

import selectors
import socket
import time
from dataclasses import dataclass

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Load:
    """A request, repeated on this many connections for so long."""

    address: Address
    request: bytes
    connections: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Counted:
    """How many responses arrived, and in how many seconds."""

    responses: int
    seconds: float


def ask(address: Address, request: bytes) -> bytes:
    """Return one whole response."""
    with socket.create_connection(address) as connection:
        connection.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += _receive(connection)
        head, _, body = received.partition(b"\r\n\r\n")
        length = 0 if head.startswith(b"HTTP/1.1 304") else int(find_header(head, b"content-length"))
        while len(body) < length:
            body += _receive(connection)
        return head + b"\r\n\r\n" + body


def repeat(load: Load) -> Counted:
    """Send the request again on each connection as soon as its response is there."""
    expected = len(ask(load.address, load.request))
    selector = selectors.DefaultSelector()
    missing: dict[socket.socket, int] = {}
    for _ in range(load.connections):
        connection = socket.create_connection(load.address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ, connection)
        missing[connection] = expected
        connection.sendall(load.request)
    responses, started = 0, time.perf_counter()
    while time.perf_counter() - started < load.seconds:
        for key, _ in selector.select(timeout=1):
            connection = key.data
            missing[connection] -= len(_receive(connection))
            if missing[connection] <= 0:
                responses += 1
                missing[connection] = expected
                connection.sendall(load.request)
    counted = Counted(responses, time.perf_counter() - started)
    selector.close()
    for connection in missing:
        connection.close()
    return counted


def find_header(head: bytes, name: bytes) -> bytes:
    """Return a header's value; raises `LookupError`."""
    for line in head.split(b"\r\n"):
        if line.lower().startswith(name + b":"):
            return line.partition(b":")[2].strip()
    raise LookupError(name.decode())


def _receive(connection: socket.socket) -> bytes:
    received = connection.recv(1 << 20)
    if not received:
        raise ConnectionError("the server closed the connection")
    return received
