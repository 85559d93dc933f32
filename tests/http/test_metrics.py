"""What is counted, kept and shown, and the name that each request has."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.core.errors import NotFound, StorageFault, Unavailable
from strongroom.http import metrics_layout as layout
from strongroom.http.entrance import Catching
from strongroom.http.lane import Lane
from strongroom.http.log import JsonLines
from strongroom.http.metrics import Meters
from strongroom.http.metrics_board import Board, server_directory
from strongroom.http.watch import Watched
from strongroom.ports import Transaction
from tests.factories import a_file
from tests.http.reading import ReadingRoom, reading_room

T = TypeVar("T")

_LABELS = r'\{[a-z]+="[^"{}]*"(,[a-z]+="[^"{}]*")*\}'
SAMPLE = re.compile(rf"strongroom_[a-z_]+({_LABELS})? [0-9.e+-]+|# (HELP|TYPE) strongroom_.*")


def answering(status: int = 200, body: bytes = b"{}", *, kind: int | None = None) -> ASGIApp:
    """Return an application that always gives the same answer."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if kind is not None:
            scope[layout.KIND_KEY] = kind
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def failing(error: Exception) -> ASGIApp:
    """Return an application that fails."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    return Catching(app)


def ask(app: ASGIApp, path: str = "/", *, method: str = "GET", **headers: str) -> tuple[dict[str, str], bytes, int]:
    """Ask, and return headers, body and status of the answer."""
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"key=secret", "headers": raw}
    told: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        told.append(message)

    async def run() -> None:
        await app(scope, receive, send)

    asyncio.run(run())
    return {key.decode(): value.decode() for key, value in told[0]["headers"]}, told[1]["body"], told[0]["status"]


class Keeping(logging.Handler):
    """Keeps the records."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.seen.append(record)


@contextmanager
def logged() -> Iterator[list[logging.LogRecord]]:
    """Yield what the program logs meanwhile."""
    handler, logger = Keeping(), logging.getLogger("strongroom")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield handler.seen
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def meters_of(room: ReadingRoom, board: Board, *, outcomes: dict[str, int] | None = None) -> Meters:
    """Return the meters of a reading room."""
    lane = getattr(room.app, "_app")  # noqa: B009 - the room keeps it to itself
    assert isinstance(lane, Lane)
    return Meters(board, room.catalog, room.cache, lane, outcomes or {}, version="1.2", free_bytes=lambda: 4096)


def values(text: bytes) -> dict[str, float]:
    """Return the samples of an exposition by name and labels."""
    lines = text.decode().splitlines()
    assert all(SAMPLE.fullmatch(line) for line in lines), [line for line in lines if not SAMPLE.fullmatch(line)]
    samples = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    assert len({name for name, _, _ in samples}) == len(samples)
    return {name: float(value) for name, _, value in samples}


def test_pages_and_files_are_counted() -> None:
    """By kind and status, with their time and what memory had; a download counts with its bytes, a look at it not."""
    board = Board()
    with reading_room() as room:
        meters = meters_of(room, board)
        token = room.add_token("bob", admin=True)
        room.publish(a_file("demo-1.0.tar.gz"), b"x" * 1000)
        inner = room.app
        room.app = Watched(inner, board.cells)
        for path in ("/simple/", "/simple/demo/", "/simple/demo/", "/simple/none/", "/elsewhere/at/all"):
            room.get(path, token=token)
        for method in ("GET", "HEAD"):
            room.get("/main/files/demo/demo-1.0.tar.gz", token=token, method=method)
        room.get("/main/files/demo/demo-1.0.tar.gz", token=token, range="bytes=0-1")
        found = values(room.run(meters.render()))

    assert found['strongroom_requests_total{kind="list",status="200"}'] == 1
    assert found['strongroom_requests_total{kind="page",status="200"}'] == 2
    assert found['strongroom_requests_total{kind="page",status="404"}'] == 1
    assert found['strongroom_requests_total{kind="other",status="404"}'] == 1
    assert found['strongroom_requests_total{kind="file",status="200"}'] == 2
    assert found['strongroom_requests_total{kind="file",status="206"}'] == 1
    assert found["strongroom_downloads_total"] == 1
    assert found["strongroom_downloaded_bytes_total"] == 1000
    assert found["strongroom_cache_hits_total"] == 3
    assert found["strongroom_cache_misses_total"] == 3
    assert found['strongroom_request_seconds_count{kind="page"}'] == 3
    assert found['strongroom_request_seconds_bucket{kind="page",le="+Inf"}'] == 3
    assert found['strongroom_request_seconds_sum{kind="page"}'] > 0
    assert found["strongroom_uploads_total"] == 0
    assert found["strongroom_disk_free_bytes"] == 4096
    assert found['strongroom_build_info{version="1.2"}'] == 1
    assert found["strongroom_workers"] == 1


