"""Files and their METADATA on the wire: permanent URLs, ranges, immutable caching.

The smallest files are kept in memory, small ones read at once in the event loop (a
thread hop costs more than the read), large ones leave through the server's `pathsend`
where it has one, those in a bucket by a link to it (`links.py`), everything else is
streamed. An archive is never content-encoded: pip hashes the raw bytes. Does not judge
who may read.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

import msgspec
from starlette.types import Scope

from strongroom.core.errors import StorageFault, StrongroomError
from strongroom.core.mirrored import Copy, Offered
from strongroom.core.model import Downloads, File
from strongroom.core.names import Filename, Sha256
from strongroom.core.os_faults import TOO_MANY_OPEN, too_many_files
from strongroom.core.simpleapi.negotiate import Coding
from strongroom.core.simpleapi.representation import represent
from strongroom.http.answers import (
    IMMUTABLE,
    REVALIDATE,
    Answer,
    is_unmodified,
    make_answer,
    strip_for_304,
)
from strongroom.http.arriving import send_arriving
from strongroom.http.cache import WAYS, Cache, Moment, Shelf
from strongroom.http.errors import PROBLEM_JSON, Headers
from strongroom.http.exchange import Exchange
from strongroom.http.flights import Flights
from strongroom.http.links import LINK_SECONDS, goes_to_bucket, link_headers
from strongroom.http.paths import FilePath
from strongroom.http.ranges import ByteRange, Unsatisfiable, read_range
from strongroom.services.download import Download, Elsewhere, FoundFile

INLINE_LIMIT_BYTES = 256 * 1024
CODED_AT_ONCE_BYTES = 16 * 1024
"""Up to this size METADATA is compressed in the event loop: it takes less than handing it to a thread."""
REMEMBERED_LIMIT_BYTES = 64 * 1024
"""Up to this size a file's bytes are kept: three system calls, each giving up the interpreter's lock, cost more."""
_OCTETS = "application/octet-stream"
_URL_CHARACTERS = "%/:=&?~#+!$,;'@()*[]"
_PATHSEND = "http.response.pathsend"
_FILE_BYTES = 2048
_FACTS = "facts"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What is needed to send a file: its shelf and digest, its size, where it lies, the headers of its 200.

    `passing` is how to get it again, if it is an upstream's and its bytes are gone.
    """

    shelf: Shelf
    filename: Filename
    sha256: Sha256
    size_bytes: int
    path: str | None
    etag: bytes
    headers: Headers
    headers_304: Headers
    passing: PassingFile | None = None


@dataclass(frozen=True, slots=True)
class PassingFile:
    """A file of an upstream whose bytes are not here yet, and the cache's generation when it was judged."""

    path: FilePath
    found: FoundFile
    generation: int

    @property
    def etag(self) -> bytes:
        """Return the ETag that it will have once it is stored."""
        return f'"{self.found.file.sha256}"'.encode()


