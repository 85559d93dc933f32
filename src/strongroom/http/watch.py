"""The layer around all others: counts each request, gives it a name, and logs it where that is wanted.

Runs for every request, so it adds two microseconds and no more: no label is made, no
object but one closure. The name (`X-Request-ID`) is taken from a trusted proxy if it is sane, else
made; it is in the answer and in each log line about the request. Never looks at a query, a
body or credentials.
"""

from __future__ import annotations

import logging
import re
import secrets
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strongroom.http.log import REQUEST_KEY, describe_request
from strongroom.http.metrics_layout import (
    BUCKETS,
    BUCKETS_SECONDS,
    DOWNLOADED_BYTES,
    DOWNLOADS,
    FILE,
    KIND_KEY,
    OTHER_STATUS,
    SECONDS,
    STATUS_CELL,
    UPLOAD,
    UPLOADED_BYTES,
    UPLOADS,
    WIDTH,
    kind_of,
)

_REQUEST_ID = b"x-request-id"
_SANE = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}").fullmatch
_MOVING = frozenset({FILE, UPLOAD})
_GIVEN = frozenset({200, 302})
"""What a download is: the whole file from here, or the way to it."""

_log = logging.getLogger(__name__)


class Watched:
    """An ASGI application that counts what the one it wraps answers. One per worker process."""

    def __init__(
        self,
        app: ASGIApp,
        cells: list[float],
        *,
        address: Callable[[Scope], object] | None = None,
        is_from_proxy: Callable[[Scope], bool] = lambda _scope: False,
    ) -> None:
        """Count into the cells of a board; with `address`, log each request with its client's address."""
        self._app = app
        self._cells = cells
        self._address = address
        self._is_from_proxy = is_from_proxy
        self._prefix = secrets.token_hex(5).encode()
        self._number = 0

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the request on, and count it when its answer begins."""
        began = perf_counter()
        self._number += 1
        request_id = b"%b-%x" % (self._prefix, self._number)
        for name, value in scope["headers"]:
            if name == _REQUEST_ID and _SANE(value) and self._is_from_proxy(scope):
                request_id = value
        scope[REQUEST_KEY] = request_id

        def counted_send(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                seconds = perf_counter() - began
                status, headers = message["status"], message["headers"]
                kind = scope[KIND_KEY] if KIND_KEY in scope else kind_of(scope["path"])
                cells, cell = self._cells, kind * WIDTH
                cells[cell + STATUS_CELL.get(status, OTHER_STATUS)] += 1
                cells[cell + BUCKETS + bisect_left(BUCKETS_SECONDS, seconds)] += 1
                cells[cell + SECONDS] += seconds
                if kind in _MOVING or self._address is not None:
                    self._count_more(kind, scope, start=message, seconds=seconds)
                headers.append((_REQUEST_ID, request_id))
            return send(message)

        return self._app(scope, receive, counted_send)

    def _count_more(self, kind: int, scope: Scope, *, start: Message, seconds: float) -> None:
        cells, status = self._cells, start["status"]
        if kind == FILE and status in _GIVEN and scope["method"] == "GET":
            cells[DOWNLOADS] += 1
            cells[DOWNLOADED_BYTES] += _length(start["headers"])
        elif kind == UPLOAD and status == 200 and scope["method"] == "POST":
            cells[UPLOADS] += 1
            cells[UPLOADED_BYTES] += _length(scope["headers"])
        if self._address is not None:
            self._log(scope, status, seconds=seconds)

    def _log(self, scope: Scope, status: int, *, seconds: float) -> None:
        assert self._address is not None
        told = {"client": str(self._address(scope) or ""), "status": status, "milliseconds": round(seconds * 1000, 3)}
        _log.info("answered", extra={"fields": {**describe_request(scope), **told}})


def _length(headers: list[tuple[bytes, bytes]]) -> int:
    for name, value in headers:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0
