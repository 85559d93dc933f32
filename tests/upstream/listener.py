"""A loopback HTTP server in a thread of its own, which sends exactly what it is told to.

It is small and raw on purpose: an upstream that misbehaves cannot be written with a
library that corrects one.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

_SLICE_BYTES = 16 * 1024
_PHRASES = {200: "OK", 206: "Partial Content", 302: "Found", 304: "Not Modified", 404: "Not Found"}


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent: `path` as it is written, without the query; header names in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the client is sent.

    `announced_bytes` is the Content-Length, by default the true one; -1 leaves it out and ends the
    body by closing. `cut_after` closes after so many bytes of the body. `raw`, if set, is
    sent in place of all, and the connection is closed (or kept silent with `then_silent`).
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    announced_bytes: int | None = None
    is_chunked: bool = False
    delay_seconds: float = 0
    bytes_a_second: float | None = None
    cut_after: int | None = None
    raw: bytes | None = None
    then_silent: bool = False


Answerer = Callable[[Request], Reply]


class Listener:
    """Serve while the `with` block runs. Each request and each connection is counted."""

    def __init__(self, answer: Answerer, *, tls: ssl.SSLContext | None = None) -> None:
        """Answer each request by this function, over TLS if there is a context for it."""
        self._tls = tls
        self.answer = answer
        self.requests: list[Request] = []
        self.connections = 0
        self.ended_at: dict[str, float] = {}
        """When the latest answer to each path was sent to its end, on the monotonic clock."""
        self.port = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    @property
    def root(self) -> str:
        """Return the server's URL, with a slash at its end."""
        return f"http://127.0.0.1:{self.port}/"

    def counts(self) -> Counter[str]:
        """Return how often each path was asked for."""
        return Counter(request.path for request in self.requests)

    def count(self, containing: str = "") -> int:
        """Return how many requests were made for paths that contain the text."""
        return sum(1 for request in self.requests if containing in request.path)

    def __enter__(self) -> Self:
        """Start, and return when connections are accepted."""
        self._thread.start()
        assert self._ready.wait(10), "the listener did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and close every connection."""
        self.stop()

    def stop(self) -> None:
        """Stop, and close every connection; a second time it does nothing."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            self.connections += 1
            try:
                with suppress(OSError, EOFError, asyncio.CancelledError, asyncio.LimitOverrunError):
                    await self._converse(reader, writer)
            finally:
                tasks.discard(task)
                writer.close()

        server = await asyncio.start_server(accept, "127.0.0.1", self.port, limit=1024 * 1024, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = _parse(await reader.readuntil(b"\r\n\r\n"))
            self.requests.append(request)
            is_reusable = await _send(writer, self.answer(request))
            self.ended_at[request.path] = time.monotonic()
            if not is_reusable:
                return


def _parse(head: bytes) -> Request:
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    path, _, query = target.partition("?")
    pairs = (line.partition(":") for line in lines if line)
    return Request(method, path, query, {name.lower(): value.strip() for name, _, value in pairs})


async def _send(writer: asyncio.StreamWriter, reply: Reply) -> bool:
    """Send it, and return whether the connection can be used again."""
    if reply.delay_seconds:
        await asyncio.sleep(reply.delay_seconds)
    if reply.raw is not None:
        await _pour(writer, reply.raw, rate=reply.bytes_a_second)
        if reply.then_silent:
            await asyncio.sleep(3600)
        return False
    writer.write(_head(reply))
    body = _chunked(reply.body) if reply.is_chunked else reply.body
    await _pour(writer, body if reply.cut_after is None else body[: reply.cut_after], rate=reply.bytes_a_second)
    if reply.then_silent:
        await asyncio.sleep(3600)
    return reply.cut_after is None and reply.announced_bytes in (None, len(reply.body))


async def _pour(writer: asyncio.StreamWriter, data: bytes, *, rate: float | None) -> None:
    step = _SLICE_BYTES if rate is None else max(1, min(_SLICE_BYTES, int(rate / 10)), int(rate / 100))
    for start in range(0, len(data), step):
        writer.write(data[start : start + step])
        await writer.drain()
        if rate is not None:
            await asyncio.sleep(step / rate)


def _head(reply: Reply) -> bytes:
    headers = {"Content-Type": "application/octet-stream", **reply.headers}
    announced = len(reply.body) if reply.announced_bytes is None else reply.announced_bytes
    if reply.is_chunked:
        headers["Transfer-Encoding"] = "chunked"
    elif announced < 0:
        headers["Connection"] = "close"
    elif reply.status not in (204, 304):
        headers["Content-Length"] = str(announced)
    lines = [f"HTTP/1.1 {reply.status} {_PHRASES.get(reply.status, 'Whatever')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def _chunked(body: bytes) -> bytes:
    parts = [body[start : start + _SLICE_BYTES] for start in range(0, len(body), _SLICE_BYTES)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])