def test_buckets_hold_what_is_shorter() -> None:
    """Prometheus' buckets are cumulative, and their limits belong to them."""
    board = Board()
    for place, count in enumerate((1, 2, 4)):
        board.cells[layout.PAGE * layout.WIDTH + layout.BUCKETS + place] = count
    with reading_room() as room:
        found = values(room.run(meters_of(room, board).render()))

    assert found['strongroom_request_seconds_bucket{kind="page",le="0.0005"}'] == 1
    assert found['strongroom_request_seconds_bucket{kind="page",le="0.0025"}'] == 7
    assert found['strongroom_request_seconds_count{kind="page"}'] == 7
    assert 'strongroom_request_seconds_count{kind="list"}' not in found


def test_an_upload_counts_once_it_is_acknowledged() -> None:
    """With the bytes of its request; a refused one is a request and no more."""
    board = Board()
    ask(Watched(answering(), board.cells), "/main/legacy/", method="POST", content_length="500")
    ask(Watched(answering(400), board.cells), "/legacy", method="POST", content_length="700")
    ask(Watched(answering(), board.cells), "/legacy/", method="GET", content_length="900")

    assert board.cells[layout.UPLOADS] == 1
    assert board.cells[layout.UPLOADED_BYTES] == 500


@pytest.mark.parametrize("length", ["many", None])
def test_a_length_that_nobody_tells_counts_nothing(length: str | None) -> None:
    """An upload in chunks has no Content-Length, and no header can spoil a number."""
    board = Board()
    headers = {} if length is None else {"content_length": length}
    ask(Watched(answering(), board.cells), "/legacy/", method="POST", **headers)

    assert (board.cells[layout.UPLOADS], board.cells[layout.UPLOADED_BYTES]) == (1, 0)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/v1/users", "api"),
        ("/healthz", "operation"),
        ("/metrics", "operation"),
        ("/legacy/", "upload"),
        ("/main/legacy", "upload"),
        ("/pypi/demo/json", "json"),
        ("/main/pypi/demo/1.0/json", "json"),
        ("/main/integrity/demo/1.0/x.whl/provenance", "integrity"),
        ("/setup", "other"),
        ("", "other"),
    ],
)
def test_other_paths_have_a_kind(path: str, kind: str) -> None:
    """A closed set: no path makes a label of its own."""
    assert layout.KINDS[layout.kind_of(path)] == kind


def test_a_strange_status_is_counted_too() -> None:
    """As status 0."""
    board = Board()
    ask(Watched(answering(418, kind=layout.PAGE), board.cells))

    assert board.cells[layout.PAGE * layout.WIDTH + layout.OTHER_STATUS] == 1


def test_workers_see_each_others_numbers(tmp_path: Path) -> None:
    """Whichever worker is asked, it tells of all, and of one that has ended what it had counted; its state is gone."""
    directory = server_directory(tmp_path, 1)
    code = (
        "import sys; from pathlib import Path; from strongroom.http.metrics_board import Board;"
        "from strongroom.http import metrics_layout as layout;"
        "board = Board(Path(sys.argv[1])); board.cells[layout.UPLOADS] = 5; board.cells[layout.WAITING_WRITES] = 9;"
        "board.close()"
    )
    subprocess.run([sys.executable, "-c", code, str(directory)], check=True, timeout=30)
    board = Board(directory)
    board.cells[layout.UPLOADS] = 2
    with reading_room() as room:
        found = values(room.run(meters_of(room, board).render()))
    board.close()

    assert found["strongroom_uploads_total"] == 7
    assert found["strongroom_workers"] == 1
    assert found["strongroom_waiting_writes"] == 0
    assert Board(directory).cells[layout.UPLOADS] == 2, "a worker with the same number goes on counting"


def test_a_full_disk_stops_no_worker(tmp_path: Path) -> None:
    """Where there is no room for a board, the numbers stay in memory, and a line says so."""
    (tmp_path / "metrics").write_text("in the way")
    with logged() as lines:
        board = Board(server_directory(tmp_path, 1))
    board.cells[layout.UPLOADS] += 1
    board.write()

    assert board.totals()[0][layout.UPLOADS] == 1
    assert [line.levelname for line in lines] == ["WARNING"]
    board.close()


def test_the_lag_is_what_a_worker_has_not_seen() -> None:
    """A change that the worker has not heard of is a lag of one, and sampling catches up."""
    with reading_room() as room:
        meters = meters_of(room, Board())
        room.run(meters.sample())
        assert values(room.run(meters.render()))["strongroom_serial_lag"] == 0
        room.add_index("other")
        behind = values(room.run(meters.render()))
        room.run(meters.sample())
        caught_up = values(room.run(meters.render()))

    assert (behind["strongroom_serial_lag"], caught_up["strongroom_serial_lag"]) == (1, 0)
    assert behind["strongroom_serial"] == caught_up["strongroom_serial"]


