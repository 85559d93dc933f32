"""The layer around all others: counts each request, gives it a name, and logs it where that is wanted.

Runs for every request, so it adds about a microsecond: no label is made, no object but
one closure. The name (`X-Request-ID`) is taken from a proxy if it is sane, else made;
it is in the answer and in each log line about the request. Never looks at a query, a
body or credentials.
"""

from __future__ import annotations

import itertools
import logging
import re
import secrets
from collections.abc import Awaitable, Callable
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strongroom.http.log import REQUEST_KEY, describe_request
from strongroom.http.metrics_layout import (
    DOWNLOADS,
    FILE,
    KIND_KEY,
    UPLOAD,
    UPLOADED_BYTES,
    UPLOADS,
    bucket_cell,
    bytes_cell,
    kind_of,
    request_cell,
    seconds_cell,
)

_REQUEST_ID = b"x-request-id"
_SANE = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}").fullmatch
_WITH_BODY = frozenset({200, 206})
_GIVEN = frozenset({200, 302})
"""What a download is: the whole file from here, or the way to it."""

_log = logging.getLogger(__name__)


class Watched:
    """An ASGI application that counts what the one it wraps answers. One per worker process."""

    def __init__(
        self, app: ASGIApp, cells: memoryview[float], *, address: Callable[[Scope], object] | None = None
    ) -> None:
        """Count into the cells of a board; with `address`, log each request with its client's address."""
        self._app = app
        self._cells = cells
        self._address = address
        self._own_ids = map(f"{secrets.token_hex(5)}-%x".__mod__, itertools.count(1))

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the request on, and count it when its answer begins."""
        began = perf_counter()
        request_id = _find_id(scope) or next(self._own_ids)
        scope[REQUEST_KEY] = request_id

        def counted_send(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                self._count(scope, message, perf_counter() - began)
                message["headers"].append((_REQUEST_ID, request_id.encode()))
            return send(message)

        return self._app(scope, receive, counted_send)

    def _count(self, scope: Scope, start: Message, seconds: float) -> None:
        cells, status = self._cells, start["status"]
        kind = scope.get(KIND_KEY)
        if kind is None:
            kind = kind_of(scope["path"])
        cells[request_cell(kind, status)] += 1
        cells[bucket_cell(kind, seconds)] += 1
        cells[seconds_cell(kind)] += seconds
        if status in _WITH_BODY and scope["method"] != "HEAD":
            cells[bytes_cell(kind)] += _length(start["headers"])
        if kind == FILE and status in _GIVEN and scope["method"] == "GET":
            cells[DOWNLOADS] += 1
        elif kind == UPLOAD and status == 200 and scope["method"] == "POST":
            cells[UPLOADS] += 1
            cells[UPLOADED_BYTES] += _length(scope["headers"])
        if self._address is not None:
            self._log(scope, status, seconds=seconds)

    def _log(self, scope: Scope, status: int, *, seconds: float) -> None:
        assert self._address is not None
        told = {"client": str(self._address(scope) or ""), "status": status, "milliseconds": round(seconds * 1000, 3)}
        _log.info("answered", extra={"fields": {**describe_request(scope), **told}})


def _find_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == _REQUEST_ID:
            return value.decode() if _SANE(value) else None
    return None


def _length(headers: list[tuple[bytes, bytes]]) -> int:
    for name, value in headers:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0
