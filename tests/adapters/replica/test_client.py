"""The primary over HTTP, against a server of the test's own on the loopback address."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import pytest

from strongroom.adapters.replica.client import HttpPrimary
from strongroom.core.errors import Conflict, Forbidden, NotFound, StorageFault, StrongroomError, Unavailable
from strongroom.core.replica import FORMAT, PRIMARY_SILENT, Page, encode_page, sign_page
from strongroom.core.replica_rows import Rows
from tests.factories import sha256_of

T = TypeVar("T")
KEY = b"the shared key"
EMPTY = Page(format=FORMAT, since=3, since_hash=bytes(32), head=3, entries=(), rows=Rows())


class Stand(ThreadingHTTPServer):
    """A server that answers everything with the same status and body, and notes what it was asked."""

    status = 200
    body = b""
    promised_bytes: int | None = None
    is_slow = False
    key: bytes | None = KEY
    """What pages are signed with; None: not at all."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.asked: list[tuple[str, str | None]] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answering(BaseHTTPRequestHandler):
    """One request."""

    server: Stand

    def do_GET(self) -> None:
        """Answer as the server says."""
        server = self.server
        server.asked.append((self.path, self.headers["Authorization"]))
        if server.is_slow:
            server.released.wait(10)
        self.send_response(server.status)
        self.send_header("Location", "http://elsewhere.example/")
        self.send_header("Content-Length", str(server.promised_bytes or len(server.body)))
        if server.key is not None:
            nonce = self.headers["Strongroom-Nonce"] or ""
            self.send_header("Strongroom-Signature", sign_page(server.key, server.body, nonce=nonce))
        self.end_headers()
        self.wfile.write(server.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's own name
        """Say nothing."""


@pytest.fixture
def stand() -> Iterator[Stand]:
    """Provide the server."""
    with Stand() as stand:
        thread = threading.Thread(target=stand.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield stand
        stand.released.set()
        stand.shutdown()
        thread.join()


def ask(url: str, question: str = "page", **options: float) -> Page | bytes:
    """Ask the primary at the URL once."""

    async def go() -> Page | bytes:
        primary = HttpPrimary(url, "a-token", key=KEY, **options)
        try:
            if question == "page":
                return await primary.get_page(3, limit=5)
            size_bytes = 10 if question == "blob" else None
            return b"".join([chunk async for chunk in primary.read_blob(sha256_of("x"), size_bytes=size_bytes)])
        finally:
            await primary.close()
            await primary.close()

    return run(go())


def run(work: Coroutine[Any, Any, T]) -> T:  # Any: what coroutines yield and take
    """Run it to its end."""
    return asyncio.run(work)


def test_a_page_is_asked_for_with_the_token(stand: Stand) -> None:
    """The feed's URL, the serial and the token are sent; the page is read."""
    stand.body = encode_page(EMPTY)
    assert ask(stand.url + "/") == EMPTY
    assert stand.asked == [("/api/v1/changes?since=3&limit=5", "Bearer a-token")]


def test_bytes_are_asked_for_by_digest(stand: Stand) -> None:
    """The size is sent where it is known."""
    stand.body = b"some bytes"
    assert ask(stand.url, "blob") == b"some bytes"
    assert ask(stand.url, "sidecar") == b"some bytes"
    path = f"/api/v1/blobs/sha256/{sha256_of('x')}"
    assert [asked for asked, _ in stand.asked] == [f"{path}?size_bytes=10", path]


@pytest.mark.parametrize(
    ("status", "question", "kind", "code"),
    [
        (401, "page", Forbidden, "replica-token"),
        (403, "blob", Forbidden, "replica-token"),
        (404, "page", Conflict, "primary-odd"),
        (404, "blob", NotFound, "blob-unknown"),
        (302, "page", Conflict, "primary-odd"),
        (503, "page", Unavailable, "primary-failing"),
        (200, "page", Conflict, "replica-version"),
    ],
)
def test_what_the_primary_refuses_is_said_in_words(
    stand: Stand, status: int, question: str, *, kind: type[StrongroomError], code: str
) -> None:
    """Each status means something to the operator; a redirect is not followed, so the token goes nowhere else."""
    stand.status, stand.body = status, b"{}"
    with pytest.raises(kind) as caught:
        ask(stand.url, question)
    assert (caught.value.code, bool(caught.value.hint) or code == "blob-unknown") == (code, True)
    assert "a-token" not in caught.value.sentence
    assert len(stand.asked) == 1


def test_a_page_of_another_format_is_refused(stand: Stand) -> None:
    """A newer program's page is not half understood."""
    stand.body = encode_page(EMPTY).replace(b'"format":1', b'"format":2')
    with pytest.raises(Conflict, match="format 2"):
        ask(stand.url)


def test_a_primary_that_is_away_says_why(stand: Stand) -> None:
    """Nobody there, or silence: `Unavailable`, with the cause and the code that lets a replica take over."""
    with pytest.raises(Unavailable, match="connection refused") as caught:
        ask("http://127.0.0.1:1")
    assert caught.value.code == PRIMARY_SILENT
    stand.is_slow = True
    with pytest.raises(Unavailable, match="says nothing") as caught:
        ask(stand.url, silent_seconds=0.2)
    assert caught.value.code == PRIMARY_SILENT


def test_a_broken_answer_is_an_answer(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody is there, or the way to him is broken: nothing that lets a replica take over."""
    stand.body, stand.promised_bytes = b"short", 1000
    for question in ("page", "blob"):
        with pytest.raises(Unavailable, match="broke off") as caught:
            ask(stand.url, question)
        assert caught.value.code == "primary-failing"
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with pytest.raises(Unavailable, match="a proxy on the way") as caught:
        ask("http://primary.example")
    assert caught.value.code == "primary-failing"


def test_what_is_not_signed_with_the_shared_key_is_not_read(stand: Stand) -> None:
    """Whoever stands in the way can give no rows: not without the key, and not with an answer of yesterday."""
    stand.body, stand.key = encode_page(EMPTY), b"another key"
    with pytest.raises(StorageFault, match="not signed with this key"):
        ask(stand.url)
    stand.key = None
    with pytest.raises(Conflict, match="does not sign"):
        ask(stand.url)


def test_the_environment_names_the_proxy_and_netrc_names_nobody(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A netrc entry for the primary changes nothing: the token is the only credential."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\nmachine primary.example login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    stand.body = encode_page(EMPTY)
    assert ask(stand.url) == EMPTY
    monkeypatch.setenv("http_proxy", stand.url.removeprefix("http://"))
    assert ask("http://primary.example") == EMPTY
    assert stand.asked[-1] == ("http://primary.example/api/v1/changes?since=3&limit=5", "Bearer a-token")
    assert {credentials for _, credentials in stand.asked} == {"Bearer a-token"}
