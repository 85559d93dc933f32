"""Clients that are slow on purpose, and one good client among them.

Five kinds: those that connect and say nothing, those that send a byte of their headers
each second, those that do so with a body, those whose body stops, and those that stay
after an answer. Each notes when the server has closed its connection.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tests.crash.form import basic_auth, twine_form
from tests.load.transfer import Place

_BYTE_EVERY_SECONDS = 0.5
_BODY_BYTES = 50_000_000


@dataclass(slots=True)
class Crowd:
    """What the slow clients have seen: seconds until each was closed, by kind."""

    place: Place
    closed: dict[str, list[float]] = field(default_factory=dict)
    _opened: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def gather(self, size: int) -> None:
        """Open so many connections, of each kind as many."""
        kinds: list[Callable[[Visit], Awaitable[None]]] = [
            say_nothing,
            trickle_headers,
            trickle_body,
            stop_in_body,
            stay,
        ]
        for number in range(size):
            kind = kinds[number % len(kinds)]
            self._tasks.append(asyncio.create_task(self._visit(kind)))
            if number % 50 == 49:
                await asyncio.sleep(0.02)
        for _ in range(size):
            await self._opened.acquire()

    async def disperse(self, within_seconds: float) -> int:
        """Wait until the server has closed them all; return how many it has not in that time."""
        _, pending = await asyncio.wait(self._tasks, timeout=within_seconds)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        return len(pending)

    def slowest(self) -> dict[str, float]:
        """Return how long the last of each kind was left alone."""
        return {kind: round(max(seconds), 1) for kind, seconds in sorted(self.closed.items())}

    async def _visit(self, kind: Callable[[Visit], Awaitable[None]]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.place.port)
        began = time.monotonic()
        self._opened.release()
        closed = asyncio.create_task(_wait_until_closed(reader))
        talking = asyncio.ensure_future(kind(Visit(self.place, writer, reader)))
        try:
            await closed
            self.closed.setdefault(kind.__name__, []).append(time.monotonic() - began)
        finally:
            talking.cancel()
            closed.cancel()
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await talking


@dataclass(frozen=True, slots=True)
class Visit:
    """One connection."""

    place: Place
    writer: asyncio.StreamWriter
    reader: asyncio.StreamReader

    async def trickle(self, data: bytes) -> None:
        """Send a byte now and then, for ever."""
        for number in range(10**6):
            self.writer.write(data[number % len(data) : number % len(data) + 1])
            await self.writer.drain()
            await asyncio.sleep(_BYTE_EVERY_SECONDS)


async def say_nothing(visit: Visit) -> None:
    """Connect, and wait."""


async def trickle_headers(visit: Visit) -> None:
    """Begin a request and send its headers byte by byte."""
    visit.writer.write(b"GET /simple/ HTTP/1.1\r\nHost: strongroom\r\nX-Slow: ")
    await visit.trickle(b"a")


async def trickle_body(visit: Visit) -> None:
    """Begin an upload and send its body byte by byte."""
    visit.writer.write(_upload_head(visit.place))
    await visit.trickle(b"a")


async def stop_in_body(visit: Visit) -> None:
    """Begin an upload and stop in the middle."""
    visit.writer.write(_upload_head(visit.place) + bytes(2000))


async def stay(visit: Visit) -> None:
    """Ask properly, and keep the connection for nothing."""
    visit.writer.write(b"GET /healthz HTTP/1.1\r\nHost: strongroom\r\n\r\n")


async def measure_good(place: Place, path: str, *, seconds: float) -> list[float]:
    """Be a good client for that long, each request on a new connection; return how long each took, sorted."""
    took: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        await _ask(place, path)
        took.append(time.monotonic() - began)
        await asyncio.sleep(0.01)
    return sorted(took)


async def _ask(place: Place, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {basic_auth(place.token)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200"), answer[:200]


async def _wait_until_closed(reader: asyncio.StreamReader) -> None:
    with suppress(OSError):
        while await reader.read(65536):
            pass


def _upload_head(place: Place) -> bytes:
    form = twine_form("slow", "1.0", filename="slow-1.0-py3-none-any.whl", sha256="0" * 64)
    head = (
        f"POST /legacy/ HTTP/1.1\r\nHost: strongroom\r\nAuthorization: {basic_auth(place.token)}\r\n"
        f"Content-Type: {form.content_type}\r\nContent-Length: {_BODY_BYTES}\r\n\r\n"
    )
    return head.encode() + form.head
