"""How messages are framed between the server and its children: their length in four bytes, then their bytes.

Does not know what they say.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

LENGTH = struct.Struct(">I")
LONGEST_FRAME_BYTES = 64 << 20


def frame(body: bytes) -> bytes:
    """Return the message with its length in front."""
    return LENGTH.pack(len(body)) + body


def read_frame(stream: BinaryIO) -> bytes | None:
    """Return the next frame's body; None if the other side has closed the pipe."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    body = stream.read(LENGTH.unpack(head)[0])
    return body if len(body) == LENGTH.unpack(head)[0] else None
