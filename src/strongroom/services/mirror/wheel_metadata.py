"""METADATA out of a wheel, from ranges of it: asked of an upstream, or of the store.

Fetches what `core/archive/remote_metadata.py` wants next, within bounds. Does not decide
what METADATA is, nor whom to ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from strongroom.core.archive.remote_metadata import TAIL_BYTES, Piece, read_remote_metadata
from strongroom.core.errors import UpstreamFault
from strongroom.core.names import Filename
from strongroom.ports import Part

_MOST_PIECES = 5

ReadPart = Callable[[int, int], Awaitable[Part | None]]
"""Returns bytes from a start on (a negative one counts from the end); None where ranges cannot be had."""


async def read_by_ranges(filename: Filename, read: ReadPart) -> bytes | None:
    """Return METADATA, or None where ranges cannot be had or contradict each other.

    Raises `UpstreamFault` ("wheel-unreadable") for what is no readable wheel, and what `read` raises.
    """
    tail = await read(-TAIL_BYTES, TAIL_BYTES)
    if tail is None:
        return None
    total_bytes, parts = tail.total_bytes, [tail]
    for _ in range(_MOST_PIECES):
        pieces = [Piece(part.start, part.content) for part in parts]
        found = await asyncio.to_thread(read_remote_metadata, filename, pieces, total_bytes=total_bytes)
        if isinstance(found, bytes):
            return found
        part = await read(found.start, found.length)
        if part is None or (part.start, part.total_bytes) != (found.start, total_bytes):
            return None
        parts.append(part)
    raise UpstreamFault(
        "wheel-unreadable",
        f"METADATA of '{filename}' does not lie where its directory says",
        "Installers can still fetch the whole file, if they can read it.",
    )
