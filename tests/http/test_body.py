"""How large a body may be and how slowly it may come, without a server to help."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace

import pytest
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strongroom.core.errors import StrongroomError
from strongroom.http.body import SMALL_BODY_BYTES, BodyDeadlines, BodyGuard, allow_body
from strongroom.http.entrance import Catching
from tests.http.counter import Sender

_HASTY = BodyDeadlines(bytes_per_second=1000, window_seconds=0.2, total_seconds=1.0, linger_seconds=0.3)
_KIB = b"x" * 1024


@dataclass(slots=True)
class Seen:
    """What the application and the client saw."""

    received: int = 0
    error: StrongroomError | None = None
    messages: list[Message] | None = None
    taken: int = 0
    seconds: float = 0.0

    @property
    def status(self) -> int:
        """The answer's status; 0 without an answer."""
        return int(self.messages[0]["status"]) if self.messages else 0

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The answer's headers."""
        return dict(self.messages[0]["headers"]) if self.messages else {}


Reading = Callable[[Request, Seen], Coroutine[None, None, None]]


async def read_all(request: Request, seen: Seen) -> None:
    """Read the whole body, as a handler does."""
    async for chunk in request.stream():
        seen.received += len(chunk)


async def read_nothing(request: Request, seen: Seen) -> None:
    """Answer at once."""


async def read_a_lot(request: Request, seen: Seen) -> None:
    """Allow more than usual, then read."""
    allow_body(request, 3 * SMALL_BODY_BYTES)
    await read_all(request, seen)


def exchange(
    pieces: Sequence[bytes | float | None],
    *,
    reading: Reading = read_all,
    deadlines: BodyDeadlines = _HASTY,
    method: str = "POST",
    **headers: str,
) -> Seen:
    """Send the pieces (a number is a pause, None the end of the connection) to a guarded application."""
    seen = Seen(messages=[])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await reading(Request(scope, receive), seen)
        except StrongroomError as error:
            seen.error = error
            raise
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    async def send(message: Message) -> None:
        assert seen.messages is not None
        seen.messages.append(message)

    async def run() -> None:
        sender = Sender(list(pieces))
        guarded: ASGIApp = BodyGuard(Catching(app), deadlines)
        told = headers if "content_length" in headers else {"transfer_encoding": "chunked", **headers}
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in told.items()]
        scope = {"type": "http", "http_version": "1.1", "method": method, "path": "/", "headers": raw}
        began = time.monotonic()
        await guarded(scope, sender.receive, send)
        seen.seconds = time.monotonic() - began
        seen.taken = sender.taken

    asyncio.run(run())
    return seen


def test_an_ordinary_body_passes_untouched() -> None:
    """All bytes, one answer, no header added."""
    seen = exchange([_KIB] * 10)
    assert (seen.status, seen.received) == (200, 10 * 1024)
    assert seen.headers == {}
    assert [message["type"] for message in seen.messages or []] == ["http.response.start", "http.response.body"]


def test_a_slow_but_steady_body_passes() -> None:
    """The minimum rate is an average over a window, and a good window starts the next one."""
    seen = exchange([piece for _ in range(8) for piece in (_KIB, 0.08)] + [b"end"])
    assert (seen.status, seen.received) == (200, 8 * 1024 + 3)


@pytest.mark.parametrize(
    "pieces",
    [
        [_KIB, 60.0, b"late"],
        [60.0, b"late"],
        [piece for _ in range(50) for piece in (b"x", 0.02)],
    ],
    ids=["stalled", "never begun", "trickling"],
)
def test_a_stalled_or_trickling_body_ends_with_408(pieces: Sequence[bytes | float | None]) -> None:
    """After one window, with a sentence; nothing more is waited for, and the connection closes."""
    seen = exchange(pieces)
    assert seen.status == 408
    assert seen.error is not None
    assert seen.error.code == "too-slow"
    assert seen.headers[b"connection"] == b"close"
    assert seen.seconds < 1.0


def test_a_body_has_an_end_however_steadily_it_comes() -> None:
    """The cap on the whole holds for a body that keeps the minimum rate."""
    seen = exchange([piece for _ in range(100) for piece in (_KIB, 0.03)])
    assert seen.status == 408
    assert seen.error is not None
    assert "not complete" in seen.error.message
    assert 0.9 < seen.seconds < 10.0


def test_only_waiting_for_the_client_counts() -> None:
    """A server that takes its time with each piece does not blame the client."""

    async def read_slowly(request: Request, seen: Seen) -> None:
        async for chunk in request.stream():
            seen.received += len(chunk)
            await asyncio.sleep(0.15)

    seen = exchange([b"x"] * 8, reading=read_slowly)
    assert (seen.status, seen.received) == (200, 8)


