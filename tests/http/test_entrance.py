"""The life cycle of a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strongroom.core.errors import Unavailable
from strongroom.http.entrance import Entrance

Opener = Callable[[], AbstractAsyncContextManager[ASGIApp]]


async def live(opener: Opener) -> list[Message]:
    """Run a whole life of the application and return what it told the server."""
    told: list[Message] = []
    arriving = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Message:
        return next(arriving)

    async def send(message: Message) -> None:
        told.append(message)

    await Entrance(opener, prefix="")({"type": "lifespan"}, receive, send)
    return told


def failing(error: Exception) -> Opener:
    """Return an opener that fails."""

    @asynccontextmanager
    async def opener() -> AsyncIterator[ASGIApp]:
        if error:
            raise error
        yield Entrance(opener, prefix="")

    return opener


def test_a_worker_starts_and_stops() -> None:
    """The stores are open from the start-up event to the shut-down event."""
    seen: list[str] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        """Answer nothing."""

    @asynccontextmanager
    async def opener() -> AsyncIterator[ASGIApp]:
        seen.append("opened")
        yield application
        seen.append("closed")

    told = asyncio.run(live(opener))

    assert [message["type"] for message in told] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert seen == ["opened", "closed"]


@pytest.mark.parametrize(
    ("error", "words"),
    [(Unavailable("database", "The database is away", "Wait."), "The database is away"), (ImportError("odd"), "odd")],
)
def test_a_worker_that_cannot_start_says_so(error: Exception, words: str) -> None:
    """Whatever fails at the start, expected or not, the server is told, so that it keeps no worker that is mute."""
    told = asyncio.run(live(failing(error)))

    assert [message["type"] for message in told] == ["lifespan.startup.failed"]
    assert words in told[0]["message"]
