"""Which bytes of a file a request wants: single ranges (RFC 9110 section 14).

uv asks for `a-b`, poetry for the last `-N`, pip resumes with If-Range. Several ranges
and malformed ones get the whole file, as RFC 9110 allows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SINGLE_RANGE = re.compile(rb"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `start` to `stop`, `stop` not included."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
    """A well-formed range that the file has no byte of."""


def read_range(
    header: bytes | None, if_range: bytes | None, *, etag: bytes, size_bytes: int
) -> ByteRange | Unsatisfiable | None:
    """Return the part to send; None means the whole file."""
    if header is None or (if_range is not None and if_range.strip() != etag):
        # RFC 9110 13.1.5: another validator in If-Range means "send the whole".
        return None
    matched = _SINGLE_RANGE.fullmatch(header)
    if matched is None or matched[1] == matched[2] == b"":
        return None
    if not matched[1]:
        length = min(int(matched[2]), size_bytes)
        return ByteRange(size_bytes - length, size_bytes) if length else Unsatisfiable()
    start = int(matched[1])
    last = int(matched[2]) if matched[2] else size_bytes - 1
    if matched[2] and last < start:
        return None
    return ByteRange(start, min(last + 1, size_bytes)) if start < size_bytes else Unsatisfiable()
