"""Files of upstreams over HTTP: sent while they arrive, from the copy, or from elsewhere; and refused by the rules."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest

from strongroom.core.access import Right
from strongroom.core.errors import UpstreamFault, UpstreamTimeout
from strongroom.core.events import Actor, NameHeld
from strongroom.core.mirrored import Copy, UpstreamFile
from strongroom.core.names import Sha256, parse_project_pattern
from strongroom.core.rules import Rules
from strongroom.core.simpleapi.render import render_upload_time
from strongroom.core.upstream import Delivery
from strongroom.ports import Transaction
from tests.factories import (
    LONG_AGO,
    MAIN,
    PUBLIC,
    a_copy,
    a_file,
    a_grant,
    a_mirror,
    a_reservation,
    an_index,
    an_upstream,
    an_upstream_file,
    an_upstream_page,
)
from tests.fake_mirror import FakeArriving
from tests.fakes import START
from tests.http.reading import PIP, ReadingRoom, reading_room
from tests.replacing import replace

CONTENT = b"a wheel of which the rest comes later"
URL = "/over/files/demo/demo-1.0-py3-none-any.whl"
PAGE = "/over/simple/demo/"


@pytest.fixture
def room() -> Iterator[ReadingRoom]:
    """Open a room with the index `over`, which is based on `public`."""
    with reading_room() as opened:
        opened.store_index(a_mirror(rules=Rules(cooldown=timedelta(days=3))))
        opened.store_index(an_index("over", bases=("public",)))
        yield opened


@pytest.fixture
def token(room: ReadingRoom) -> str:
    """Make a token that may read everything."""
    return room.add_token("bob", a_grant(Right.READ))


def offer(room: ReadingRoom, *, size_bytes: int | None = len(CONTENT)) -> UpstreamFile:
    """Let the upstream have a wheel of that size."""
    sha256: Sha256 = room.run(room.blobs.put(CONTENT))
    file = replace(an_upstream_file(sha256=sha256), size_bytes=size_bytes)
    room.mirror.add_page(an_upstream_page("demo", file))
    return file


def send(room: ReadingRoom, file: UpstreamFile, *pieces: bytes, fault: UpstreamFault | None = None) -> FakeArriving:
    """Let the file arrive in these pieces."""
    size_bytes = sum(map(len, pieces)) if file.size_bytes is not None else None
    arriving = FakeArriving([*pieces], size_bytes, stored(file), fault)
    room.mirror.arriving[file.filename] = arriving
    return arriving


def stored(file: UpstreamFile) -> Copy:
    """Return the copy of the file."""
    return replace(a_copy(sha256=file.sha256), size_bytes=len(CONTENT))


def test_a_file_is_sent_while_it_arrives(room: ReadingRoom, token: str) -> None:
    """With the headers that it will have for ever; the copy is sent from then on."""
    file = offer(room)
    arriving = send(room, file, CONTENT[:5], CONTENT[5:])
    arriving.released.set()
    first = room.get(URL, token=token)
    assert (first.status, first.body) == (200, CONTENT)
    room.mirror.arriving.clear()
    room.mirror.copies[PUBLIC, file.filename] = stored(file)
    second = room.get(URL, token=token)
    assert (second.status, second.body, second.headers) == (200, CONTENT, first.headers)
    assert first.headers["content-length"] == str(len(CONTENT))
    assert first.headers["etag"] == f'"{file.sha256}"'


def test_the_first_bytes_leave_before_the_last_ones_are_here(room: ReadingRoom, token: str) -> None:
    """The client need not wait for the whole file."""
    arriving = send(room, offer(room), CONTENT[:5], CONTENT[5:])

    async def scene() -> None:
        asking = asyncio.create_task(room.ask(URL, token=token))
        await asyncio.sleep(0.05)
        assert not asking.done()
        arriving.released.set()
        assert (await asking).body == CONTENT

    room.run(scene())


def test_an_upstream_that_fails_at_once_is_answered_with_its_fault(room: ReadingRoom, token: str) -> None:
    """502 or 504, and not a cut body."""
    file = offer(room)
    for fault, status in ((UpstreamFault("cut", "It broke"), 502), (UpstreamTimeout("slow", "It is slow"), 504)):
        arriving = send(room, file, CONTENT, fault=fault)
        arriving.released.set()
        reply = room.get(URL, token=token)
        assert (reply.status, reply.json()["code"]) == (status, fault.code)
        assert reply.headers["retry-after"] == "5"


def test_an_upstream_that_fails_later_cuts_the_body(room: ReadingRoom, token: str) -> None:
    """With a length announced, every client notices."""
    arriving = send(room, offer(room), CONTENT[:5], CONTENT[5:], fault=UpstreamFault("cut", "It broke"))
    arriving.released.set()
    reply = room.get(URL, token=token)
    assert (reply.status, reply.body, reply.is_whole) == (200, CONTENT[:5], False)
    assert reply.headers["content-length"] == str(len(CONTENT))


def test_without_a_length_the_file_is_stored_before_it_is_sent(room: ReadingRoom, token: str) -> None:
    """Nobody could tell a cut body from a whole one."""
    arriving = send(room, offer(room, size_bytes=None), CONTENT[:5], CONTENT[5:])

    async def scene() -> None:
        asking = asyncio.create_task(room.ask(URL, token=token))
        await asyncio.sleep(0.05)
        assert not asking.done()
        arriving.released.set()
        reply = await asking
        assert (reply.body, reply.headers["content-length"]) == (CONTENT, str(len(CONTENT)))

    room.run(scene())


def test_head_range_and_revalidation_of_what_is_not_here(room: ReadingRoom, token: str) -> None:
    """HEAD and 304 need no fetch where the page tells the size; a range waits for the whole file."""
    file = offer(room)
    head = room.get(URL, token=token, method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(CONTENT)))
    unmodified = room.get(URL, token=token, if_none_match=f'"{file.sha256}"')
    assert (unmodified.status, unmodified.body) == (304, b"")
    send(room, file, CONTENT).released.set()
    part = room.get(URL, token=token, range="bytes=2-6")
    assert (part.status, part.body) == (206, CONTENT[2:7])


def test_head_learns_the_size_where_the_page_tells_none(room: ReadingRoom, token: str) -> None:
    """The upstream's answer says it; where that does not either, there is no length."""
    file = offer(room, size_bytes=None)
    arriving = send(room, file, CONTENT)
    assert "content-length" not in room.get(URL, token=token, method="HEAD").headers
    arriving.size_bytes = len(CONTENT)
    assert room.get(URL, token=token, method="HEAD").headers["content-length"] == str(len(CONTENT))


