"""Simple pages over HTTP: negotiation, conditional requests, freshness, cost."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urljoin

import msgspec
import pytest
from backports import zstd

from strongroom.core.access import Right
from strongroom.core.events import Actor, Deleted, Yanked
from strongroom.core.model import ProjectStatus, Tombstone, Yank
from strongroom.core.names import parse_filename
from strongroom.ports import Transaction
from tests.factories import MAIN, a_file, a_grant
from tests.fakes import START
from tests.http.reading import PIP, ReadingRoom, Reply, reading_room

JSON = "application/vnd.pypi.simple.v1+json"
UV_CODINGS = "gzip, deflate, zstd"


@pytest.fixture
def room() -> Iterator[ReadingRoom]:
    """Open a room with one file, which has a sidecar."""
    with reading_room(public_url="https://packages.example") as opened:
        opened.publish(a_file(), b"wheel", metadata=b"Metadata-Version: 2.1\n")
        yield opened


@pytest.fixture
def token(room: ReadingRoom) -> str:
    """Make a token that may read everything."""
    return room.add_token("bob", a_grant(Right.READ))


def files_of(reply: Reply) -> list[dict[str, object]]:
    """Read the files of a JSON page."""
    return msgspec.convert(reply.json()["files"], list[dict[str, object]])


def names_of(reply: Reply) -> list[object]:
    """Read the names of a JSON list."""
    return [entry["name"] for entry in msgspec.convert(reply.json()["projects"], list[dict[str, object]])]


def test_the_whole_answer_to_pip(room: ReadingRoom, token: str) -> None:
    """Status, headers and body of a project page, as pip 26.3 gets it."""
    reply = room.get("/main/simple/demo/", token=token, accept=PIP)
    etag = reply.headers.pop("etag")
    assert etag.startswith('"')
    assert reply.status == 200
    assert reply.headers == {
        "content-type": JSON,
        "content-length": str(len(reply.body)),
        "cache-control": "private, no-cache",
        "vary": "Accept, Accept-Encoding, Authorization",
        "x-content-type-options": "nosniff",
        "x-pypi-last-serial": "2",
    }
    (file,) = files_of(reply)
    assert file["url"] == "../../files/demo/demo-1.0-py3-none-any.whl"


PLACES = {
    "/main/simple/demo/": "../../files/demo/demo-1.0-py3-none-any.whl",
    "/simple/demo/": "../../main/files/demo/demo-1.0-py3-none-any.whl",
    "/legacy/+simple/demo/": "../../../main/files/demo/demo-1.0-py3-none-any.whl",
    "/main/legacy/+simple/demo/": "../../../files/demo/demo-1.0-py3-none-any.whl",
}


@pytest.mark.parametrize(("path", "url"), PLACES.items())
def test_links_lead_to_the_file_from_each_place(room: ReadingRoom, token: str, *, path: str, url: str) -> None:
    """A relative link, resolved as a browser does, is the file's one permanent URL."""
    (file,) = files_of(room.get(path, token=token, accept=JSON))
    assert file["url"] == url
    assert urljoin(f"https://packages.example{path}", url) == (
        "https://packages.example/main/files/demo/demo-1.0-py3-none-any.whl"
    )


def test_each_form_has_its_type_and_its_etag(room: ReadingRoom, token: str) -> None:
    """Three types in three codings are nine representations with nine strong ETags."""
    types = {JSON: JSON, "application/vnd.pypi.simple.latest+html": "application/vnd.pypi.simple.v1+html"}
    types["text/html"] = "text/html; charset=utf-8"
    etags = set()
    for accept, content_type in types.items():
        plain = room.get("/simple/demo/", token=token, accept=accept)
        zipped = room.get("/simple/demo/", token=token, accept=accept, accept_encoding="gzip")
        packed = room.get("/simple/demo/", token=token, accept=accept, accept_encoding=UV_CODINGS)
        assert plain.headers["content-type"] == content_type
        assert "content-encoding" not in plain.headers
        assert (zipped.headers["content-encoding"], packed.headers["content-encoding"]) == ("gzip", "zstd")
        assert gzip.decompress(zipped.body) == zstd.decompress(packed.body) == plain.body
        etags |= {reply.headers["etag"] for reply in (plain, zipped, packed)}
    assert len(etags) == 9


def test_a_format_parameter_beats_accept(room: ReadingRoom, token: str) -> None:
    """PEP 691: `?format=` with a plain or an escaped plus sign."""
    for plus in ("+", "%2B"):
        reply = room.get(f"/simple/demo/?format=application/vnd.pypi.simple.v1{plus}json", token=token, accept="*/*")
        assert reply.headers["content-type"] == JSON
    assert room.get("/simple/demo/?other=1", token=token).headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("headers", [{"accept": "image/png"}, {"accept_encoding": "identity;q=0"}])
