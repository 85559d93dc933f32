"""Reads a multipart/form-data body as it comes: the file to a sink, the rest to fields.

Nothing is kept in memory but the fields that an upload is checked by; the parts may
come in any order. Does not know what the fields mean (`upload_fields.py`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from strongroom.core.errors import InvalidRequest, TooLarge

MOST_PARTS = 1000
"""Classifiers and requirements are a part each, and real projects have hundreds."""
MOST_PART_HEADERS = 16
LONGEST_PART_HEADER_BYTES = 8 * 1024
LONGEST_FIELD_BYTES = 1024 * 1024
LONGEST_IGNORED_BYTES = 16 * 1024 * 1024
"""A description may be long; it is not kept, since the archive holds it too."""
LONGEST_BOUNDARY = 200
"""RFC 2046 allows 70 characters."""

FILE_FIELD = "content"


class Sink(Protocol):
    """Where the file's bytes go."""

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes of the file."""
        ...


@dataclass(slots=True)
class Form:
    """What the body said besides the file."""

    fields: dict[str, str] = field(default_factory=dict)
    filename: str | None = None


async def read_form(
    chunks: AsyncIterator[bytes],
    content_type: str,
    *,
    keep: frozenset[str],
    sink: Sink,
    spare: frozenset[str] = frozenset(),
) -> Form:
    """Read the whole body; the part `content` goes to the sink, the fields in `keep` into the form.

    A field in `spare` never fails the form: one that is too long, or said again, is left out.
    Raises `InvalidRequest` for a malformed body, `TooLarge` for a part over its limit.
    """
    parser = PushMultipartParser(
        _boundary(content_type),
        max_header_size=LONGEST_PART_HEADER_BYTES,
        max_header_count=MOST_PART_HEADERS,
        max_segment_count=MOST_PARTS,
    )
    reader = _Reader(keep, sink, spare=spare)
    try:
        async for chunk in chunks:
            if chunk and not parser.closed:
                for event in parser.parse(chunk):
                    await reader.take(event)
        parser.close()
    except ParserLimitReached as fault:
        raise InvalidRequest(
            "multipart-limit", f"The form is beyond a limit: {fault}", "Send a smaller form."
        ) from None
    except MultipartError as fault:
        raise InvalidRequest(
            "multipart", f"The body is not a whole multipart/form-data body: {fault}", "Send the upload again."
        ) from None
    return reader.form


class _Reader:
    """Sorts the parser's events into file, kept fields and the rest."""

    def __init__(self, keep: frozenset[str], sink: Sink, *, spare: frozenset[str]) -> None:
        self.form = Form()
        self._keep = keep
        self._spare = spare
        self._sink = sink
        self._name = ""
        self._text = bytearray()
        self._ignored_bytes = 0

    async def take(self, event: MultipartSegment | bytes | None) -> None:
        """Take a part's beginning, a piece of it, or (None) its end."""
        match event:
            case None:
                self._end()
            case bytes() | bytearray():
                await self._continue(event)
            case _:
                self._begin(event)

    def _begin(self, segment: MultipartSegment) -> None:
        self._name = str(segment.name)
        self._text.clear()
        self._ignored_bytes = 0
        if self._name != FILE_FIELD:
            return
        if self.form.filename is not None:
            raise InvalidRequest("two-files", "The form holds two files", "Upload one file in each request.")
        if not segment.filename:
            raise InvalidRequest(
                "no-filename", "The part 'content' has no filename", "Send the distribution as a file part."
            )
        self.form.filename = str(segment.filename)

    async def _continue(self, piece: bytes | bytearray) -> None:
        if self._name == FILE_FIELD:
            await self._sink.write(bytes(piece))
        elif self._is_kept() and not self._is_left_out(len(piece)):
            self._text += piece
            self._limit(len(self._text), LONGEST_FIELD_BYTES)
        else:
            self._ignored_bytes += len(piece)
            self._limit(self._ignored_bytes, LONGEST_IGNORED_BYTES)

    def _is_kept(self) -> bool:
        return self._name in self._keep and self._ignored_bytes == 0

    def _is_left_out(self, more_bytes: int) -> bool:
        """Return whether this is the moment from which the field is ignored, being too long and dispensable."""
        return self._name in self._spare and len(self._text) + more_bytes > LONGEST_FIELD_BYTES

    def _end(self) -> None:
        if not self._is_kept() or (self._name in self._spare and self._name in self.form.fields):
            return
        text = self._text.decode("utf-8", "replace").replace("\x00", "")
        earlier = self.form.fields.setdefault(self._name, text)
        if earlier != text:
            raise InvalidRequest(
                "field-twice", f"The form says '{self._name}' twice, with different values", "Say it once."
            )

    def _limit(self, size_bytes: int, limit_bytes: int) -> None:
        if size_bytes > limit_bytes:
            raise TooLarge(
                "field-too-large", f"A field of the form is larger than {limit_bytes} bytes", "Send a shorter one."
            )


def _boundary(content_type: str) -> str:
    media_type, options = parse_options_header(content_type)
    boundary = options.get("boundary", "")
    if media_type != "multipart/form-data" or not boundary:
        raise InvalidRequest(
            "not-multipart",
            "An upload is a multipart/form-data body with a boundary",
            "Use twine, uv publish or another uploader; with curl, --form content=@FILE.",
        )
    if len(boundary) > LONGEST_BOUNDARY:
        raise InvalidRequest(
            "multipart-limit",
            f"The multipart boundary is longer than {LONGEST_BOUNDARY} characters",
            "Use a shorter one.",
        )
    return str(boundary)
