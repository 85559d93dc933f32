"""Files of upstreams while the rules change: what was judged before a change is not given out after it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from strongroom.core.access import Right
from strongroom.core.events import Actor, IndexChanged, Uploaded
from strongroom.core.mirrored import UpstreamFile
from strongroom.core.names import parse_index_name
from strongroom.core.rules import Rules
from strongroom.ports import Transaction
from tests.factories import DEMO, PUBLIC, a_file, a_grant, a_mirror, a_project, an_index
from tests.fakes import START
from tests.http.reading import ReadingRoom, reading_room
from tests.http.test_passing import CONTENT, PAGE, URL, offer, send, stored

OVER = parse_index_name("over")


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


def own(tx: Transaction) -> None:
    """Let the index have the project itself from now on."""
    tx.projects.save(a_project(index="over"))
    event = Uploaded(
        index=OVER, project=DEMO, version="9", filename=a_file().filename, sha256=a_file().sha256, size_bytes=1
    )
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


@pytest.mark.parametrize("change", [deny, own], ids=["denied", "owned"])
def test_the_ways_of_a_page_end_with_a_change(
    room: ReadingRoom, token: str, change: Callable[[Transaction], None]
) -> None:
    """What was read for the page is used for its files, but not after a rule or an owner has come between."""
    file = offer(room)
    assert room.get(PAGE, token=token).status == 200
    reads = room.catalog.reads
    assert room.get(f"{URL}.metadata", token=token).status == 404  # the upstream has none, and nobody had to look
    assert room.catalog.reads == reads
    room.run(room.catalog.write(change))
    send(room, file, CONTENT).released.set()
    reply = room.get(URL, token=token)
    assert reply.status == (403 if change is deny else 404)
    assert CONTENT not in reply.body
