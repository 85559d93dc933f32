"""The API, built when it is first asked.

FastAPI takes a third of a second to import, and a server that only installs packages
never needs it. Does not import it itself before that. The application may be built
ahead, in the background, once the server answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from strongroom.http.api.use_cases import UseCases
from strongroom.http.app import Guard

PATH = "/api/v1"
"""Where the application is mounted."""


class LateApi:
    """An ASGI application that builds the real one in a thread, once."""

    def __init__(self, build: Callable[[], ASGIApp]) -> None:
        self._build = build
        self._app: ASGIApp | None = None
        self._building = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        app = await self.prepare()
        await app(scope, receive, send)

    async def prepare(self) -> ASGIApp:
        """Return the real application, built if it was not yet."""
        async with self._building:
            if self._app is None:
                self._app = await asyncio.to_thread(self._build)
        return self._app


def late_api(services: UseCases, guard: Guard, *, prefix: str = "") -> LateApi:
    """Return the API; `prefix` is the path that a proxy puts in front of the server's own."""

    def build() -> ASGIApp:
        from strongroom.http.api.application import build_api

        return build_api(services, guard, server_url=prefix + PATH)

    return LateApi(build)
