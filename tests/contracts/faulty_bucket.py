"""A proxy in front of an S3 server that spoils what it is told to spoil.

It passes requests on as they are, with their Host, so that their signatures hold.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

HANG = b""
"""In the place of an answer: say nothing, and keep the connection open as long as nothing else is told."""
_HANG_PAUSES = 600
_PAUSE_SECONDS = 0.05
_END_SECONDS = 30


class Kind(Enum):
    """What a request is, as far as the tests tell them apart."""

    HEAD = "head"
    GET = "get"
    LIST = "list"
    PUT = "put"
    BEGIN = "begin parts"
    PART = "part"
    COMPLETE = "complete parts"
    ABORT = "abort parts"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Spoilt:
    """The answer in the place of the store's; `is_done`: the store did what it was asked before."""

    answer: bytes
    is_done: bool = False


Spoiling = Callable[[Kind, int], Spoilt | None]
"""Is given what a request is, and how many of its kind came before it."""


def answer(status: str, body: str = "") -> bytes:
    """Render a whole answer."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


def always(kinds: set[Kind], spoilt: Spoilt) -> Spoiling:
    """Spoil each request of these kinds."""
    return lambda kind, number: spoilt if kind in kinds else None


def once(first: Kind, spoilt: Spoilt) -> Spoiling:
    """Spoil the first request of the kind only."""
    return lambda kind, number: spoilt if kind is first and number == 0 else None


@dataclass(slots=True)
class FaultyBucket:
    """The running proxy, and what came by."""

    upstream: str
    endpoint: str = ""
    spoiling: Spoiling = field(default=lambda kind, number: None)
    delay_seconds: float = 0
    """How slow the store is: what each answer is late by."""
    seen: list[Kind] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._handle(reader, writer)
        finally:
            writer.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(_content_length(head))
        kind = _kind(head)
        spoilt = self.spoiling(kind, self.seen.count(kind))
        self.seen.append(kind)
        await asyncio.sleep(self.delay_seconds)
        if spoilt is None:
            writer.write(await self._pass_on(head, body))
        elif spoilt.is_done:
            await self._pass_on(head, body)
        if spoilt is not None:
            writer.write(spoilt.answer)
            if spoilt.answer == HANG:
                await self._say_nothing()
        await writer.drain()

    async def _say_nothing(self) -> None:
        told = self.spoiling
        for _ in range(_HANG_PAUSES):
            if self.spoiling is not told:
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _pass_on(self, head: bytes, body: bytes) -> bytes:
        parts = urlsplit(self.upstream)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            writer.write(head.removesuffix(b"\r\n") + b"Connection: close\r\n\r\n" + body)
            return await reader.read(-1)
        finally:
            writer.close()


@asynccontextmanager
async def faulty_bucket(upstream: str) -> AsyncIterator[FaultyBucket]:
    """Start a proxy in front of the S3 server at that URL."""
    faulty = FaultyBucket(upstream)
    handlers: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.add(asyncio.ensure_future(faulty.handle(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    faulty.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield faulty
    finally:
        server.close()
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)


@contextmanager
def faulty_bucket_aside(upstream: str) -> Iterator[FaultyBucket]:
    """Start it in a thread of its own, for a test that waits for other processes."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Coroutine[None, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(_END_SECONDS)

    stack = AsyncExitStack()
    try:
        yield run(stack.enter_async_context(faulty_bucket(upstream)))
    finally:
        run(stack.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def _kind(head: bytes) -> Kind:
    method, target = head.split(b" ", 2)[:2]
    _, _, query = target.partition(b"?")
    match method:
        case b"PUT":
            return Kind.PART if b"partNumber=" in query else Kind.PUT
        case b"POST":
            return Kind.COMPLETE if b"uploadId=" in query else Kind.BEGIN
        case b"GET":
            return Kind.LIST if b"list-type=" in query else Kind.GET
        case b"DELETE":
            return Kind.ABORT if b"uploadId=" in query else Kind.DELETE
        case _:
            return Kind.HEAD
