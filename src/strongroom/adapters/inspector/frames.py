"""What the server and its inspecting child say to each other, and how it is framed.

A frame is its length in four bytes and a MessagePack value. Decides the shapes only;
who reads and writes is in `process.py` and `child.py`.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

import msgspec

from strongroom.core.archive import Inspected
from strongroom.core.model import PackageType
from strongroom.core.policy import Refuse

LENGTH = struct.Struct(">I")
LONGEST_FRAME_BYTES = 64 << 20


class Job(msgspec.Struct, frozen=True):
    """A file to inspect, and how much processor time it may take."""

    path: str
    filename: str
    cpu_seconds: int


class Passed(msgspec.Struct, frozen=True, tag=True):
    """The gate lets the file through."""

    metadata: bytes
    package_type: str
    python_tag: str


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The file breaks a rule."""

    code: str
    reason: str
    hint: str


class Unreadable(msgspec.Struct, frozen=True, tag=True):
    """The file could not be read from the disk: the store's fault, not the file's."""

    reason: str


Answer = Passed | Refused | Unreadable

_encode = msgspec.msgpack.Encoder().encode
decode_job = msgspec.msgpack.Decoder(Job).decode
_ANSWERS: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Passed | Refused | Unreadable)
decode_answer = _ANSWERS.decode


def encode_frame(message: Job | Answer) -> bytes:
    """Return the message with its length in front."""
    body = _encode(message)
    return LENGTH.pack(len(body)) + body


def read_frame(stream: BinaryIO) -> bytes | None:
    """Return the next frame's body; None if the other side has closed the pipe."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    body = stream.read(LENGTH.unpack(head)[0])
    return body if len(body) == LENGTH.unpack(head)[0] else None


def to_answer(outcome: Inspected | Refuse) -> Answer:
    """Return the gate's outcome as a message."""
    if isinstance(outcome, Refuse):
        return Refused(outcome.code, outcome.reason, outcome.hint)
    return Passed(outcome.metadata, outcome.package_type.value, outcome.python_tag)


def from_answer(answer: Passed | Refused) -> Inspected | Refuse:
    """Return the message as the gate's outcome."""
    if isinstance(answer, Refused):
        return Refuse(answer.code, answer.reason, answer.hint)
    return Inspected(answer.metadata, PackageType(answer.package_type), answer.python_tag)
