"""An answer that is ready to be sent, and whether the client has it already.

Decides on conditional requests (RFC 9110 section 13). Does not load or render what
it sends.
"""

from __future__ import annotations

from dataclasses import dataclass

from strongroom.core.simpleapi.negotiate import Coding
from strongroom.core.simpleapi.representation import Representation
from strongroom.http.errors import Headers

# pip >= 26.2 obeys max-age on pages, and then would not see what was just published.
REVALIDATE = b"private, no-cache"
IMMUTABLE = b"private, max-age=365000000, immutable"
"""PyPI's value for files, which uv's documentation recommends; private because reading needs a right."""
_NOT_MODIFIED_DROPS = (b"content-length", b"content-type", b"content-encoding", b"content-disposition")
_ANSWER_OVERHEAD_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """Status 200 with these headers and bytes, or 304 with the headers that belong to it."""

    etag: bytes
    headers: Headers
    headers_304: Headers
    body: bytes

    @property
    def size_bytes(self) -> int:
        """Return about how much memory it takes."""
        return len(self.body) + _ANSWER_OVERHEAD_BYTES


def make_answer(representation: Representation, *, cache_control: bytes, vary: bytes, extra: Headers) -> Answer:
    """Return the answer that carries the representation."""
    etag = representation.etag.encode()
    headers: Headers = [
        (b"content-type", representation.content_type.encode()),
        (b"content-length", str(len(representation.body)).encode()),
        (b"etag", etag),
        (b"cache-control", cache_control),
        (b"vary", vary),
        (b"x-content-type-options", b"nosniff"),
        *extra,
    ]
    if representation.coding is not Coding.IDENTITY:
        headers.append((b"content-encoding", representation.coding.value.encode()))
    return Answer(etag, headers, strip_for_304(headers), representation.body)


def strip_for_304(headers: Headers) -> Headers:
    """Return the headers that a 304 repeats (RFC 9110 15.4.5)."""
    return [header for header in headers if header[0] not in _NOT_MODIFIED_DROPS]


def is_unmodified(if_none_match: bytes | None, etag: bytes) -> bool:
    """Return whether the client named this very ETag, in a list or by `*`.

    RFC 9110 13.1.2: "A recipient MUST use the weak comparison function", so an ETag
    that a proxy weakened still saves the transfer.
    """
    if if_none_match is None:
        return False
    if if_none_match == etag:
        return True
    tags = [tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b",")]
    return etag in tags or tags == [b"*"]
