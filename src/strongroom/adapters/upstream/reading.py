"""Reading what an upstream sends, with bounds on size, time and what it unpacks to.

Decides when a body is too large, too slow, cut or not what it says. Does not decide
what the bytes mean.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import monotonic

from aiohttp import ClientResponse

from strongroom.adapters.upstream import faults
from strongroom.adapters.upstream.network_faults import InWords
from strongroom.adapters.upstream.patience import within
from strongroom.core.errors import UpstreamFault

_CHUNK_BYTES = 256_000
"""As much as uvloop reads at once: with another bound aiohttp would cut its pieces, and put others together."""
_HIGHEST_RATIO = 100
"""Pages of digests pack some ten to one; deflate can pack a thousand to one."""
_MOST_MEMBERS = 64
_RATIO_COUNTS_FROM_BYTES = 1024 * 1024
_LOWEST_BYTES_A_SECOND = 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a body must keep to.

    It brings something every `silence_seconds`, keeps up its rate, measured over the window, and
    is no larger than the limit; None: however large.
    """

    silence_seconds: float
    window_seconds: float
    limit_bytes: int | None = None


def host_of(response: ClientResponse) -> str:
    """Return the host that answered."""
    return response.url.raw_host or ""


def etag_from(response: ClientResponse) -> str | None:
    """Return the ETag if it is one that can be sent back."""
    etag = response.headers.get("ETag", "")
    return etag if 2 < len(etag) <= 256 and etag.isascii() and etag.isprintable() else None


def coding_of(response: ClientResponse) -> str:
    """Return the Content-Encoding: `identity`, `gzip`, or what else the upstream says."""
    coding = ", ".join(response.headers.getall("Content-Encoding", ())).strip().lower()
    return {"": "identity", "x-gzip": "gzip"}.get(coding, coding)


async def raw_chunks(response: ClientResponse, bounds: Bounds) -> AsyncIterator[bytes]:
    """Yield the bytes as they are sent; raises `UpstreamFault` when they are cut, `UpstreamTimeout` below 1 KiB/s.

    Only the time that is spent waiting for the upstream counts. `UpstreamFault` too when they
    are more than the limit.
    """
    host, received_bytes = host_of(response), 0
    waited_seconds, waited_bytes = 0.0, 0
    while True:
        began = monotonic()
        try:
            with InWords(host):
                chunk = response.content.read_nowait(_CHUNK_BYTES)
                if not chunk and not response.content.at_eof():
                    async with within(bounds.silence_seconds):
                        chunk = await response.content.read(_CHUNK_BYTES)
        except UpstreamFault as fault:
            if fault.code == "upstream-cut" and response.content_length:
                raise faults.cut(host, received_bytes, announced_bytes=response.content_length) from None
            raise
        if not chunk:
            return
        received_bytes += len(chunk)
        waited_seconds += monotonic() - began
        waited_bytes += len(chunk)
        if bounds.limit_bytes is not None and received_bytes > bounds.limit_bytes:
            raise faults.too_large(host, bounds.limit_bytes)
        if waited_seconds >= bounds.window_seconds:
            if waited_bytes < _LOWEST_BYTES_A_SECOND * waited_seconds:
                raise faults.timed_out(host, "sends less than 1 KiB a second")
            waited_seconds, waited_bytes = 0.0, 0
        yield chunk


async def decoded_chunks(response: ClientResponse, bounds: Bounds) -> AsyncIterator[bytes]:
    """Yield a page's bytes, unpacked if they are packed; raises `UpstreamFault` over the limit, packed or not."""
    host, coding = host_of(response), coding_of(response)
    if coding not in ("identity", "gzip"):
        raise faults.malformed(host, f"sent the encoding '{coding[:40]}', which was not asked for")
    chunks = raw_chunks(response, bounds)
    async for chunk in _gunzip(chunks, host, limit_bytes=bounds.limit_bytes) if coding == "gzip" else chunks:
        yield chunk


async def read_page(response: ClientResponse, bounds: Bounds) -> bytes:
    """Return the whole page; raises `UpstreamFault` over the limit."""
    return b"".join([chunk async for chunk in decoded_chunks(response, bounds)])


async def read_plain(response: ClientResponse, bounds: Bounds) -> bytes:
    """Return the whole body, which must not be packed; raises `UpstreamFault` over the limit."""
    check_plain(response)
    if bounds.limit_bytes is not None and (response.content_length or 0) > bounds.limit_bytes:
        raise faults.too_large(host_of(response), bounds.limit_bytes)
    return b"".join([chunk async for chunk in raw_chunks(response, bounds)])


def check_plain(response: ClientResponse) -> None:
    """Raise `UpstreamFault` if the body is packed although it was asked for as it is.

    Some servers call a `.tar.gz` gzip-encoded, as if the tar were meant: its bytes are
    taken as they come (pip does the same), and their digest decides.
    """
    coding = coding_of(response)
    if coding == "identity" or (coding == "gzip" and response.url.raw_path.endswith((".gz", ".tgz"))):
        return
    raise faults.malformed(host_of(response), f"sent the encoding '{coding[:40]}', which was not asked for")


async def _gunzip(chunks: AsyncIterator[bytes], host: str, *, limit_bytes: int | None) -> AsyncIterator[bytes]:
    unpacker, members, packed_bytes, unpacked_bytes = zlib.decompressobj(31), 1, 0, 0
    async for chunk in chunks:
        packed_bytes += len(chunk)
        rest = chunk
        while rest:
            if unpacker.eof:  # RFC 1952: "A gzip file consists of a series of members"
                unpacker, members = zlib.decompressobj(31), members + 1
            unpacked = _unpack(unpacker, rest, host=host)
            rest = unpacker.unconsumed_tail or unpacker.unused_data
            unpacked_bytes += len(unpacked)
            if members > _MOST_MEMBERS or unpacked_bytes > max(_RATIO_COUNTS_FROM_BYTES, packed_bytes * _HIGHEST_RATIO):
                raise faults.malformed(host, f"sent data that unpacks to more than {_HIGHEST_RATIO} times its size")
            if limit_bytes is not None and unpacked_bytes > limit_bytes:
                raise faults.too_large(host, limit_bytes)
            yield unpacked
    if not unpacker.eof:
        raise faults.malformed(host, "sent packed data that ends too early")


def _unpack(unpacker: zlib._Decompress, packed: bytes, *, host: str) -> bytes:
    try:
        return unpacker.decompress(packed, _CHUNK_BYTES)
    except zlib.error:
        raise faults.malformed(host, "sent data that is not gzip although it says so") from None


class FileBody:
    """`ports.Body` of an answer that is being received."""

    def __init__(self, response: ClientResponse, bounds: Bounds, *, may_be_packed: bool = False) -> None:
        """Read this answer: unpacked if it may be packed, else as it is sent."""
        self._response = response
        self._bounds = bounds
        self._read = decoded_chunks if may_be_packed else raw_chunks

    @property
    def size_bytes(self) -> int | None:
        return self._response.content_length if coding_of(self._response) == "identity" else None

    @property
    def url(self) -> str:
        return str(self._response.url)

    @property
    def content_type(self) -> str:
        return self._response.headers.get("Content-Type", "")

    @property
    def etag(self) -> str | None:
        return etag_from(self._response)

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self._read(self._response, self._bounds):
            yield chunk
