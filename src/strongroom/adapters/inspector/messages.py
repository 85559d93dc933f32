"""What the server and its inspecting child say to each other: MessagePack values.

Decides the shapes only; who reads and writes is in `process.py` and `child.py`.
"""

from __future__ import annotations

import msgspec

from strongroom.core.archive import Inspected
from strongroom.core.model import PackageType
from strongroom.core.policy import Refuse


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

encode = msgspec.msgpack.Encoder().encode
decode_job = msgspec.msgpack.Decoder(Job).decode
_ANSWERS: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Passed | Refused | Unreadable)
decode_answer = _ANSWERS.decode


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