def test_numbers_are_told_while_the_catalog_is_away() -> None:
    """An outage is when they are wanted: only what the catalog alone knows is left out."""
    with reading_room() as room:
        meters = meters_of(room, Board(), outcomes={"found": 3, "timeout": 1})
        room.run(room.catalog.close())
        room.run(meters.sample())
        found = values(room.run(meters.render()))

    assert "strongroom_serial" not in found
    assert found['strongroom_upstream_requests_total{outcome="found"}'] == 3
    assert found['strongroom_upstream_requests_total{outcome="timeout"}'] == 1
    assert found['strongroom_upstream_requests_total{outcome="failed"}'] == 0


def test_each_request_has_a_name_of_its_own() -> None:
    """In the answer, so that a client can tell which request it asks about."""
    app = Watched(answering(), Board().cells)
    first, second = (ask(app)[0]["x-request-id"] for _ in range(2))

    assert first != second
    assert re.fullmatch(r"[0-9a-f]{10}-[0-9a-f]+", first)


@pytest.mark.parametrize("name", ["f2b7c9d0-11aa", "Root=1-67891233-abcdef012345678912345678", "a/b+c:d.e@f"])
def test_a_proxys_name_is_taken(name: str) -> None:
    """So that one name leads through all logs; a client that speaks for itself names nothing."""
    believing = Watched(answering(), Board().cells, is_from_proxy=lambda _scope: True)
    strict = Watched(answering(), Board().cells, is_from_proxy=lambda _scope: False)

    assert ask(believing, x_request_id=name)[0]["x-request-id"] == name
    assert ask(strict, x_request_id=name)[0]["x-request-id"] != name


@pytest.mark.parametrize("name", ["", "two words", "a" * 129, 'quo"te', "\x1b[31m", "ümlaut", "line\nend"])
def test_a_name_that_could_do_harm_is_replaced(name: str) -> None:
    """Whatever a client invents must not spoil logs, headers or memory."""
    app = Watched(answering(), Board().cells, is_from_proxy=lambda _scope: True)
    given = ask(app, x_request_id=name)[0]["x-request-id"]

    assert given != name
    assert re.fullmatch(r"[0-9a-f]{10}-[0-9a-f]+", given)


@pytest.mark.parametrize("error", [StorageFault("blob-fault", "gone"), ValueError("odd"), Unavailable("away", "away")])
def test_a_servers_fault_names_the_request(error: Exception) -> None:
    """Answer, body and log line carry the same name; the log has neither query nor credentials."""
    with logged() as lines:
        app = Watched(failing(error), Board().cells, is_from_proxy=lambda _scope: True)
        headers, body, status = ask(app, "/simple/demo/", x_request_id="r-1", authorization="Basic hidden")

    assert status >= 500
    assert headers["x-request-id"] == json.loads(body)["request"] == "r-1"
    written = "".join(JsonLines().format(line) for line in lines)
    assert '"request":"r-1"' in written
    assert "secret" not in written
    assert "hidden" not in written


def test_what_is_not_there_is_answered_with_the_same_bytes() -> None:
    """What a client may not see must not be told from what is missing, so its answer's body has no name in it."""
    app = Watched(failing(NotFound("not-found", "nothing")), Board().cells)

    assert ask(app, "/one")[1] == ask(app, "/two")[1]


def test_the_access_log_has_a_line_for_each_request() -> None:
    """Name, client, method, path, status and time; never the query, and none without being asked for."""
    with logged() as lines:
        ask(Watched(answering(), Board().cells))
        assert lines == []
        ask(Watched(answering(kind=layout.PAGE), Board().cells, address=lambda _scope: "192.0.2.9"), "/simple/demo/")

    (line,) = [json.loads(JsonLines().format(line)) for line in lines]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/simple/demo/", 200)
    assert line["client"] == "192.0.2.9"
    assert line["milliseconds"] >= 0
    assert line["request"]
    assert "secret" not in str(line)


def test_a_catalog_that_hangs_holds_no_scrape(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers come after a second, without the serial."""

    class Hanging(MemoryCatalog):
        async def read(self, fn: Callable[[Transaction], T]) -> T:
            await asyncio.sleep(60)
            return await super().read(fn)

    monkeypatch.setattr("strongroom.http.metrics._PATIENCE_SECONDS", 0.01)
    with reading_room() as room:
        meters = meters_of(room, Board())
        hanging = Meters(meters.board, Hanging(), meters.cache, meters.lane, {})
        found = values(room.run(hanging.render()))

    assert "strongroom_serial" not in found
    assert "strongroom_disk_free_bytes" not in found