def test_an_index_without_copies_sends_the_client_to_the_upstream(room: ReadingRoom, token: str) -> None:
    """By a redirect that is not kept, with the URL quoted."""
    file = offer(room)
    room.mirror.add_page(an_upstream_page("demo", replace(file, url="https://files.upstream.example/a b/é.whl")))
    redirecting = a_mirror(upstream=an_upstream(delivery=Delivery.REDIRECT))

    def change(tx: Transaction) -> None:
        tx.indexes.replace(redirecting)

    room.run(room.catalog.write(change))
    reply = room.get(URL, token=token)
    assert (reply.status, reply.body) == (302, b"")
    assert reply.headers["location"] == "https://files.upstream.example/a%20b/%C3%A9.whl"
    assert reply.headers["cache-control"] == "private, no-cache"


def test_what_a_rule_hides_leaves_by_no_url(room: ReadingRoom, token: str) -> None:
    """Not in the page, not by its own URL, not its METADATA; the body says why and until when."""
    file = replace(offer(room), uploaded_at=START - timedelta(hours=71))
    room.mirror.add_page(an_upstream_page("demo", file))
    room.mirror.copies[PUBLIC, file.filename] = stored(file)
    room.mirror.metadata[file.filename] = b"Metadata-Version: 2.1\n"
    assert room.get(PAGE, token=token, accept=PIP).json()["files"] == []
    for url in (URL, f"{URL}.metadata", f"/packages{URL}", URL.replace("/over/", "/public/")):
        for method in ("GET", "HEAD"):
            reply = room.get(url, token=token, method=method)
            assert reply.status == 403
            assert CONTENT not in reply.body
    body = room.get(URL, token=token).json()
    assert (body["code"], body["ruled_by"]) == ("too-young", "public")
    assert body["until"] == (START + timedelta(hours=1)).isoformat()
    assert "strongroom exemption request" in str(body["detail"])
    room.clock.advance(timedelta(hours=1))
    assert room.get(URL, token=token).body == CONTENT
    assert room.get(f"{URL}.metadata", token=token).body == b"Metadata-Version: 2.1\n"
    assert room.get(PAGE, token=token, accept=PIP).json()["files"] != []


