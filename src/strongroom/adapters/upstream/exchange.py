"""One question to an upstream and its answer: connections, redirects, credentials, time, and faults in words.

Follows redirects by hand, so that each hop is judged before it is asked. Takes proxies
from the environment, but never netrc: the only credentials are the upstream's own.
Keeps no cookies. Loaded late: aiohttp takes half a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from strongroom.adapters.upstream import faults
from strongroom.adapters.upstream.connector import guarded_connector, proxied_connector
from strongroom.adapters.upstream.guard import AddressGuard
from strongroom.adapters.upstream.hops import MOST_REDIRECTS, REDIRECTS, credentials_for, parse_url, redirected
from strongroom.adapters.upstream.network_faults import InWords
from strongroom.adapters.upstream.patience import within
from strongroom.ports import Origin

_SHORT_BYTES, _READ_OUT_SECONDS = 4096, 0.2
_PAUSE_SECONDS = 0.2
_TRIES = 2
_LONGEST_LINE = 32 * 1024
_BUFFER_BYTES = 256 * 1024
"""Above twice as much reading pauses: with aiohttp's 64 KiB it would after each piece of a quick upstream."""
_MOST_PLACES = 1000
"""Upstreams and the hosts of their files are few; what is asked of the environment for each takes long."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for: a URL, further headers, and whether it is a file, which has connections of its own."""

    origin: Origin
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    is_file: bool = False

    @property
    def host(self) -> str:
        """Return the name of the upstream, for messages."""
        return _host_of(self.origin.url)


class Exchange:
    """Connections to upstreams, and the one way to use them."""

    def __init__(
        self, guard: AddressGuard, *, seconds: float, resolver: aiohttp.abc.AbstractResolver | None = None
    ) -> None:
        """Ask within this time; connections are made when they are first needed."""
        self._guard = guard
        self._seconds = seconds
        self._resolver = resolver
        self._sessions: dict[tuple[bool, bool], aiohttp.ClientSession] = {}
        self._check_host = lru_cache(_MOST_PLACES)(guard.check_host)  # what it refuses is not remembered
        self._find_proxy = lru_cache(_MOST_PLACES)(_find_proxy)

    @asynccontextmanager
    async def ask(self, question: Question) -> AsyncIterator[aiohttp.ClientResponse]:
        """Give the answer, whatever its status, with its body still to be read.

        The head must come within the time, redirects and the second try included. A broken
        connection or a 503 is tried once more. Raises `UpstreamFault` and `UpstreamTimeout`.
        """
        try:
            async with within(self._seconds):
                with InWords(question.host):
                    response = await self._find_answer(question)
        except TimeoutError:
            raise faults.timed_out(question.host, f"did not answer within {self._seconds:g} seconds") from None
        try:
            yield response
            if response.status == 404 and 0 < (response.content_length or 0) <= _SHORT_BYTES:
                await _read_out(response)
        finally:
            response.release()  # closes the connection if there is more of the body to come

    async def close(self) -> None:
        """Close all connections."""
        sessions = [*self._sessions.values()]
        self._sessions.clear()
        for session in sessions:
            await session.close()

    async def _find_answer(self, question: Question) -> aiohttp.ClientResponse:
        for rest in reversed(range(_TRIES)):
            try:
                response = await self._follow(question)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                if not rest or isinstance(error, aiohttp.ClientConnectorError):
                    raise
            else:
                if response.status != 503 or not rest:
                    return response
                response.release()
            await asyncio.sleep(_PAUSE_SECONDS)
        raise AssertionError("the last try returns or raises")

    async def _follow(self, question: Question) -> aiohttp.ClientResponse:
        url = parse_url(question.url, host=question.host)
        for _ in range(MOST_REDIRECTS + 1):
            response = await self._send(question, url)
            if response.status not in REDIRECTS:
                return response
            response.release()
            url = redirected(url, response.headers.get("Location"))
        raise faults.malformed(question.host, f"redirected more than {MOST_REDIRECTS} times")

    async def _send(self, question: Question, url: URL) -> aiohttp.ClientResponse:
        self._check_host(url.raw_host or "")
        proxy = self._find_proxy(url.scheme, f"{url.raw_host}:{url.port}")
        session = self._session(is_file=question.is_file, is_proxied=proxy is not None)
        headers = {**question.headers, **credentials_for(question.origin, url)}
        return await session.get(url, headers=headers, proxy=proxy, allow_redirects=False)

    def _session(self, *, is_file: bool, is_proxied: bool) -> aiohttp.ClientSession:
        """Return the session; files have their own, so that long ones never keep a page waiting."""
        key = (is_file, is_proxied)
        if key not in self._sessions:
            connector = proxied_connector() if is_proxied else guarded_connector(self._guard, self._resolver)
            self._sessions[key] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
                read_bufsize=_BUFFER_BYTES,
                max_line_size=_LONGEST_LINE,
                max_field_size=_LONGEST_LINE,
                headers={"User-Agent": "strongroom"},
            )
        return self._sessions[key]


async def _read_out(response: aiohttp.ClientResponse) -> None:
    """Read the few words of a "not found" that may still be on their way, so that the connection can be used again."""
    with suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(_READ_OUT_SECONDS):
            await response.read()


@lru_cache(_MOST_PLACES)
def _host_of(url: str) -> str:
    return parse_url(url, host="").raw_host or ""


def _find_proxy(scheme: str, authority: str) -> str | None:
    """Return the proxy that the environment names for the place (`https_proxy`, `no_proxy` ...)."""
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or proxy_bypass(authority):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
