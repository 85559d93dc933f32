"""Files in a bucket: when a client is sent on to it, and when the bytes come through the server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from strongroom.adapters.blobs.memory import MemoryBlobs
from strongroom.core.access import Right
from strongroom.core.errors import StorageFault
from strongroom.core.events import Actor, IndexChanged
from strongroom.core.model import Downloads
from strongroom.core.names import Sha256
from strongroom.http.links import LINK_SECONDS, WORTH_BYTES
from strongroom.ports import Transaction
from tests.factories import MAIN, a_file, a_grant
from tests.fakes import START
from tests.http.reading import ReadingRoom, Reply, reading_room

SMALL, LARGE = b"small" * 10, b"x" * (WORTH_BYTES + 1)
METADATA = b"Metadata-Version: 2.1\nName: demo\n" + b"X: y\n" * (WORTH_BYTES // 4)
SMALL_URL = "/main/files/demo/demo-1.0-py3-none-any.whl"
LARGE_URL = "/main/files/demo/demo-2.0-py3-none-any.whl"


class LinkingBlobs(MemoryBlobs):
    """A store that gives out links, like a bucket, and counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.links = 0
        self.signs = True

    async def link(self, sha256: Sha256, *, seconds: int) -> str | None:
        """Return an address, as long as the blob is there."""
        await self.get(sha256)
        self.links += 1
        return f"https://bucket.example/{sha256}?ends={seconds}" if self.signs else None


@pytest.fixture
def blobs() -> LinkingBlobs:
    """Make the store."""
    return LinkingBlobs()


@pytest.fixture
def room(blobs: LinkingBlobs) -> Iterator[ReadingRoom]:
    """Open a room with a small file and a large one, whose METADATA is large as well."""
    with reading_room(blobs=blobs) as opened:
        opened.publish(a_file("demo-1.0-py3-none-any.whl"), SMALL)
        opened.publish(a_file("demo-2.0-py3-none-any.whl"), LARGE, metadata=METADATA)
        yield opened


@pytest.fixture
def token(room: ReadingRoom) -> str:
    """Make a token that may read everything."""
    return room.add_token("bob", a_grant(Right.READ))


def set_downloads(room: ReadingRoom, downloads: Downloads) -> None:
    """Change the setting of `main`, as the use case does."""

    def change(tx: Transaction) -> None:
        index = tx.indexes.find(MAIN)
        assert index is not None
        tx.indexes.replace(replace(index, downloads=downloads))
        event = IndexChanged(index=MAIN, downloads=downloads.value)
        tx.events.append(event, at=START, actor=Actor(name="test"))

    room.run(room.catalog.write(change))


def is_sent_on(reply: Reply) -> bool:
    """Return whether the answer is a link; anything else but a link or bytes fails."""
    assert reply.status in (200, 206, 302)
    return reply.status == 302


def test_a_large_file_comes_by_a_link_that_nobody_may_keep(room: ReadingRoom, token: str) -> None:
    """The whole answer: a redirect for five minutes, which no cache stores, without a body."""
    reply = room.get(LARGE_URL, token=token)
    sha256 = reply.headers["location"].removeprefix("https://bucket.example/").partition("?")[0]
    assert (reply.status, reply.body, len(sha256)) == (302, b"", 64)
    assert reply.headers == {
        "location": f"https://bucket.example/{sha256}?ends={LINK_SECONDS}",
        "content-length": "0",
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }


def test_what_is_small_comes_at_once(room: ReadingRoom, token: str, blobs: LinkingBlobs) -> None:
    """A small file, a small part of a large one, a HEAD and METADATA of any size cost one request."""
    assert room.get(SMALL_URL, token=token).body == SMALL
    assert room.get(LARGE_URL, token=token, range="bytes=0-9").body == LARGE[:10]
    assert room.get(LARGE_URL, token=token, method="HEAD").status == 200
    assert room.get(f"{LARGE_URL}.metadata", token=token).body == METADATA
    assert blobs.links == 0


def test_a_browser_gets_the_bytes_with_their_name(room: ReadingRoom, token: str, blobs: LinkingBlobs) -> None:
    """The link would have it save the file under a digest."""
    reply = room.get(LARGE_URL, token=token, sec_fetch_mode="navigate")
    assert (reply.status, reply.body) == (200, LARGE)
    assert reply.headers["content-disposition"] == "attachment; filename=demo-2.0-py3-none-any.whl"
    assert blobs.links == 0


@pytest.mark.parametrize("url", [SMALL_URL, LARGE_URL])
@pytest.mark.parametrize("headers", [{}, {"range": "bytes=0-1"}, {"sec_fetch_mode": "navigate"}])
def test_an_index_may_send_all_or_none(room: ReadingRoom, token: str, url: str, headers: dict[str, str]) -> None:
    """`redirect` sends every GET on, `stream` none, from the next request on."""
    set_downloads(room, Downloads.REDIRECT)
    assert is_sent_on(room.get(url, token=token, **headers))
    assert room.get(url, token=token, method="HEAD").status == 200
    set_downloads(room, Downloads.STREAM)
    assert not is_sent_on(room.get(url, token=token, **headers))


def test_what_is_answered_without_bytes_is_not_sent_on(room: ReadingRoom, token: str, blobs: LinkingBlobs) -> None:
    """The client has it already, asks for a part that is not there, or may not read."""
    set_downloads(room, Downloads.REDIRECT)
    etag = room.get(LARGE_URL, token=token, method="HEAD").headers["etag"]
    assert room.get(LARGE_URL, token=token, if_none_match=etag).status == 304
    assert room.get(LARGE_URL, token=token, range="bytes=9999999-").status == 416
    assert room.get(LARGE_URL).status == 401
    assert blobs.links == 0


def test_a_resumed_download_goes_on_where_it_began(room: ReadingRoom, token: str) -> None:
    """Pip resumes with the ETag that it was given, the bucket's: only the bucket can judge it."""
    reply = room.get(LARGE_URL, token=token, range="bytes=100-", if_range='"of the bucket"')
    assert is_sent_on(reply)


def test_without_a_link_the_bytes_come_through_the_server(room: ReadingRoom, token: str, blobs: LinkingBlobs) -> None:
    """Credentials that cannot sign stop nobody."""
    blobs.signs = False
    set_downloads(room, Downloads.REDIRECT)
    assert room.get(LARGE_URL, token=token).body == LARGE
    assert blobs.links == 1


def test_no_link_leads_to_missing_bytes(room: ReadingRoom, token: str, blobs: LinkingBlobs) -> None:
    """A lost blob is the server's fault and said by it, not by the bucket."""
    sha256 = room.run(room.catalog.read(lambda tx: tx.files.list(MAIN, a_file().project)))[1].sha256
    room.run(blobs.remove(sha256))
    with pytest.raises(StorageFault):
        room.run(blobs.link(sha256, seconds=1))
    assert room.get(LARGE_URL, token=token).status == 500


def test_no_link_stands_in_a_page(room: ReadingRoom, token: str, blobs: LinkingBlobs) -> None:
    """Pages lead to the server's own URLs, whatever the index's setting is."""
    set_downloads(room, Downloads.REDIRECT)
    page = room.get("/main/simple/demo/", token=token, accept="application/vnd.pypi.simple.v1+json")
    assert page.status == 200
    assert b"bucket.example" not in page.body
    assert blobs.links == 0