def test_a_declared_length_beyond_the_limit_is_refused_unread() -> None:
    """413 before a byte is taken; a client that waits for "100 Continue" sends none at all."""
    seen = exchange([_KIB], content_length=str(SMALL_BODY_BYTES + 1), expect="100-continue")
    assert (seen.status, seen.received, seen.taken) == (413, 0, 0)


def test_an_undeclared_length_is_counted() -> None:
    """A chunked body ends at the limit, whatever follows."""
    piece = b"x" * (SMALL_BODY_BYTES // 4)
    assert exchange([piece] * 4).status == 200
    seen = exchange([piece] * 6)
    assert (seen.status, seen.received) == (413, SMALL_BODY_BYTES)


def test_a_handler_may_allow_more() -> None:
    """The usual limit is small; an upload says what it takes."""
    piece = b"x" * SMALL_BODY_BYTES
    assert exchange([piece] * 3, reading=read_a_lot).status == 200
    assert exchange([piece] * 4, reading=read_a_lot).status == 413


def test_an_early_answer_goes_out_before_the_rest_is_read() -> None:
    """A client that only listens when it has sent everything gets its answer, and the connection closes."""
    seen = exchange([_KIB] * 50, reading=read_nothing)
    assert (seen.status, seen.taken) == (200, 50)
    assert seen.headers == {b"connection": b"close"}
    bodies = [message for message in seen.messages or [] if message["type"] == "http.response.body"]
    assert [(message["body"], message["more_body"]) for message in bodies] == [(b"done", True), (b"", False)]


def test_an_early_answer_may_come_in_parts() -> None:
    """Only its last part waits for the rest of the body."""
    sent: list[tuple[str, bool]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})

    async def send(message: Message) -> None:
        sent.append((message["type"], message.get("more_body", False)))

    headers = [(b"content-length", b"2048")]
    scope = {"type": "http", "http_version": "2", "method": "POST", "path": "/", "headers": headers}
    asyncio.run(BodyGuard(app, _HASTY)(scope, Sender([_KIB, _KIB]).receive, send))
    body = "http.response.body"
    assert sent == [("http.response.start", False), (body, True), (body, True), (body, False)]


def test_lingering_ends() -> None:
    """Nobody is read for longer than it takes a well-meaning client to notice."""
    endless: list[bytes | float | None] = [piece for _ in range(1000) for piece in (_KIB, 0.01)]
    seen = exchange(endless, reading=read_nothing, deadlines=replace(_HASTY, total_seconds=60.0))
    assert seen.status == 200
    assert 0.2 < seen.seconds < 1.0
    assert seen.taken < 200


def test_nobody_answers_a_client_that_has_gone() -> None:
    """The end of the connection ends the request without an answer and without an error."""
    seen = exchange([_KIB, None])
    assert seen.messages == []
    assert seen.error is None


def test_a_post_without_a_body_keeps_its_connection() -> None:
    """An answer to it is never early, though nobody read the body that is not there."""
    seen = exchange([b""], reading=read_nothing, content_length="0")
    assert (seen.status, seen.taken, seen.headers) == (200, 0, {})


def test_a_request_without_a_body_is_not_guarded() -> None:
    """GET goes through as it is: the hot path pays nothing."""
    seen = exchange([b"ignored"], reading=read_nothing, method="GET")
    assert (seen.status, seen.taken, seen.headers) == (200, 0, {})


def test_500_slow_clients_do_not_delay_a_good_one() -> None:
    """Each waits on its own; all end with 408, the good one in the meantime with 200."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async for _ in Request(scope, receive).stream():
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def one(guarded: ASGIApp, pieces: list[bytes | float | None]) -> tuple[int, float]:
        statuses: list[int] = []

        async def send(message: Message) -> None:
            statuses.extend([message["status"]] if "status" in message else [])

        headers = [(b"transfer-encoding", b"chunked")]
        scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": "/", "headers": headers}
        began = time.monotonic()
        await guarded(scope, Sender(pieces).receive, send)
        return statuses[0], time.monotonic() - began

    async def run() -> None:
        guarded = BodyGuard(Catching(app), replace(_HASTY, window_seconds=2.0, total_seconds=60.0))
        slow = [asyncio.create_task(one(guarded, [b"x", 60.0])) for _ in range(500)]
        await asyncio.sleep(0.2)
        status, seconds = await one(guarded, [_KIB] * 100)
        assert (status, seconds < 5) == (200, True)
        assert {status for status, _ in await asyncio.gather(*slow)} == {408}

    asyncio.run(run())