def test_the_page_of_an_upstream_is_kept_until_it_ends(room: ReadingRoom, token: str) -> None:
    """Ten minutes by default; then it is asked for again. Sizes, times and METADATA are relayed."""
    offer(room)
    page = room.get(PAGE, token=token, accept=PIP)
    files = page.json()["files"]
    assert isinstance(files, list)
    (listed,) = files
    assert listed["core-metadata"] is True
    assert listed["size"] == len(CONTENT)
    assert listed["upload-time"] == render_upload_time(LONG_AGO)
    assert page.headers["x-pypi-last-serial"] == "0"
    room.get(PAGE, token=token, accept=PIP)
    assert len(room.mirror.asked) == 1
    room.clock.advance(timedelta(minutes=10))
    room.get(PAGE, token=token, accept=PIP)
    assert len(room.mirror.asked) == 2


def test_a_missing_name_is_asked_for_again_soon(room: ReadingRoom, token: str) -> None:
    """A name that the upstream gets is here within seconds; without any upstream it stays missing until an event."""
    assert room.get(PAGE, token=token).status == 404
    offer(room)
    assert room.get(PAGE, token=token).status == 404
    room.clock.advance(timedelta(seconds=5))
    assert room.get(PAGE, token=token).status == 200


def test_a_name_that_is_held_is_not_asked_for_from_the_next_request_on(room: ReadingRoom, token: str) -> None:
    """The page of the upstream is dropped with the event."""
    offer(room)
    assert room.get(PAGE, token=token).status == 200
    assert room.get(URL, token=token, method="HEAD").status == 200
    asked = len(room.mirror.asked)

    def hold(tx: Transaction) -> None:
        tx.reservations.save(a_reservation("de*"))
        event = NameHeld(index=MAIN, pattern=parse_project_pattern("de*"), hold="reserved")
        tx.events.append(event, at=START, actor=Actor(name="test"))

    room.run(room.catalog.write(hold))
    assert [room.get(url, token=token).status for url in (PAGE, URL, f"{URL}.metadata")] == [404] * 3
    assert len(room.mirror.asked) == asked


def test_own_files_are_served_while_every_upstream_fails(room: ReadingRoom, token: str) -> None:
    """A private name does not depend on anybody else; what is not kept is refused with the cause."""
    room.publish(a_file("own-1.0-py3-none-any.whl"), b"own")
    room.mirror.fault = UpstreamTimeout("upstream-timeout", "It sent nothing for too long", "Try again later.")
    assert room.get("/main/files/own/own-1.0-py3-none-any.whl", token=token).body == b"own"
    reply = room.get(PAGE, token=token)
    assert (reply.status, reply.json()["detail"]) == (504, "It sent nothing for too long. Try again later.")


def test_facts_that_lead_to_nothing_are_forgotten(room: ReadingRoom, token: str) -> None:
    """An upstream that told another size, and has mended that, is believed at the next request."""
    file = offer(room, size_bytes=3)
    room.mirror.metadata[file.filename] = b"Metadata-Version: 2.1\n"
    room.mirror.arriving[file.filename] = FakeArriving([b""], 3, stored(file), UpstreamFault("upstream-size", "no"))
    room.mirror.arriving[file.filename].released.set()
    assert room.get(f"{URL}.metadata", token=token).status == 200
    assert room.get(URL, token=token).status == 502
    mended = offer(room)
    room.mirror.copies[PUBLIC, mended.filename] = stored(mended)
    assert room.get(URL, token=token).body == CONTENT


def test_an_installer_has_a_file_judged_once(room: ReadingRoom, token: str) -> None:
    """It reads METADATA, then wants the file; after a minute, and after a change of an index, it is judged anew."""
    file = offer(room)
    room.mirror.metadata[file.filename] = b"Metadata-Version: 2.1\n"
    room.mirror.copies[PUBLIC, file.filename] = stored(file)
    assert room.get(f"{URL}.metadata", token=token).status == 200
    assert room.get(URL, token=token).body == CONTENT
    assert len(room.mirror.asked) == 1
    room.clock.advance(timedelta(minutes=2))
    assert room.get(URL, token=token).body == CONTENT
    assert len(room.mirror.asked) == 2
    assert room.get(f"{URL}.metadata", token=token).status == 200
    assert len(room.mirror.asked) == 2
    room.store_index(an_index("another"))  # whatever happens to indexes may change where a name comes from
    assert room.get(URL, token=token).body == CONTENT
    assert len(room.mirror.asked) == 3
