"""Files of upstreams while the rules change: what was judged before a change is not given out after it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from strongroom.core.access import Right
from strongroom.core.events import Actor, IndexChanged
from strongroom.core.mirrored import UpstreamFile
from strongroom.core.rules import Rules
from strongroom.ports import Transaction
from tests.factories import PUBLIC, a_grant, a_mirror, an_index
from tests.fakes import START
from tests.http.reading import ReadingRoom, reading_room
from tests.http.test_passing import CONTENT, URL, offer, send, stored


@pytest.fixture
def room() -> Iterator[ReadingRoom]:
    """Open a room with the index `over`, which is based on `public`."""
    with reading_room() as opened:
        opened.store_index(a_mirror())
        opened.store_index(an_index("over", bases=("public",)))
        yield opened


@pytest.fixture
def token(room: ReadingRoom) -> str:
    """Make a token that may read everything."""
    return room.add_token("bob", a_grant(Right.READ))


def deny(tx: Transaction) -> None:
    """Let the mirror refuse the project from now on."""
    tx.indexes.replace(a_mirror(rules=Rules(denied=("demo",))))
    event = IndexChanged(index=PUBLIC, accepts_uploads=False, anonymous_read=False)
    tx.events.append(event, at=START, actor=Actor(name="test"))


async def ask_while_denying(
    room: ReadingRoom, file: UpstreamFile, *, token: str, headers: dict[str, str] | None = None
) -> None:
    """Ask for the file, refuse it while it arrives, let others ask meanwhile, then let it come."""
    arriving = send(room, file, CONTENT)
    asking = asyncio.create_task(room.ask(URL, token=token, headers=headers))
    await asyncio.sleep(0.05)
    for _ in range(200):  # also where this process stood still meanwhile
        await asyncio.sleep(0)
    await room.catalog.write(deny)
    assert (await room.ask(URL, token=token)).status == 403
    room.mirror.copies[PUBLIC, file.filename] = stored(file)
    arriving.released.set()
    await asking


def test_a_file_that_came_while_a_rule_was_made_is_refused_afterwards(room: ReadingRoom, token: str) -> None:
    """Its verdict is older than the rule, so it is not remembered, by whatever kind of request it came."""
    file = offer(room)
    room.run(ask_while_denying(room, file, token=token, headers={"range": "bytes=0-3"}))
    for method in ("GET", "HEAD"):
        reply = room.get(URL, token=token, method=method)
        assert reply.status == 403
        assert CONTENT not in reply.body


def test_a_file_without_a_length_is_refused_afterwards_too(room: ReadingRoom, token: str) -> None:
    """It waits for the whole file in the same way."""
    file = offer(room, size_bytes=None)
    room.run(ask_while_denying(room, file, token=token))
    assert room.get(URL, token=token).status == 403