class Files:
    """Finds files and sends them. One per worker process."""

    def __init__(self, download: Download, cache: Cache) -> None:
        self._download = download
        self._cache = cache
        self._loads: Flights[StoredFile | PassingFile] = Flights()

    def find(self, path: FilePath) -> StoredFile | None:
        """Return the file if it was asked for since its project changed."""
        found = self._cache.find((path.target.index, path.target.project), path.filename)
        return found if isinstance(found, StoredFile) else None

    async def get(self, path: FilePath) -> StoredFile | PassingFile:
        """Return the file; raises `NotFound`, `Forbidden` in quarantine and for what a rule hides, `UpstreamFault`."""
        found = self.find(path)
        if found is not None:
            return found
        return await self._loads.join((path.target, path.filename, self._cache.generation), lambda: self._load(path))

    async def get_metadata(self, path: FilePath, coding: Coding) -> Answer:
        """Return the file's METADATA, byte for byte; raises `NotFound` where it is not advertised, and like `get`."""
        shelf: Shelf = (path.target.index, path.target.project)
        key = (path.filename, coding)
        kept = self._cache.find(shelf, key)
        if isinstance(kept, Answer):
            return kept
        generation = self._cache.generation
        found = await self._find_facts(path)
        with self._doubting_facts(path):
            content = await self._download.get_metadata(found)
        code = partial(represent, _OCTETS, content, coding=coding, is_passing=found.valid_until is not None)
        representation = code() if len(content) <= CODED_AT_ONCE_BYTES else await asyncio.to_thread(code)
        answer = make_answer(representation, cache_control=IMMUTABLE, vary=b"Accept-Encoding, Authorization", extra=[])
        moment = Moment(generation, found.valid_until)
        self._cache.store(shelf, key, value=answer, size_bytes=answer.size_bytes, moment=moment)
        return answer

    async def send_passing(self, exchange: Exchange, passing: PassingFile) -> None:
        """Send an upstream's file while it arrives, or say where it is; raises `UpstreamFault`, `StorageFault`."""
        file = passing.found.file
        if is_unmodified(exchange.headers.get(b"if-none-match"), passing.etag):
            await exchange.respond(304, headers=strip_for_304(_file_headers(file, file.size_bytes)))
            return
        if exchange.is_head and file.size_bytes is not None:
            await exchange.respond(200, headers=_file_headers(file, file.size_bytes))
            return
        with self._doubting_facts(passing.path):
            await self._send_opened(exchange, passing)

    async def _send_opened(self, exchange: Exchange, passing: PassingFile) -> None:
        file = passing.found.file
        match await self._download.open_bytes(passing.found):
            case Elsewhere(url):
                await exchange.respond(302, headers=_elsewhere_headers(url))
            case Copy() as copy:
                await self._send_stored(exchange, self._keep(passing, copy))
            case arriving if exchange.is_head:
                await exchange.respond(200, headers=_file_headers(file, arriving.size_bytes))
            case arriving if b"range" in exchange.headers or arriving.size_bytes is None:
                # Without a length nobody could tell a cut body from a whole one.
                copy = await arriving.stored()
                await self._send_stored(exchange, self._keep(passing, copy))
            case arriving:
                await send_arriving(exchange, arriving, headers=_file_headers(file, arriving.size_bytes))

    async def send(self, exchange: Exchange, stored: StoredFile) -> None:
        """Send the file, the part of it that was asked for, or 304; raises `StorageFault`.

        An upstream's file whose bytes are gone meanwhile, given up for others perhaps, is fetched again.
        """
        try:
            await self._send_stored(exchange, stored)
        except StorageFault as fault:
            if stored.passing is None or exchange.has_begun:
                raise
            fields = {"filename": stored.filename, "sha256": stored.sha256, "code": fault.code}
            _log.info("the bytes of a copy are gone, and are fetched again", extra={"fields": fields})
            await self.send_passing(exchange, stored.passing)

    async def _send_stored(self, exchange: Exchange, stored: StoredFile) -> None:
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
            size_bytes=stored.size_bytes,
        )
        if isinstance(part, Unsatisfiable):
            await _refuse_range(exchange, stored)
            return
        link = None if stored.path is not None else await self._find_link(exchange, stored, part=part)
        if link is not None:
            await exchange.respond(302, headers=link_headers(link))
        elif part is None:
            await self._send_all(exchange, stored)
        else:
            await self._send_part(exchange, stored, part=part)

    async def _find_link(self, exchange: Exchange, stored: StoredFile, *, part: ByteRange | None) -> str | None:
        """Return where in the bucket the client gets it, if that is how the index gives out such a file."""
        index = self._cache.indexes.get(stored.shelf[0])
        downloads = Downloads.STREAM if index is None else index.downloads
        length_bytes = stored.size_bytes if part is None else part.stop - part.start
        if not goes_to_bucket(downloads, length_bytes=length_bytes, headers=exchange.headers):
            return None
        return await self._download.link(stored.sha256, seconds=LINK_SECONDS)

    async def _load(self, path: FilePath) -> StoredFile | PassingFile:
        generation = self._cache.generation
        found = await self._find_facts(path)
        if isinstance(found.file, File):
            return self._shelve(path, found, size_bytes=found.file.size_bytes, generation=generation)
        passing = PassingFile(path, found, generation)
        copy = await self._download.find_stored(found)
        return passing if copy is None else self._keep(passing, copy)

    async def _find_facts(self, path: FilePath) -> FoundFile:
        """Return what is known of the file: an installer reads METADATA first, and then wants the file itself."""
        place = _facts_of(path)
        kept = self._cache.find(*place)
        if isinstance(kept, FoundFile):
            return kept
        generation = self._cache.generation
        ways = self._cache.find(place[0], WAYS)
        found = await self._download.get_file(path.target, path.filename, ways=ways if isinstance(ways, tuple) else ())
        moment = Moment(generation, found.valid_until)
        self._cache.store(*place, value=found, size_bytes=_FILE_BYTES, moment=moment)
        return found

    @contextmanager
    def _doubting_facts(self, path: FilePath) -> Iterator[None]:
        """Forget what is known of the file where that leads to nothing: its upstream may tell another tale by now."""
        try:
            yield
        except StrongroomError:
            self._cache.forget(*_facts_of(path))
            raise

    def _keep(self, passing: PassingFile, copy: Copy) -> StoredFile:
        """Make it a stored file; one that was judged before a change is not kept, however long its bytes took."""
        return self._shelve(passing.path, passing.found, size_bytes=copy.size_bytes, generation=passing.generation)

    def _shelve(self, path: FilePath, found: FoundFile, *, size_bytes: int, generation: int) -> StoredFile:
        file, shelf = found.file, (path.target.index, path.target.project)
        local = self._download.find_path(file.sha256)
        headers = _file_headers(file, size_bytes)
        stored = StoredFile(
            shelf=shelf,
            filename=file.filename,
            sha256=file.sha256,
            size_bytes=size_bytes,
            path=None if local is None else str(local),
            etag=f'"{file.sha256}"'.encode(),
            headers=headers,
            headers_304=strip_for_304(headers),
            passing=None if isinstance(file, File) else PassingFile(path, found, generation),
        )
        moment = Moment(generation, found.valid_until)
        self._cache.store(shelf, path.filename, value=stored, size_bytes=_FILE_BYTES, moment=moment)
        return stored

    async def _send_all(self, exchange: Exchange, stored: StoredFile) -> None:
        size_bytes = stored.size_bytes
        if stored.path is None or size_bytes <= INLINE_LIMIT_BYTES or not _can_send_paths(exchange.scope):
            await self._send_part(exchange, stored, part=None)
            return
        _check_size(stored, stored.path)
        await exchange.start(200, headers=stored.headers)
        await exchange.send({"type": _PATHSEND, "path": stored.path})

    async def _send_part(self, exchange: Exchange, stored: StoredFile, *, part: ByteRange | None) -> None:
        status, headers = (200, stored.headers) if part is None else (206, _partial_headers(stored, part))
        part = part or ByteRange(0, stored.size_bytes)
        if stored.path is not None and part.stop - part.start <= INLINE_LIMIT_BYTES:
            content = self._read(stored, stored.path, part=part)
            await exchange.respond(status, headers=headers, body=content)
            return
        if stored.path is not None:
            _check_size(stored, stored.path)
        # The first chunk is fetched before the start, so that a missing blob can still be answered with an error.
        chunks = self._download.stream(stored.sha256, start=part.start, stop=part.stop)
        first = await anext(chunks, b"")
        await exchange.start(status, headers=headers)
        await exchange.send({"type": "http.response.body", "body": first, "more_body": True})
        async for chunk in chunks:
            await exchange.send({"type": "http.response.body", "body": chunk, "more_body": True})
        await exchange.send({"type": "http.response.body", "body": b""})

    def _read(self, stored: StoredFile, path: str, *, part: ByteRange) -> bytes:
        if stored.size_bytes > REMEMBERED_LIMIT_BYTES:
            return _read_inline(stored, path, part=part)
        key = (stored.filename, stored.sha256)
        content = self._cache.find(stored.shelf, key)
        if not isinstance(content, bytes):
            content = _read_inline(stored, path, part=ByteRange(0, stored.size_bytes))
            size_bytes, moment = stored.size_bytes + _FILE_BYTES, Moment(self._cache.generation)
            self._cache.store(stored.shelf, key, value=content, size_bytes=size_bytes, moment=moment)
        return content[part.start : part.stop]


