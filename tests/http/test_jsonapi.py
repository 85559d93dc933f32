from __future__ import annotations

import gzip
from collections.abc import Iterator
from functools import partial
from urllib.parse import urlsplit

import msgspec
import pytest

from strongroom.core.access import Right
from tests.factories import a_file, a_grant
from tests.http.reading import ReadingRoom, reading_room


@pytest.fixture
def room() -> Iterator[ReadingRoom]:
    """Open a room whose public URL is not known, with two releases."""
    with reading_room() as opened:
        opened.publish(a_file("my_demo-1.0.tar.gz"), metadata=b"Metadata-Version: 2.2\nSummary: first\n")
        opened.publish(a_file("my_demo-2.0.tar.gz"), metadata=b"Metadata-Version: 2.2\nSummary: second\n")
        yield opened


@pytest.fixture
def token(room: ReadingRoom) -> str:
    """Make a token that may read everything."""
    return room.add_token("bob", a_grant(Right.READ))


@pytest.mark.parametrize("start", ["", "/main"])
@pytest.mark.parametrize("end", ["", "/"])
def test_the_latest_release_and_each_one_are_served(room: ReadingRoom, token: str, *, start: str, end: str) -> None:
    """With and without the index, with and without the slash."""
    latest = room.get(f"{start}/pypi/my-demo/json{end}", token=token)
    first = room.get(f"{start}/pypi/my-demo/1.0/json{end}", token=token)
    assert b'"summary":"second"' in latest.body
    assert b'"summary":"first"' in first.body
    assert latest.headers["content-type"] == first.headers["content-type"] == "application/json"
    assert latest.headers["x-pypi-last-serial"] == "3"
    assert latest.headers["cache-control"] == "private, no-cache"


def test_urls_are_absolute(room: ReadingRoom, token: str) -> None:
    """From the public URL where it is known, else from where the client asked."""
    assert (
        b'"https://packages.example/packages/main/files/my-demo/my_demo-2.0.tar.gz"'
        in room.get("/pypi/my-demo/json", token=token).body
    )
    with reading_room(public_url="https://proxy.example/prefix") as other:
        other.publish(a_file())
        reply = other.get("/pypi/demo/json", token=other.add_token("bob", a_grant(Right.READ)))
        assert b'"https://proxy.example/prefix/packages/main/files/demo/demo-1.0-py3-none-any.whl"' in reply.body


def test_bandersnatch_finds_files_below_packages(room: ReadingRoom, token: str) -> None:
    """A file whose path does not begin with /packages is refused by bandersnatch 6.8; there it is, byte for byte."""
    body = room.get("/main/pypi/my-demo/json", token=token).json()
    (file,) = msgspec.convert(body["urls"], list[dict[str, object]])
    path = urlsplit(str(file["url"])).path
    assert path.startswith("/packages/")
    permanent = "/main/files/my-demo/my_demo-2.0.tar.gz"
    for ending in ("", ".metadata"):
        assert room.get(path + ending, token=token) == room.get(permanent + ending, token=token)
        assert room.get(path + ending, token=token).status == 200
        assert room.get(path + ending).status == 401
    assert room.get("/packages/main/files/My_Demo/x-1.0.tar.gz").headers["location"] == "../my-demo/x-1.0.tar.gz"


REDIRECTS = {
    "/pypi/My_Demo/json": "../my-demo/json",
    "/main/pypi/My.Demo/json/": "../../my-demo/json/",
    "/main/pypi/my_demo/1.0/json?x=1": "../../my-demo/1.0/json?x=1",
}


@pytest.mark.parametrize(("path", "location"), REDIRECTS.items())
def test_other_spellings_are_redirected(room: ReadingRoom, token: str, *, path: str, location: str) -> None:
    """301 to the normalised name, relatively, with the query."""
    reply = room.get(path, token=token)
    assert (reply.status, reply.headers["location"]) == (301, location)


def test_it_is_compressed_and_revalidated(room: ReadingRoom, token: str) -> None:
    """Each coding has its ETag; an unchanged answer is 304; a new file is seen at once."""
    plain = room.get("/pypi/my-demo/json", token=token)
    zipped = room.get("/pypi/my-demo/json", token=token, accept_encoding="gzip")
    assert gzip.decompress(zipped.body) == plain.body
    etag = zipped.headers["etag"]
    assert etag != plain.headers["etag"]
    again = room.get("/pypi/my-demo/json", token=token, accept_encoding="gzip", if_none_match=etag)
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    room.publish(a_file("my_demo-3.0.tar.gz"))
    assert room.get("/pypi/my-demo/json", token=token, accept_encoding="gzip", if_none_match=etag).status == 200


def test_head_has_the_headers_of_get(room: ReadingRoom, token: str) -> None:
    """HEAD gives no body."""
    get = room.get("/pypi/my-demo/json", token=token)
    head = room.get("/pypi/my-demo/json", token=token, method="HEAD")
    assert (head.status, head.headers, head.body) == (200, get.headers, b"")


@pytest.mark.parametrize("path", ["/pypi/nope/json", "/pypi/my-demo/9.9/json", "/pypi/my-demo/no-version/json"])
def test_what_is_missing_or_forbidden_is_404(room: ReadingRoom, token: str, path: str) -> None:
    """Missing project, release, right: the same bytes; without credentials 401."""
    stranger = room.add_token("eve", a_grant(Right.READ, projects="other"))
    forbidden = room.get("/pypi/my-demo/json", token=stranger)
    assert room.get(path, token=token) == room.get(path, token=stranger) == forbidden
    assert forbidden.status == 404
    assert room.get(path).status == 401


def test_no_acceptable_coding_is_406(room: ReadingRoom, token: str) -> None:
    """A client that rules out what there is hears so."""
    assert room.get("/pypi/my-demo/json", token=token, accept_encoding="identity;q=0").status == 406


@pytest.mark.parametrize("method", ["POST", "TRACE", "PROPFIND"])
def test_another_method_is_405(room: ReadingRoom, token: str, method: str) -> None:
    """Even one that nobody has heard of: RFC 9110 15.5.6 wants the methods that there are."""
    reply = room.get("/pypi/my-demo/json", token=token, method=method)
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")


def test_a_client_cannot_fill_the_cache_with_hosts(room: ReadingRoom, token: str) -> None:
    """URLs are made from the Host where no public URL is set; only those of a few hosts are kept."""
    ask = partial(room.get, "/pypi/my-demo/json", token=token)
    ask()
    for number in range(20):
        assert b"https://host-" in ask(host=f"host-{number}.example").body
    loaded = room.catalog.reads
    ask()
    ask(host="host-0.example")
    assert room.catalog.reads == loaded
    ask(host="host-19.example")
    assert room.catalog.reads > loaded
