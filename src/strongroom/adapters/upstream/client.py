"""`ports.UpstreamClient` over the network: which headers are sent, and what each status means.

How connections are made and bounded is said in `exchange.py` and `connector.py`, how
bodies are read in `reading.py`. This module loads aiohttp, which takes half a second:
`late.py` stands before it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import ClientResponse
from aiohttp.abc import AbstractResolver

from strongroom.adapters.upstream import faults
from strongroom.adapters.upstream.exchange import Exchange, Question
from strongroom.adapters.upstream.guard import AddressGuard, Network
from strongroom.adapters.upstream.reading import (
    Bounds,
    FileBody,
    check_plain,
    etag_from,
    host_of,
    read_page,
    read_plain,
)
from strongroom.core.names import ProjectName
from strongroom.ports import Body, Missing, Origin, PageBody, Part, Unchanged

PAGE_LIMIT_BYTES = 64 * 1024 * 1024
LIST_LIMIT_BYTES = 512 * 1024 * 1024
WHOLE_PAGE_SECONDS = 60.0
WINDOWS = 3
"""A body's rate is measured over so many times the patience."""
ACCEPT_PAGE = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
"""PEP 691, "Version + Format Selection": the order is the client's wish, JSON first."""
_PAGE_HEADERS = {"Accept": ACCEPT_PAGE, "Accept-Encoding": "gzip"}
_PLAIN_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity"}
_PAGE_TYPES = (
    "application/vnd.pypi.simple.", "application/json", "text/html", "application/xhtml+xml",
)  # fmt: skip
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", re.ASCII)
_ABSENT = (404, 410)


class AiohttpClient:
    """`ports.UpstreamClient` with aiohttp."""

    def __init__(
        self, *, networks: tuple[Network, ...] = (), seconds: float = 10, resolver: AbstractResolver | None = None
    ) -> None:
        """Connect to public addresses and these networks only; wait so long for an answer, and for more of it."""
        self._seconds = seconds
        self._exchange = Exchange(AddressGuard(networks), seconds=seconds, resolver=resolver)

    async def get_page(
        self, origin: Origin, project: ProjectName, *, etag: str | None
    ) -> PageBody | Unchanged | Missing:
        """Fetch a project's page, JSON preferred, whole within a minute."""
        async with _within(origin), self._ask_page(origin, f"{origin.url}{project}/", etag=etag) as answer:
            if isinstance(answer, Unchanged | Missing):
                return answer
            content = await read_page(answer, self._bounds(PAGE_LIMIT_BYTES))
            return PageBody(content, answer.headers.get("Content-Type", ""), str(answer.url), etag_from(answer))

    @asynccontextmanager
    async def open_list(self, origin: Origin, *, etag: str | None) -> AsyncIterator[Body | Unchanged | Missing]:
        """Open the project list."""
        async with self._ask_page(origin, origin.url, etag=etag) as answer:
            if isinstance(answer, Unchanged | Missing):
                yield answer
            else:
                yield FileBody(answer, self._bounds(LIST_LIMIT_BYTES), may_be_packed=True)

    @asynccontextmanager
    async def open_file(self, origin: Origin, url: str) -> AsyncIterator[Body | Missing]:
        """Open a file, as it is sent."""
        async with self._exchange.ask(Question(origin, url, _PLAIN_HEADERS, is_file=True)) as response:
            if response.status in _ABSENT:
                yield Missing()
                return
            _check_file(response)
            yield FileBody(response, self._bounds(None))

    async def get_small(self, origin: Origin, url: str, *, limit_bytes: int) -> bytes | Missing:
        """Fetch something small whole, as it is sent."""
        async with _within(origin), self._exchange.ask(Question(origin, url, _PLAIN_HEADERS)) as response:
            if response.status in _ABSENT:
                return Missing()
            _check_file(response)
            return await read_plain(response, self._bounds(limit_bytes))

    async def get_part(self, origin: Origin, url: str, *, start: int, length: int) -> Part | None:
        """Fetch a byte range (RFC 9110, 14); None where it cannot be had: no ranges, no file, nothing at its start."""
        wanted = f"bytes={start}" if start < 0 else f"bytes={start}-{start + length - 1}"
        headers = {**_PLAIN_HEADERS, "Range": wanted}
        async with _within(origin), self._exchange.ask(Question(origin, url, headers)) as response:
            if response.status in (200, 416, *_ABSENT):
                return None
            if response.status != 206:
                raise faults.answered(host_of(response), response.status)
            limit_bytes = -start if start < 0 else length
            content = await read_plain(response, self._bounds(limit_bytes))
            return _check_part(response, content, start=start, length=length)

    async def close(self) -> None:
        """Close all connections."""
        await self._exchange.close()

    def _bounds(self, limit_bytes: int | None) -> Bounds:
        return Bounds(self._seconds, WINDOWS * self._seconds, limit_bytes)

    @asynccontextmanager
    async def _ask_page(
        self, origin: Origin, url: str, *, etag: str | None
    ) -> AsyncIterator[ClientResponse | Unchanged | Missing]:
        condition = {} if etag is None else {"If-None-Match": etag}
        async with self._exchange.ask(Question(origin, url, {**_PAGE_HEADERS, **condition})) as response:
            if response.status in _ABSENT:
                yield Missing()
            elif response.status == 304 and etag is not None:
                yield Unchanged()
            else:
                _check_page(response)
                yield response


@asynccontextmanager
async def _within(origin: Origin) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(WHOLE_PAGE_SECONDS):
            yield
    except TimeoutError:
        host = Question(origin, origin.url).host
        raise faults.timed_out(host, f"did not send all within {WHOLE_PAGE_SECONDS:g} seconds") from None


def _check_page(response: ClientResponse) -> None:
    if response.status != 200:
        raise faults.answered(host_of(response), response.status)
    kind = response.headers.get("Content-Type", "").strip().lower()
    if not kind.startswith(_PAGE_TYPES):
        raise faults.malformed(host_of(response), f"sent '{kind[:60]}' where a page was expected")


def _check_file(response: ClientResponse) -> None:
    if response.status != 200:
        raise faults.answered(host_of(response), response.status)
    if response.headers.get("Content-Type", "").strip().lower().startswith("text/html"):
        raise faults.malformed(host_of(response), "sent HTML where a file was expected")
    check_plain(response)


def _check_part(response: ClientResponse, content: bytes, *, start: int, length: int) -> Part:
    """RFC 9110, 14.4: "Content-Range ... indicates the partial range enclosed"; it must be the one asked for."""
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if match is None:
        raise faults.malformed(host_of(response), "sent a part of a file without saying which")
    first, last, total = (int(number) for number in match.groups())
    expected_first = max(total + start, 0) if start < 0 else start
    expected_last = min(total, expected_first + (-start if start < 0 else length)) - 1
    if (first, last, len(content)) != (expected_first, expected_last, last - first + 1):
        raise faults.malformed(host_of(response), "sent another part of a file than the one asked for")
    return Part(content[:length], first, total)