def _file_headers(file: Offered, size_bytes: int | None) -> Headers:
    headers = [
        (b"content-type", _OCTETS.encode()),
        (b"etag", f'"{file.sha256}"'.encode()),
        (b"accept-ranges", b"bytes"),
        (b"cache-control", IMMUTABLE),
        (b"content-disposition", f"attachment; filename={file.filename}".encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    return headers if size_bytes is None else [*headers, (b"content-length", str(size_bytes).encode())]


def _elsewhere_headers(url: str) -> Headers:
    return [
        (b"location", quote(url, safe=_URL_CHARACTERS).encode()),
        (b"content-length", b"0"),
        (b"cache-control", REVALIDATE),
        (b"x-content-type-options", b"nosniff"),
    ]


def _partial_headers(stored: StoredFile, part: ByteRange) -> Headers:
    length = str(part.stop - part.start).encode()
    headers = [(name, length if name == b"content-length" else value) for name, value in stored.headers]
    content_range = f"bytes {part.start}-{part.stop - 1}/{stored.size_bytes}"
    return [*headers, (b"content-range", content_range.encode())]


def _can_send_paths(scope: Scope) -> bool:
    return _PATHSEND in (scope.get("extensions") or {})


async def _refuse_range(exchange: Exchange, stored: StoredFile) -> None:
    size_bytes = stored.size_bytes
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


def _facts_of(path: FilePath) -> tuple[Shelf, Hashable]:
    return (path.target.index, path.target.project), (path.filename, _FACTS)


def _read_inline(stored: StoredFile, path: str, *, part: ByteRange) -> bytes:
    length = part.stop - part.start
    # At the end of the file one byte more is asked for: a blob that has grown is damaged too.
    beyond = 1 if part.stop == stored.size_bytes else 0
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            content = os.pread(descriptor, length + beyond, part.start)
        finally:
            os.close(descriptor)
    except OSError as fault:
        if fault.errno in TOO_MANY_OPEN:  # the bytes are there, and must not be fetched again
            raise too_many_files("Reading the file") from fault
        raise _damaged(stored) from fault
    if len(content) != length:
        raise _damaged(stored)
    return content


def _check_size(stored: StoredFile, path: str) -> None:
    try:
        size_bytes = os.stat(path).st_size  # noqa: PTH116 - the path is kept as text for speed
    except OSError as fault:
        raise _damaged(stored) from fault
    if size_bytes != stored.size_bytes:
        raise _damaged(stored)


def _damaged(stored: StoredFile) -> StorageFault:
    return StorageFault(
        "blob-damaged", f"The bytes of {stored.filename} ({stored.sha256}) are missing or have another size"
    )
