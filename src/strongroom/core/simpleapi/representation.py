"""A page as it is sent: a type, a coding, the exact bytes, and a strong ETag of them.

uv sends `If-None-Match` for strong validators only, so each coding has its own.
Does not choose the form (`negotiate.py`) and does not know what the bytes say.
"""

from __future__ import annotations

import gzip
import hashlib
import sys
from dataclasses import dataclass

from strongroom.core.simpleapi.negotiate import Coding

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_GZIP_LEVEL = 6
_ZSTD_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Representation:
    """Bytes that are ready to be sent. `etag` is quoted."""

    content_type: str
    coding: Coding
    body: bytes
    etag: str


def represent(content_type: str, body: bytes, *, coding: Coding) -> Representation:
    """Return the body in that coding; the same arguments give the same bytes and the same ETag."""
    coded = encode(body, coding)
    # The type is in the hash because text/html and v1+html are two representations with equal bytes.
    digest = hashlib.sha256(f"{content_type}\n{coding}\n".encode() + coded).hexdigest()
    return Representation(content_type, coding, coded, f'"{digest[:40]}"')


def encode(body: bytes, coding: Coding) -> bytes:
    """Return the body in that content coding."""
    match coding:
        case Coding.IDENTITY:
            return body
        case Coding.GZIP:
            return gzip.compress(body, _GZIP_LEVEL, mtime=0)
        case Coding.ZSTD:
            return zstd.compress(body, _ZSTD_LEVEL)