@pytest.mark.parametrize("path", ["/simple/", "/simple/demo/"])
def test_nothing_acceptable_is_406(room: ReadingRoom, token: str, *, path: str, headers: dict[str, str]) -> None:
    """A client that takes nothing of what there is hears what there is."""
    reply = room.get(path, token=token, **headers)
    assert reply.status == 406
    assert reply.headers["content-type"] == "application/problem+json"
    assert b"application/vnd.pypi.simple.v1+json" in reply.body


@pytest.mark.parametrize("path", ["/simple/", "/main/simple/", "/simple/demo/", "/main/simple/demo/"])
def test_an_unchanged_page_is_304(room: ReadingRoom, token: str, path: str) -> None:
    """The same ETag, alone, in a list, weakened by a proxy or as `*`, saves the transfer."""
    full = room.get(path, token=token, accept=PIP)
    etag = full.headers["etag"]
    for tags in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        reply = room.get(path, token=token, accept=PIP, if_none_match=tags)
        assert (reply.status, reply.body) == (304, b"")
        assert reply.headers == {name: value for name, value in full.headers.items() if not name.startswith("content-")}
    for tags in ('"other"', 'W/"other"', etag.strip('"'), ""):
        assert room.get(path, token=token, accept=PIP, if_none_match=tags).status == 200


def test_another_form_is_not_304(room: ReadingRoom, token: str) -> None:
    """The ETag of JSON says nothing about HTML, nor that of gzip about identity."""
    etag = room.get("/simple/demo/", token=token, accept=PIP).headers["etag"]
    assert room.get("/simple/demo/", token=token, if_none_match=etag).status == 200
    assert room.get("/simple/demo/", token=token, accept=PIP, accept_encoding="gzip", if_none_match=etag).status == 200


@pytest.mark.parametrize("path", ["/simple/", "/simple/demo/", "/simple/nope/", "/simple/Demo/", "/main/simple"])
def test_head_has_the_headers_of_get(room: ReadingRoom, token: str, path: str) -> None:
    """HEAD gives the same status and headers, and no body."""
    get = room.get(path, token=token, accept=PIP)
    head = room.get(path, token=token, accept=PIP, method="HEAD")
    assert (head.status, head.headers, head.body) == (get.status, get.headers, b"")


def test_an_upload_shows_at_once(room: ReadingRoom, token: str) -> None:
    """The next request after a commit lists the file, on the page and with the project's new serial on the list."""
    before = room.get("/simple/demo/", token=token, accept=PIP)
    room.get("/simple/", token=token, accept=PIP)
    room.publish(a_file("demo-2.0-py3-none-any.whl"))
    after = room.get("/simple/demo/", token=token, accept=PIP, if_none_match=before.headers["etag"])
    assert after.status == 200
    assert [file["filename"] for file in files_of(after)][-1] == "demo-2.0-py3-none-any.whl"
    assert room.get("/simple/", token=token, accept=PIP).headers["x-pypi-last-serial"] == "4"


def test_a_yank_shows_at_once(room: ReadingRoom, token: str) -> None:
    """A yank takes effect on the next request, and the file is still served."""
    room.get("/simple/demo/", token=token, accept=PIP)
    file = room.run(room.catalog.read(lambda tx: tx.files.list(MAIN, a_file().project)))[0]
    event = Yanked(index=MAIN, project=file.project, version="1.0", filenames=(file.filename,))
    room.replace_file(replace(file, yank=Yank("bad")), event)
    assert files_of(room.get("/simple/demo/", token=token, accept=PIP))[0]["yanked"] == "bad"
    assert room.get(f"/main/files/demo/{file.filename}", token=token).status == 200


def test_a_new_project_shows_at_once(room: ReadingRoom, token: str) -> None:
    """That a project was missing a moment ago is forgotten when it appears."""
    assert room.get("/simple/fresh/", token=token).status == 404
    room.publish(a_file("fresh-1.0.tar.gz"))
    assert room.get("/simple/fresh/", token=token).status == 200
    assert names_of(room.get("/simple/", token=token, accept=PIP)) == ["demo", "fresh"]


def test_a_change_drops_the_pages_of_its_project_and_no_others(room: ReadingRoom, token: str) -> None:
    """Other projects' pages are not rendered again: the cached object itself is kept."""
    room.publish(a_file("other-1.0.tar.gz"))
    for path in ("/simple/demo/", "/simple/other/", "/simple/"):
        room.get(path, token=token, accept=PIP)
    shelves = {name: (MAIN, a_file(f"{name}-1.0.tar.gz").project) for name in ("demo", "other")}
    kept = {name: set(room.cache._shelves[shelf].values) for name, shelf in shelves.items()}
    room.publish(a_file("demo-3.0.tar.gz"))
    room.run(room.cache.refresh())
    assert shelves["demo"] not in room.cache._shelves
    assert set(room.cache._shelves[shelves["other"]].values) == kept["other"] != set()


