"""Files and their METADATA on the wire: permanent URLs, ranges, immutable caching.

The smallest files are kept in memory, small ones read at once in the event loop (a
thread hop costs more than the read), large ones leave through the server's `pathsend`
where it has one, everything else is streamed. An archive is never content-encoded: pip
hashes the raw bytes. Does not judge who may read.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass

import msgspec
from starlette.types import Scope

from strongroom.core.errors import StorageFault
from strongroom.core.model import File
from strongroom.core.simpleapi.negotiate import Coding
from strongroom.core.simpleapi.representation import represent
from strongroom.http.answers import (
    IMMUTABLE,
    Answer,
    is_unmodified,
    make_answer,
    strip_for_304,
)
from strongroom.http.cache import Cache, Shelf
from strongroom.http.errors import PROBLEM_JSON, Headers
from strongroom.http.exchange import Exchange
from strongroom.http.flights import Flights
from strongroom.http.paths import FilePath
from strongroom.http.ranges import ByteRange, Unsatisfiable, read_range
from strongroom.services.download import Download

INLINE_LIMIT_BYTES = 256 * 1024
REMEMBERED_LIMIT_BYTES = 64 * 1024
"""Up to this size a file's bytes are kept: three system calls, each giving up the interpreter's lock, cost more."""
_OCTETS = "application/octet-stream"
_PATHSEND = "http.response.pathsend"
_FILE_BYTES = 2048


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What is needed to send a file: its facts, where it lies, the headers of its 200."""

    file: File
    path: str | None
    etag: bytes
    headers: Headers
    headers_304: Headers


class Files:
    """Finds files and sends them. One per worker process."""

    def __init__(self, download: Download, cache: Cache) -> None:
        self._download = download
        self._cache = cache
        self._loads: Flights[StoredFile] = Flights()

    def find(self, path: FilePath) -> StoredFile | None:
        """Return the file if it was asked for since its project changed."""
        found = self._cache.find((path.target.index, path.target.project), path.filename)
        return found if isinstance(found, StoredFile) else None

    async def get(self, path: FilePath) -> StoredFile:
        """Return the file; raises `NotFound`, or `Forbidden` in quarantine."""
        found = self.find(path)
        if found is not None:
            return found
        return await self._loads.join((path.target, path.filename, self._cache.generation), lambda: self._load(path))

    async def get_metadata(self, path: FilePath, coding: Coding) -> Answer:
        """Return the file's METADATA, byte for byte; raises `NotFound` where it is not advertised."""
        shelf: Shelf = (path.target.index, path.target.project)
        key = (path.filename, coding)
        found = self._cache.find(shelf, key)
        if isinstance(found, Answer):
            return found
        generation = self._cache.generation
        stored = await self.get(path)
        content = await self._download.get_metadata(stored.file)
        representation = await asyncio.to_thread(represent, _OCTETS, content, coding=coding)
        answer = make_answer(representation, cache_control=IMMUTABLE, vary=b"Accept-Encoding, Authorization", extra=[])
        self._cache.store(shelf, key, value=answer, size_bytes=answer.size_bytes, generation=generation)
        return answer

    async def send(self, exchange: Exchange, stored: StoredFile) -> None:
        """Send the file, the part of it that was asked for, or 304; raises `StorageFault`."""
        if is_unmodified(exchange.headers.get(b"if-none-match"), stored.etag):
            await exchange.respond(304, headers=stored.headers_304)
            return
        if exchange.is_head:
            # RFC 9110 14.2: Range is defined for GET only.
            await exchange.respond(200, headers=stored.headers)
            return
        part = read_range(
            exchange.headers.get(b"range"),
            exchange.headers.get(b"if-range"),
            etag=stored.etag,
            size_bytes=stored.file.size_bytes,
        )
        match part:
            case None:
                await self._send_all(exchange, stored)
            case ByteRange():
                await self._send_part(exchange, stored, part=part)
            case Unsatisfiable():
                await _refuse_range(exchange, stored)

    async def _load(self, path: FilePath) -> StoredFile:
        generation = self._cache.generation
        file = await self._download.get_file(path.target, path.filename)
        local = self._download.find_path(file)
        headers = _file_headers(file)
        stored = StoredFile(
            file=file,
            path=None if local is None else str(local),
            etag=f'"{file.sha256}"'.encode(),
            headers=headers,
            headers_304=strip_for_304(headers),
        )
        shelf: Shelf = (file.index, file.project)
        self._cache.store(shelf, path.filename, value=stored, size_bytes=_FILE_BYTES, generation=generation)
        return stored

    async def _send_all(self, exchange: Exchange, stored: StoredFile) -> None:
        size_bytes = stored.file.size_bytes
        if stored.path is None or size_bytes <= INLINE_LIMIT_BYTES or not _can_send_paths(exchange.scope):
            await self._send_part(exchange, stored, part=None)
            return
        _check_size(stored, stored.path)
        await exchange.start(200, headers=stored.headers)
        await exchange.send({"type": _PATHSEND, "path": stored.path})

    async def _send_part(self, exchange: Exchange, stored: StoredFile, *, part: ByteRange | None) -> None:
        status, headers = (200, stored.headers) if part is None else (206, _partial_headers(stored, part))
        part = part or ByteRange(0, stored.file.size_bytes)
        if stored.path is not None and part.stop - part.start <= INLINE_LIMIT_BYTES:
            content = self._read(stored, stored.path, part=part)
            await exchange.respond(status, headers=headers, body=content)
            return
        if stored.path is not None:
            _check_size(stored, stored.path)
        # The first chunk is fetched before the start, so that a missing blob can still be answered with an error.
        chunks = self._download.stream(stored.file, start=part.start, stop=part.stop)
        first = await anext(chunks, b"")
        await exchange.start(status, headers=headers)
        await exchange.send({"type": "http.response.body", "body": first, "more_body": True})
        async for chunk in chunks:
            await exchange.send({"type": "http.response.body", "body": chunk, "more_body": True})
        await exchange.send({"type": "http.response.body", "body": b""})

    def _read(self, stored: StoredFile, path: str, *, part: ByteRange) -> bytes:
        file = stored.file
        if file.size_bytes > REMEMBERED_LIMIT_BYTES:
            return _read_inline(stored, path, part=part)
        shelf, key = (file.index, file.project), (file.filename, file.sha256)
        content = self._cache.find(shelf, key)
        if not isinstance(content, bytes):
            content = _read_inline(stored, path, part=ByteRange(0, file.size_bytes))
            size_bytes = file.size_bytes + _FILE_BYTES
            self._cache.store(shelf, key, value=content, size_bytes=size_bytes, generation=self._cache.generation)
        return content[part.start : part.stop]


