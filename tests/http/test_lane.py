"""The hot path's own duties: routing, redirects, who may, and that nothing leaks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest
from starlette.types import Message

from strongroom.core.access import Right
from strongroom.core.names import parse_index_name
from strongroom.http.exchange import read_exchange
from strongroom.http.flights import Flights
from strongroom.http.lane import LANE_ROUTES
from strongroom.http.paths import FilePath, ListPath, Misspelt, NoPlace, PagePath, read_path
from strongroom.http.recent import Recent
from tests.factories import MAIN, a_file, a_grant, a_scope
from tests.http.reading import PIP, ReadingRoom, reading_room

WHEEL = "demo-1.0-py3-none-any.whl"
PLACES = ("/simple/", "/main/simple/", "/simple/demo/", "/main/simple/demo/", "/main/legacy/+simple/demo/")
FILES = (f"/main/files/demo/{WHEEL}", f"/main/files/demo/{WHEEL}.metadata")
ELSEWHERE = (
    "/simple/nope/",
    "/nope/simple/",
    "/nope/simple/demo/",
    "/NOPE/simple/demo/",
    "/main/simple/-/",
    "/main/simple/de mo/",
    "/main/files/demo/nope-1.0.tar.gz",
    "/nope/files/demo/demo-1.0.tar.gz",
    "/main/files/demo/passwd",
)


@pytest.fixture
def room() -> Iterator[ReadingRoom]:
    """Open a room with a project that has a sidecar, and a second project."""
    with reading_room() as opened:
        opened.publish(a_file(WHEEL), metadata=b"Metadata-Version: 2.1\n")
        opened.publish(a_file("acme_tool-1.0.tar.gz"))
        yield opened


@pytest.mark.parametrize("path", [*PLACES, *FILES, *ELSEWHERE])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_without_credentials_everything_is_401(room: ReadingRoom, path: str, method: str) -> None:
    """What exists and what does not look the same to nobody, and uv gets its chance to authenticate."""
    reply = room.get(path, method=method, accept=PIP)
    assert reply == room.get("/simple/nope/", method=method)
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == 'Basic realm="Strongroom", charset="UTF-8"'
    assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", [*(place for place in PLACES if "demo" in place), *FILES])
def test_what_is_forbidden_looks_like_what_is_missing(room: ReadingRoom, path: str) -> None:
    """The same status, headers and bytes, on the first look and on the second."""
    reader = room.add_token("bob", a_grant(Right.READ, projects="acme-*"))
    owner = room.add_token("ada", a_grant(Right.READ))
    assert room.get(path, token=owner).status == 200
    missing = room.get("/simple/nope/", token=reader)
    assert missing.status == 404
    assert room.get(path, token=reader) == missing
    assert room.get(path, token=reader, method="HEAD").headers == missing.headers


@pytest.mark.parametrize("path", ELSEWHERE)
def test_what_is_missing_is_404_for_everybody_who_signed_in(room: ReadingRoom, path: str) -> None:
    """An administrator gets the same bytes as a stranger with a token."""
    strangers = room.add_token("eve", a_grant(Right.READ, index="other"))
    admin = room.add_token("ada", admin=True)
    assert room.get(path, token=admin) == room.get(path, token=strangers) == room.get("/simple/nope/", token=admin)
    assert room.get(path, token=admin).status == 404


def test_a_wrong_token_is_401(room: ReadingRoom) -> None:
    """Bad credentials are told, also where anybody may read."""
    room.add_index("public", anonymous_read=True)
    for path in ("/simple/demo/", "/public/simple/"):
        reply = room.get(path, token="strongroom_wrong")
        assert reply.status == 401
        assert "www-authenticate" in reply.headers


def test_an_expired_token_is_401_although_it_is_remembered(room: ReadingRoom) -> None:
    """Expiry is judged at each request, not when the principal was cached."""
    token = room.add_token("bob", a_grant(Right.READ))
    assert room.get("/simple/demo/", token=token).status == 200
    room.clock.advance(timedelta(days=90))
    assert room.get("/simple/demo/", token=token).status == 401


def test_an_open_index_needs_no_credentials(room: ReadingRoom) -> None:
    """Anybody reads it; what is missing there is 404, and other indexes stay closed."""
    room.add_index("public", anonymous_read=True)
    room.publish(a_file("free-1.0.tar.gz", index="public"))
    assert room.get("/public/simple/").status == 200
    assert room.get("/public/simple/free/").status == 200
    assert room.get("/public/files/free/free-1.0.tar.gz").status == 200
    assert room.get("/public/simple/nope/").status == room.get("/public/simple/-/").status == 404
    assert room.get("/simple/").status == 401


def test_the_list_shows_what_one_may_read(room: ReadingRoom) -> None:
    """The same URL names other projects to other people, and keeps them apart in the cache."""
    every = room.add_token("ada", a_grant(Right.READ))
    some = room.add_token("bob", a_grant(Right.READ, projects="acme-*"))
    narrowed = room.add_token("eve", a_grant(Right.READ), scope=a_scope(Right.READ, projects=["demo"]))
    none = room.add_token("mallory", a_grant(Right.READ, index="other"))
    for _ in range(2):
        assert b'"name":"demo"' in room.get("/simple/", token=every, accept=PIP).body
        assert b'"name":"acme-tool"' in room.get("/simple/", token=every, accept=PIP).body
        assert b'"name":"demo"' not in room.get("/simple/", token=some, accept=PIP).body
        assert b'"name":"acme-tool"' in room.get("/simple/", token=some, accept=PIP).body
        assert b'"name":"acme-tool"' not in room.get("/simple/", token=narrowed, accept=PIP).body
        assert b'"name":"demo"' in room.get("/simple/", token=narrowed, accept=PIP).body
        assert room.get("/simple/", token=none, accept=PIP).status == 404
    room.publish(a_file("acme_other-1.0.tar.gz"))
    assert b'"name":"acme-other"' in room.get("/simple/", token=some, accept=PIP).body


REDIRECTS = {
    "/simple": "simple/",
    "/main/simple": "simple/",
    "/main/simple?x=1": "simple/?x=1",
    "/main/legacy/+simple": "+simple/",
    "/simple/demo": "demo/",
    "/simple/Demo/": "../demo/",
    "/main/simple/My_Demo.pkg": "my-demo-pkg/",
    "/main/simple/My_Demo.pkg/?format=text/html": "../my-demo-pkg/?format=text/html",
    f"/main/files/Demo/{WHEEL}": f"../demo/{WHEEL}",
    f"/main/files/Demo/{WHEEL}.metadata": f"../demo/{WHEEL}.metadata",
}


@pytest.mark.parametrize(("path", "location"), REDIRECTS.items())
def test_other_spellings_are_redirected(room: ReadingRoom, *, path: str, location: str) -> None:
    """301 with a relative Location, which holds behind any prefix; the query stays (bandersnatch asks `/simple`)."""
    for method in ("GET", "HEAD"):
        reply = room.get(path, method=method)
        assert (reply.status, reply.headers["location"], reply.body) == (301, location, b"")


@pytest.mark.parametrize("path", [*PLACES, *FILES])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_reading_places_take_no_other_method(room: ReadingRoom, *, path: str, method: str) -> None:
    """405 with Allow; uv then asks whether the index URL was meant to be the upload URL."""
    reply = room.get(path, method=method)
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/legacy/",
        "/main/legacy/",
        "/api/simple/",
        "/project/simple/",
        "/simple/a/b/",
        "/main/files/",
        "/main/files/demo/",
        "/main/files/demo/x/y",
        "/files/simple/",
        "/healthz",
    ],
)
def test_what_is_not_the_lanes_goes_on(path: str) -> None:
    """First path segments of the server itself are no indexes."""
    assert read_path(path, MAIN) is None


def test_a_project_may_be_called_like_a_place() -> None:
    """`simple` and `files` are project names like others."""
    assert isinstance(read_path("/simple/simple/", MAIN), PagePath)
    assert isinstance(read_path("/main/simple/simple/", MAIN), PagePath)
    assert isinstance(read_path("/main/files/files/files-1.0.tar.gz", MAIN), FilePath)
    assert isinstance(read_path("/packages/main/files/files/files-1.0.tar.gz", MAIN), FilePath)
    assert read_path("/packages/files/files/files-1.0.tar.gz", MAIN) is None


def test_paths_are_told_apart() -> None:
    """Each family of paths is read as what it is."""
    assert isinstance(read_path("/team-a/simple/", MAIN), ListPath)
    assert read_path("/UPPER/simple/", MAIN) == NoPlace(None)
    assert read_path("/main/simple/-x/", MAIN) == NoPlace(MAIN)
    assert read_path("/team-a/simple/a..b/", MAIN) == Misspelt("../a-b/")
    path = read_path("/team-a/files/demo/demo-1.0.tar.gz.metadata", MAIN)
    assert isinstance(path, FilePath)
    assert (path.target.index, path.wants_metadata) == (parse_index_name("team-a"), True)


def test_every_lane_route_needs_the_right_to_read() -> None:
    """The table that the check at start reads names one right, and only methods that change nothing."""
    assert {route.access.right for route in LANE_ROUTES} == {Right.READ}
    assert {route.methods for route in LANE_ROUTES} == {("GET", "HEAD")}


def test_repeated_headers_are_one() -> None:
    """RFC 9110 5.2: two Accept lines mean the same as one with a comma."""
    repeated = [(b"accept", b"text/html;q=0.1"), (b"host", b"packages.example"), (b"accept", b"image/png")]
    exchange = read_exchange({"headers": repeated}, _send_nothing)
    assert exchange.text(b"accept") == "text/html;q=0.1, image/png"
    assert exchange.text(b"range") is None


def test_narrowed_lists_are_forgotten_when_they_grow_too_many() -> None:
    """The memory of lists is bounded in bytes; the least recently used goes first, an outdated one at once."""
    recent: Recent[str] = Recent(100)
    for key in ("a", "b"):
        recent.store(key, key, size_bytes=40, generation=1)
    assert recent.find("a", generation=1) == "a"
    recent.store("c", "c", size_bytes=40, generation=1)
    assert [recent.find(key, generation=1) for key in ("a", "b", "c")] == ["a", None, "c"]
    assert recent.find("a", generation=2) is None
    recent.store("huge", "huge", size_bytes=101, generation=1)
    assert recent.find("huge", generation=1) is None


def test_a_waiter_who_leaves_does_not_stop_the_others() -> None:
    """A client that disconnects during a load neither cancels nor fails it for those who wait with him."""

    async def scenario() -> list[str]:
        flights: Flights[str] = Flights()
        loads: list[str] = []

        async def load() -> str:
            await asyncio.sleep(0.01)
            loads.append("load")
            return "page"

        first = asyncio.create_task(flights.join("key", load))
        second = asyncio.create_task(flights.join("key", load))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == "page"
        return loads

    assert asyncio.run(scenario()) == ["load"]


async def _send_nothing(_message: Message) -> None:
    raise AssertionError("nothing is to be sent")
