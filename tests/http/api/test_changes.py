from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from strongroom.core.errors import StorageFault
from strongroom.core.events import Uploaded
from strongroom.core.replica import PAGE_KEY, Followed, check_signature, decode_page
from strongroom.ports import Transaction
from strongroom.services.replica import feed
from tests.fakes import SeededSecrets
from tests.http.api.office import Office


def test_the_feed_is_read_by_a_replica(office: Office) -> None:
    """A page holds the events after a serial with their rows, in the form that a replica reads."""
    before = office.serial()
    office.add_file("demo-1.0-py3-none-any.whl")
    reply = office.ask("GET", f"/changes?since={before}&limit=10", token=office.ada)
    assert reply.status == 200
    page = decode_page(reply.body)
    assert (page.since, page.serial, page.head, page.is_last) == (before, before + 1, before + 1, True)
    assert [type(entry.event) for entry in page.entries] == [Uploaded]
    assert [file.filename for file in page.rows.files] == ["demo-1.0-py3-none-any.whl"]
    assert reply.headers["cache-control"] == "no-store"


def test_the_feed_is_signed(office: Office) -> None:
    """With the key that both servers have, for the question that was asked."""
    reply = office.ask("GET", "/changes", token=office.ada, nonce="abcd")
    key = SeededSecrets().derive_key(PAGE_KEY)
    check_signature(key, reply.body, nonce="abcd", signature=reply.headers["strongroom-signature"])
    assert office.ask("GET", "/changes", token=office.ada, nonce="no digits").status == 422


@pytest.mark.parametrize("query", ["since=-1", "limit=0", "limit=1001", "since=x"])
def test_a_page_has_bounds(office: Office, query: str) -> None:
    """No page before the first change, none that is empty by wish, none that is too long."""
    assert office.ask("GET", f"/changes?{query}", token=office.ada).status == 422


def test_bytes_are_fetched_by_their_digest(office: Office) -> None:
    """Small ones whole, others by their size; what is missing, too short or no digest is a 404."""
    sha256 = asyncio.run(office.blobs.put(b"some bytes"))
    for query in ("", "?size_bytes=10"):
        reply = office.ask("GET", f"/blobs/sha256/{sha256}{query}", token=office.ada)
        assert (reply.status, reply.body) == (200, b"some bytes")
        assert reply.headers["content-type"] == "application/octet-stream"
    for path in (f"{'0' * 64}", f"{'0' * 64}?size_bytes=10", f"{sha256}?size_bytes=11", "no-digest"):
        assert office.ask("GET", f"/blobs/sha256/{path}", token=office.ada).status == 404


def test_large_bytes_are_not_read_at_once(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without their size they are refused: they would all be in memory."""
    monkeypatch.setattr(feed, "_LARGEST_AT_ONCE", 9)
    sha256 = asyncio.run(office.blobs.put(b"some bytes"))
    reply = office.ask("GET", f"/blobs/sha256/{sha256}", token=office.ada)
    assert (reply.status, reply.json["code"]) == (413, "blob-size")
    assert office.ask("GET", f"/blobs/sha256/{sha256}?size_bytes=10", token=office.ada).body == b"some bytes"


@pytest.mark.parametrize("query", ["", "?size_bytes=10"])
def test_a_store_that_fails_has_not_lost_anything(office: Office, query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica is told to come back, and not that there are no such bytes."""

    async def fail(*_given: object, **_more: object) -> AsyncIterator[bytes]:
        if not office.ada:
            yield b""
        raise StorageFault("blob-fault", "Reading a blob failed: input/output error")

    sha256 = asyncio.run(office.blobs.put(b"some bytes"))
    monkeypatch.setattr(office.blobs, "stream", fail)
    reply = office.ask("GET", f"/blobs/sha256/{sha256}{query}", token=office.ada)
    assert (reply.status, reply.json["code"]) == (503, "blob-fault")


def test_a_server_says_whether_it_is_a_replica(office: Office) -> None:
    """One that follows nobody has no lag; a replica tells its primary and how long ago it had all of it."""
    alone = {"is_replica": False, "primary": None, "serial": office.serial(), "level_at": None, "behind_seconds": None}
    alone |= {"missing_files": 0}
    assert office.ask("GET", "/replica", token=office.ada).json == alone

    def follow(tx: Transaction) -> None:
        tx.followed.save(Followed("http://primary.example", b"", 1, office.clock.now()))

    office.write(follow)
    told = office.ask("GET", "/replica", token=office.ada).json
    assert (told["is_replica"], told["primary"], told["behind_seconds"]) == (True, "http://primary.example", 0.0)