def _file_headers(file: File) -> Headers:
    return [
        (b"content-type", _OCTETS.encode()),
        (b"content-length", str(file.size_bytes).encode()),
        (b"etag", f'"{file.sha256}"'.encode()),
        (b"accept-ranges", b"bytes"),
        (b"cache-control", IMMUTABLE),
        (b"content-disposition", f"attachment; filename={file.filename}".encode()),
        (b"x-content-type-options", b"nosniff"),
    ]


def _partial_headers(stored: StoredFile, part: ByteRange) -> Headers:
    length = str(part.stop - part.start).encode()
    headers = [(name, length if name == b"content-length" else value) for name, value in stored.headers]
    content_range = f"bytes {part.start}-{part.stop - 1}/{stored.file.size_bytes}"
    return [*headers, (b"content-range", content_range.encode())]


def _can_send_paths(scope: Scope) -> bool:
    return _PATHSEND in (scope.get("extensions") or {})


async def _refuse_range(exchange: Exchange, stored: StoredFile) -> None:
    size_bytes = stored.file.size_bytes
    body = msgspec.json.encode(
        {
            "title": "Range Not Satisfiable",
            "status": 416,
            "detail": f"The file has {size_bytes} bytes, and the range begins behind them.",
            "code": "range",
        }
    )
    headers: Headers = [
        (b"content-type", PROBLEM_JSON),
        (b"content-length", str(len(body)).encode()),
        (b"content-range", f"bytes */{size_bytes}".encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await exchange.respond(416, headers=headers, body=body)


def _read_inline(stored: StoredFile, path: str, *, part: ByteRange) -> bytes:
    length = part.stop - part.start
    # At the end of the file one byte more is asked for: a blob that has grown is damaged too.
    beyond = 1 if part.stop == stored.file.size_bytes else 0
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            content = os.pread(descriptor, length + beyond, part.start)
        finally:
            os.close(descriptor)
    except OSError as fault:
        raise _damaged(stored) from fault
    if len(content) != length:
        raise _damaged(stored)
    return content


def _check_size(stored: StoredFile, path: str) -> None:
    try:
        size_bytes = os.stat(path).st_size  # noqa: PTH116 - the path is kept as text for speed
    except OSError as fault:
        raise _damaged(stored) from fault
    if size_bytes != stored.file.size_bytes:
        raise _damaged(stored)


def _damaged(stored: StoredFile) -> StorageFault:
    return StorageFault(
        "blob-damaged", f"The bytes of {stored.file.filename} ({stored.file.sha256}) are missing or have another size"
    )
