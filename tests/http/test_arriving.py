"""A file on its way, on the wire: in which messages it leaves, and who lets go of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from starlette.types import Message

from strongroom.core.errors import UpstreamFault
from strongroom.http.arriving import send_arriving
from strongroom.http.exchange import Exchange
from tests.factories import a_copy
from tests.fake_mirror import FakeArriving

HEADERS = [(b"content-length", b"6")]


def arriving(*pieces: bytes, fault: UpstreamFault | None = None) -> FakeArriving:
    """Make a file of six bytes that comes in these pieces."""
    file = FakeArriving([*pieces], 6, replace(a_copy(), size_bytes=6), fault)
    file.released.set()
    return file


def sent(file: FakeArriving, *, breaks_at: int | None = None) -> list[Message]:
    """Send the file, to a client that goes away with the message of that number; return what it got."""
    messages: list[Message] = []

    async def send(message: Message) -> None:
        if len(messages) == breaks_at:
            raise ConnectionResetError
        messages.append(message)

    async def scene() -> None:
        exchange = Exchange({"type": "http", "method": "GET", "headers": []}, send, {})
        await send_arriving(exchange, file, headers=HEADERS)

    asyncio.run(scene())
    return messages


def test_what_comes_in_one_piece_is_one_message() -> None:
    """Most wheels are that short, and each message costs as much as reading them."""
    start, *rest = sent(arriving(b"abcdef"))
    assert (start["status"], start["headers"]) == (200, HEADERS)
    assert rest == [{"type": "http.response.body", "body": b"abcdef"}]


@pytest.mark.parametrize("pieces", [(b"abc", b"def"), (b"a", b"b", b"cdef"), (b"", b"abcdef")])
def test_what_comes_in_several_is_sent_as_it_comes(pieces: Sequence[bytes]) -> None:
    """Each piece by itself, and the end."""
    start, *rest = sent(arriving(*pieces))
    assert (start["status"], start["headers"]) == (200, HEADERS)
    assert [(part["body"], part.get("more_body", False)) for part in rest] == [
        *((piece, True) for piece in pieces),
        (b"", False),
    ]


def test_an_empty_file_is_one_message() -> None:
    """It has no first piece."""
    file = FakeArriving([b""], 0, a_copy())
    file.released.set()
    assert [message.get("body") for message in sent(file)] == [None, b""]


def test_a_fault_before_the_first_bytes_sends_nothing() -> None:
    """So it can be answered with its own status."""
    with pytest.raises(UpstreamFault):
        sent(arriving(b"abcdef", fault=UpstreamFault("cut", "It broke")))


@pytest.mark.parametrize("pieces", [(b"abcdef",), (b"abc", b"def")])
@pytest.mark.parametrize("breaks_at", [0, 1])
def test_who_goes_away_reads_no_longer(pieces: Sequence[bytes], breaks_at: int) -> None:
    """The arrival is let go of at once, and not when the garbage is collected."""
    file = arriving(*pieces)
    with pytest.raises(ConnectionResetError):
        sent(file, breaks_at=breaks_at)
    assert file.readers == 0
