"""What the server and the child that reads upstreams' pages say to each other: MessagePack values."""

from __future__ import annotations

from datetime import datetime

import msgspec


class PageJob(msgspec.Struct, frozen=True):
    """A page as it came, of which project in which index, and when."""

    content: bytes
    content_type: str
    url: str
    etag: str | None
    index: str
    project: str
    now: datetime


class PageRead(msgspec.Struct, frozen=True, tag=True):
    """What stands on the page, as `core/page_content.py` packs it."""

    content: bytes


class PageRefused(msgspec.Struct, frozen=True, tag=True):
    """It is no project page."""

    code: str
    message: str
    hint: str


class PageFailed(msgspec.Struct, frozen=True, tag=True):
    """Reading it failed, by a fault of ours."""

    trace: str


PageAnswer = PageRead | PageRefused | PageFailed

encode = msgspec.msgpack.Encoder().encode
decode_job = msgspec.msgpack.Decoder(PageJob).decode
_ANSWERS: msgspec.msgpack.Decoder[PageAnswer] = msgspec.msgpack.Decoder(PageRead | PageRefused | PageFailed)
decode_answer = _ANSWERS.decode
