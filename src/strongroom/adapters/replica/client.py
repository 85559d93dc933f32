"""`ports.Primary` over HTTP: another Strongroom's change feed and blobs, with a token.

Follows no redirect: the token is for the server that the operator named. Takes only what is
signed with the shared key, in answer to this question. Does not check what the pages say;
that is done in `core/replica.py`. Proxies of the environment are used, netrc is not, and
certificates as this machine trusts them (`SSL_CERT_FILE`).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from strongroom.core.errors import Conflict, Forbidden, NotFound, StrongroomError, Unavailable
from strongroom.core.names import Sha256
from strongroom.core.replica import NONCE_HEADER, PRIMARY_SILENT, SIGNATURE_HEADER, Page, check_signature, decode_page

_PATH = "/api/v1"
_CONNECT_SECONDS = 5.0
_SILENT_SECONDS = 30.0
_LARGEST_PAGE_BYTES = 256 * 2**20
_CHUNK_BYTES = 256 * 1024


class HttpPrimary:
    """The server at the URL; connections are opened when something is asked."""

    def __init__(self, url: str, token: str, *, key: bytes, silent_seconds: float = _SILENT_SECONDS) -> None:
        """Ask with the token; pages are signed with the key."""
        self._url = url.rstrip("/")
        self._key = key
        self._headers = {"Authorization": f"Bearer {token}", "User-Agent": "strongroom-replica"}
        self._silent_seconds = silent_seconds
        self._opened: aiohttp.ClientSession | None = None

    async def get_page(self, since: int, *, limit: int) -> Page:
        """Return the changes after that serial."""
        nonce = secrets.token_hex(16)
        async with self._ask(f"/changes?since={since}&limit={limit}", nonce=nonce) as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                body += chunk
                if len(body) > _LARGEST_PAGE_BYTES:
                    raise _odd(self._url, "sent more than one page of changes can hold")
        check_signature(self._key, bytes(body), nonce=nonce, signature=response.headers.get(SIGNATURE_HEADER))
        return decode_page(bytes(body))

    async def read_blob(self, sha256: Sha256, *, size_bytes: int | None) -> AsyncIterator[bytes]:
        """Yield the bytes; raises `NotFound` when the primary has none of that digest and size."""
        query = "" if size_bytes is None else f"?size_bytes={size_bytes}"
        async with self._ask(f"/blobs/sha256/{sha256}{query}") as response:
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                yield chunk

    async def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    @asynccontextmanager
    async def _ask(self, path: str, *, nonce: str = "") -> AsyncIterator[aiohttp.ClientResponse]:
        url = URL(self._url + _PATH + path)
        headers = {NONCE_HEADER: nonce} if nonce else {}
        asked = self._session().get(url, headers=headers, proxy=_find_proxy(url), allow_redirects=False)
        has_spoken = False
        try:
            async with asked as response:
                has_spoken = True
                if response.status != 200:
                    raise await _refused(self._url, response)
                yield response
        except aiohttp.ClientSSLError:
            raise Unavailable(
                "primary-certificate",
                f"The primary {self._url} shows a certificate that this machine does not trust",
                "Name the file of its authority in the variable SSL_CERT_FILE.",
            ) from None
        except (aiohttp.ClientError, TimeoutError) as error:
            if has_spoken or isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientProxyConnectionError):
                raise _failing(self._url, "gave no whole answer: it, or a proxy on the way, broke off") from None
            raise _silent(self._url, error) from None

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=self._silent_seconds)
            self._opened = aiohttp.ClientSession(
                headers=self._headers, cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout
            )
        return self._opened


async def _refused(url: str, response: aiohttp.ClientResponse) -> StrongroomError:
    """Return what the status means; the body is the primary's own words and stays there."""
    if response.status in (401, 403):
        return Forbidden(
            "replica-token",
            f"The primary {url} does not accept the token ({response.status})",
            "Make one there with `strongroom token create --user ADMIN --right administer`, "
            "and give it to `strongroom replicate --from URL --token T`.",
        )
    if response.status == 404 and "/blobs/" in str(response.url):
        return NotFound("blob-unknown", "The primary has no such bytes")
    if response.status >= 500:
        return _failing(url, f"answers {response.status}")
    return _odd(url, f"answers {response.status}")


def _find_proxy(url: URL) -> str | None:
    """Return the proxy that the environment names for the URL; netrc, which names users, is not asked."""
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(f"{url.raw_host}:{url.port}"):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _failing(url: str, what: str) -> Unavailable:
    return Unavailable("primary-failing", f"The primary {url} {what}", "Look into its log.")


def _odd(url: str, what: str) -> Conflict:
    return Conflict(
        "primary-odd",
        f"The server {url} {what}: it has no change feed",
        "Write the URL of a Strongroom that is as new as this one.",
    )


def _silent(url: str, error: Exception) -> Unavailable:
    match error:
        case TimeoutError():
            why = "it says nothing"
        case aiohttp.ClientConnectorError(os_error=cause):
            why = os.strerror(cause.errno).lower() if cause.errno else "no address"
        case _:
            why = "the connection broke"
    return Unavailable(
        PRIMARY_SILENT,
        f"The primary {url} cannot be reached: {why}",
        "What is here is served meanwhile. If it is gone for good: `strongroom replicate --promote`.",
    )
