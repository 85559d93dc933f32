"""The outermost layers: life cycle, path prefix, and the last word on errors.

Whatever goes wrong inside, the client gets a problem+json answer and the log gets one
line; a traceback never leaves the server. Does not route; `body.py` sets the
deadlines for bodies, the server those for headers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strongroom.core.errors import StorageFault, StrongroomError
from strongroom.http.errors import render_error
from strongroom.http.log import describe_request, log_fault, request_id

_log = logging.getLogger(__name__)

Opener = Callable[[], AbstractAsyncContextManager[ASGIApp]]


class Entrance:
    """The ASGI application that the server runs: opens the inner one at start, closes it at stop."""

    def __init__(self, opener: Opener, *, prefix: str) -> None:
        self._opener = opener
        self._prefix = prefix
        self._inner: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event (ASGI 3)."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and self._inner is not None:
            await self._inner(self._strip_prefix(scope) if self._prefix else scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as stack:
            await receive()
            try:
                self._inner = await stack.enter_async_context(self._opener())
            except StrongroomError as fault:
                await send({"type": "lifespan.startup.failed", "message": fault.sentence})
                return
            except Exception as fault:
                # An exception that leaves here makes granian go on without a life cycle: a worker that answers nothing.
                _log.exception("the worker cannot start")
                await send({"type": "lifespan.startup.failed", "message": f"an unexpected fault: {fault!r}"})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        self._inner = None
        await send({"type": "lifespan.shutdown.complete"})

    def _strip_prefix(self, scope: Scope) -> Scope:
        path: str = scope["path"]
        if path == self._prefix or path.startswith(self._prefix + "/"):
            path = path[len(self._prefix) :] or "/"
        return {**scope, "path": path, "raw_path": path.encode(), "root_path": ""}


class Catching:
    """An ASGI application that turns the exceptions of the one it wraps into answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer with a problem if it fails before it has answered."""
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
            return
        except ClientDisconnect:
            raise
        except StrongroomError as fault:
            error = fault
            log_fault(error, scope)
        except Exception:
            error = StorageFault("server-fault", "An unexpected fault")
            _log.exception("request failed", extra={"fields": describe_request(scope)})
        if not started:
            status, headers, body = render_error(error, request_id(scope))
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
