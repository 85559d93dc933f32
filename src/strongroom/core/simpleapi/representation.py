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

_LEVEL = 6
_QUICK_LEVEL = 1


@dataclass(frozen=True, slots=True)
class Representation:
    """Bytes that are ready to be sent. `etag` is quoted."""

    content_type: str
    coding: Coding
    body: bytes
    etag: str


def represent(content_type: str, body: bytes, *, coding: Coding, is_passing: bool = False) -> Representation:
    """Return the body in that coding; the same arguments give the same bytes and the same ETag.

    `is_passing`: it is made anew in a few minutes, so it is packed in a fifth of the time.
    """
    coded = encode(body, coding, level=_QUICK_LEVEL if is_passing else _LEVEL)
    # The type is in the hash because text/html and v1+html are two representations with equal bytes.
    digest = hashlib.sha256(f"{content_type}\n{coding}\n".encode() + coded).hexdigest()
    return Representation(content_type, coding, coded, f'"{digest[:40]}"')


def encode(body: bytes, coding: Coding, *, level: int = _LEVEL) -> bytes:
    """Return the body in that content coding."""
    match coding:
        case Coding.IDENTITY:
            return body
        case Coding.GZIP:
            return gzip.compress(body, level, mtime=0)
        case Coding.ZSTD:
            return zstd.compress(body, level)