def test_a_quarantined_project_offers_nothing(room: ReadingRoom, token: str) -> None:
    """PEP 792: the page is empty and says so, the list is without it, its files are refused with the reason."""
    room.get("/main/files/demo/demo-1.0-py3-none-any.whl", token=token)
    room.set_status("demo", ProjectStatus.QUARANTINED, reason="malware")
    page = room.get("/simple/demo/", token=token, accept=PIP)
    assert page.json()["files"] == page.json()["versions"] == []
    assert page.json()["project-status"] == {"status": "quarantined", "reason": "malware"}
    assert names_of(room.get("/simple/", token=token, accept=PIP)) == []
    for sidecar in ("", ".metadata"):
        reply = room.get(f"/main/files/demo/demo-1.0-py3-none-any.whl{sidecar}", token=token)
        assert reply.status == 403
        assert b"in quarantine, so its files are not served: malware" in reply.body


def test_a_deleted_file_is_gone_at_once(room: ReadingRoom, token: str) -> None:
    """A deleted file is neither listed nor served, though it was in the cache."""
    path = "/main/files/demo/demo-1.0-py3-none-any.whl"
    file = room.publish(a_file("demo-2.0.tar.gz"))
    assert (room.get(path, token=token).status, room.get("/simple/demo/", token=token).status) == (200, 200)
    bury(room, parse_filename("demo-1.0-py3-none-any.whl"))
    assert room.get(path, token=token).status == 404
    assert room.get(f"{path}.metadata", token=token).status == 404
    assert [entry["filename"] for entry in files_of(room.get("/simple/demo/", token=token, accept=PIP))] == [
        file.filename
    ]


def bury(room: ReadingRoom, filename: str) -> None:
    """Delete a file as the use case does."""

    def change(tx: Transaction) -> None:
        file = tx.files.find(MAIN, parse_filename(filename))
        assert file is not None
        event = Deleted(index=MAIN, project=file.project, version="1.0", filenames=(file.filename,))
        tx.events.append(event, at=START, actor=Actor(name="test"))
        tx.files.bury(Tombstone(MAIN, file.project, file.filename, file.sha256, START))

    room.run(room.catalog.write(change))


def test_clients_that_miss_together_load_once(room: ReadingRoom, token: str) -> None:
    """After a change 50 clients get the new page, loaded once."""
    room.get("/simple/demo/", token=token, accept=PIP)
    room.publish(a_file("demo-2.0.tar.gz"))
    before = room.catalog.reads

    async def crowd() -> list[Reply]:
        asks = [room.ask("/simple/demo/", token=token, headers={"accept": PIP}) for _ in range(50)]
        return await asyncio.gather(*asks)

    replies = room.run(crowd())
    assert room.catalog.reads == before + 3  # the events since the last look, whose the name is, and the page
    assert {reply.status for reply in replies} == {200}
    assert len({reply.headers["etag"] for reply in replies}) == 1
    assert len(files_of(replies[0])) == 2


def test_nothing_is_read_while_nothing_changes(room: ReadingRoom, token: str) -> None:
    """What was asked for once, a missing project included, costs no look at the catalog the second time."""
    wheel = "/main/files/demo/demo-1.0-py3-none-any.whl"
    paths = ("/simple/", "/simple/demo/", "/simple/nope/", wheel, f"{wheel}.metadata", "/main/pypi/demo/json")
    first = [room.get(path, token=token, accept="*/*") for path in paths]
    before = room.catalog.reads
    assert [room.get(path, token=token, accept="*/*") for path in paths] == first
    assert room.catalog.reads == before


def test_five_thousand_files_are_listed_in_50_ms_warm(room: ReadingRoom, token: str) -> None:
    """Acceptance 8: the page of a project of 5,000 files; nothing is proportional to them once it is rendered."""
    files = [a_file(f"big-{major}.{minor}.tar.gz") for major in range(50) for minor in range(100)]
    room.publish(files[0])
    project = files[0].project

    def fill(tx: Transaction) -> None:
        for file in files[1:]:
            tx.files.add(file)

    room.run(room.catalog.write(fill))
    for coding in ("identity", "gzip", "zstd"):
        first = room.get(f"/simple/{project}/", token=token, accept=PIP, accept_encoding=coding)
        seconds = []
        for _ in range(5):
            started = time.process_time()  # what the machine does for others is not ours
            assert room.get(f"/simple/{project}/", token=token, accept=PIP, accept_encoding=coding) == first
            seconds.append(time.process_time() - started)
        assert min(seconds) < 0.05
    assert len(files_of(room.get(f"/simple/{project}/", token=token, accept=PIP))) == 5000
