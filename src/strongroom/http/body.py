"""How large a request's body may be and how slowly it may come.

No Python server limits a stalled or trickling body, so this wraps ASGI's `receive`:
a minimum rate over windows of waiting, a cap on the whole, a limit on the size. It
also reads on for a while after an early answer, since a client that is still
sending takes a closed connection for a broken one and never sees the answer. Does
not parse anything and does not limit headers (the server does).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strongroom.core.errors import StrongroomError, TooLarge, TooSlow

SMALL_BODY_BYTES = 1024 * 1024
"""What a body may have unless its handler allows more."""

_STATE_KEY = "strongroom.body"
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class BodyDeadlines:
    """How long a client may take. Only waiting for the client counts, not the server's own work."""

    bytes_per_second: int = 1024
    window_seconds: float = 30.0
    total_seconds: float = 3600.0
    linger_seconds: float = 30.0
    """How long to read on after an answer that came before the end of the body."""


class BodyGuard:
    """An ASGI application that puts the limits on all bodies of the one it wraps."""

    def __init__(self, app: ASGIApp, deadlines: BodyDeadlines | None = None) -> None:
        self._app = app
        self._deadlines = deadlines or BodyDeadlines()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, guarded if it can have a body."""
        if scope["type"] != "http" or scope["method"] in _WITHOUT_BODY:
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive, self._deadlines)
        scope[_STATE_KEY] = body
        try:
            await self._app(scope, body.receive, _Lingering(body, scope, send))
        except ClientDisconnect:
            return  # an everyday end of a request, and no fault of the server


def allow_body(request: Request, size_bytes: int, *, extra_bytes: int = 0) -> None:
    """Let this request's body be that large; to be called before it is read.

    `extra_bytes` are for what surrounds the content; the client is told the limit without them.
    """
    body = request.scope.get(_STATE_KEY)
    if isinstance(body, _Body):
        body.limit_bytes = size_bytes + extra_bytes
        body.told_bytes = size_bytes


class _Body:
    """The body of one request while it arrives."""

    def __init__(self, scope: Scope, receive: Receive, deadlines: BodyDeadlines) -> None:
        self.limit_bytes = SMALL_BODY_BYTES
        self.told_bytes = SMALL_BODY_BYTES
        self.is_complete = _has_no_body(scope)
        self.is_given_up = False
        """Nothing more will come, or nothing more is waited for."""
        self.is_alone = False
        """The client has gone: nobody is left to hear an answer."""
        self.was_asked_for = False
        self.waits_for_continue = _header(scope, b"expect").lower() == b"100-continue"
        self._declared_bytes = _declared_length(scope)
        self._receive = receive
        self._deadlines = deadlines
        self._received_bytes = 0
        self._waited_seconds = 0.0
        self._window_seconds = 0.0
        self._window_bytes = 0

    async def receive(self) -> Message:
        """Return the next message; raises `TooLarge`, `TooSlow`."""
        if self.is_complete or self.is_given_up:
            return await self._receive()
        if self._declared_bytes is not None and self._declared_bytes > self.limit_bytes:
            raise self._too_large()
        message = await self._next()
        if self._received_bytes > self.limit_bytes:
            raise self._too_large()
        return message

    async def linger(self) -> None:
        """Read and drop what still comes, for a limited time."""
        if self.waits_for_continue and not self.was_asked_for:
            return  # RFC 9110 10.1.1: the client sends nothing before it hears "100 Continue"
        with suppress(TimeoutError, StrongroomError):
            async with asyncio.timeout(self._deadlines.linger_seconds):
                while not (self.is_complete or self.is_given_up):
                    await self._next()

    async def _next(self) -> Message:
        self.was_asked_for = True
        message = await self._wait()
        if message["type"] == "http.disconnect":
            self.is_given_up = True
            self.is_alone = True
            return message
        size_bytes = len(message.get("body", b""))
        self._received_bytes += size_bytes
        self._window_bytes += size_bytes
        self.is_complete = not message.get("more_body", False)
        return message

    async def _wait(self) -> Message:
        coming = asyncio.ensure_future(self._receive())
        try:
            while not coming.done():
                await self._wait_within_window(coming)
            return coming.result()
        finally:
            coming.cancel()

    async def _wait_within_window(self, coming: asyncio.Future[Message]) -> None:
        deadlines = self._deadlines
        clock = asyncio.get_running_loop()
        patience = min(deadlines.window_seconds - self._window_seconds, deadlines.total_seconds - self._waited_seconds)
        began = clock.time()
        await asyncio.wait({coming}, timeout=max(patience, 0.0))
        waited = clock.time() - began
        self._waited_seconds += waited
        self._window_seconds += waited
        if coming.done():
            return
        if self._waited_seconds >= deadlines.total_seconds:
            raise self._too_slow(f"The body was not complete after {deadlines.total_seconds:.0f} seconds")
        if self._window_seconds >= deadlines.window_seconds:
            self._close_window()

    def _close_window(self) -> None:
        wanted = self._deadlines.bytes_per_second * self._deadlines.window_seconds
        if self._window_bytes < wanted:
            raise self._too_slow(
                f"The body came slower than {self._deadlines.bytes_per_second} bytes a second "
                f"for {self._deadlines.window_seconds:.0f} seconds"
            )
        self._window_seconds = 0.0
        self._window_bytes = 0

    def _too_slow(self, message: str) -> TooSlow:
        self.is_given_up = True
        return TooSlow("too-slow", message, "Try again over a better connection.")

    def _too_large(self) -> TooLarge:
        return TooLarge(
            "too-large",
            f"The request's body is larger than the {self.told_bytes} bytes allowed here",
            "Send less, or ask whoever runs this server to raise the limit.",
        )


class _Lingering:
    """ASGI's `send`, which gives an early answer at once and then reads on before it ends the exchange."""

    def __init__(self, body: _Body, scope: Scope, send: Send) -> None:
        self._body = body
        self._is_http1 = str(scope.get("http_version", "1.1")).startswith("1")
        self._send = send

    async def __call__(self, message: Message) -> None:
        if self._body.is_alone:
            return
        if self._body.is_complete:
            await self._send(message)
        elif message["type"] == "http.response.start":
            # What is left of the body would be taken for the next request.
            closing = [(b"connection", b"close")] if self._is_http1 else []
            await self._send({**message, "headers": [*message.get("headers", ()), *closing]})
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._body.linger()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await self._send(message)


def _header(scope: Scope, name: bytes) -> bytes:
    return next((bytes(value) for key, value in scope["headers"] if key == name), b"")


def _has_no_body(scope: Scope) -> bool:
    """RFC 9112 6.3: a request without Content-Length and Transfer-Encoding has no body; HTTP/2 has no such rule."""
    is_http1 = str(scope.get("http_version", "1.1")).startswith("1")
    return is_http1 and not _header(scope, b"transfer-encoding") and _declared_length(scope) in (None, 0)


def _declared_length(scope: Scope) -> int | None:
    text = _header(scope, b"content-length")
    return int(text) if text.isdigit() else None
