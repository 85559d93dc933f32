"""An upload counter: the real layers on memory stores, and a client that sends bodies in pieces."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message

from strongroom.core.access import Grant, Right
from strongroom.core.delegation import TokenRequest
from strongroom.core.names import parse_user_name
from strongroom.http.app import Guard, build_router
from strongroom.http.auth import Authenticator
from strongroom.http.body import BodyDeadlines, BodyGuard
from strongroom.http.cache import Cache
from strongroom.http.entrance import Catching
from strongroom.http.files import Files
from strongroom.http.lane import Lane
from strongroom.http.pages import Pages
from strongroom.http.upload import Legacy
from strongroom.services.browse import Browse
from strongroom.services.download import Download
from strongroom.services.sign_in import SignIn
from strongroom.services.tokens import Tokens
from tests.factories import MAIN, OPERATOR, a_grant, a_user, an_index
from tests.fake_mirror import FakeAsked, FakeMirror
from tests.fakes import FakePasswords
from tests.http.forms import Body
from tests.services.publishing import Place

PIECE_BYTES = 1000


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, and how much of the body was read for it."""

    status: int
    headers: dict[str, str]
    body: bytes
    read_pieces: int

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


@dataclass(slots=True)
class Counter:
    """The server's side, and the client's."""

    place: Place = field(default_factory=Place)
    deadlines: BodyDeadlines = field(default_factory=BodyDeadlines)
    token: str = ""
    app: ASGIApp = field(init=False)

    async def open(self, *grants: Grant) -> None:
        """Make the index `main` (and `closed`, without uploads), Bob with his grants, and his token."""
        place = self.place
        await place.prepare()
        await place.prepare(an_index("closed", accepts_uploads=False))
        await place.admit(a_user("bob"), *(grants or (a_grant(Right.READ, Right.UPLOAD),)))
        wanted = TokenRequest(owner=parse_user_name("bob"))
        issued = await Tokens(place.catalog, place.secrets, place.clock).issue(OPERATOR, wanted)
        self.token = issued.text.render()
        self.app = self._assemble()

    def _assemble(self) -> ASGIApp:
        place = self.place
        cache = Cache(place.catalog, place.clock)
        sign_in = SignIn(place.catalog, place.secrets, FakePasswords(), place.clock)
        authenticator = Authenticator(sign_in, cache, clock=place.clock, trusted_proxies=())
        lane = Lane(
            build_router(Guard(authenticator, cache, MAIN), Legacy(place.publish, MAIN).routes()),
            authenticator=authenticator,
            cache=cache,
            pages=Pages(self._browse(), cache, clock=place.clock, public_url=None),
            files=Files(Download(place.catalog, place.blobs, FakeMirror(), place.clock), cache),
            default_index=MAIN,
        )
        return BodyGuard(Catching(lane), self.deadlines)

    def _browse(self) -> Browse:
        return Browse(self.place.catalog, self.place.blobs, FakeMirror(), FakeAsked(), self.place.clock)

    async def post(self, body: Body, path: str = "/legacy/", *, token: str | None = None, **headers: str) -> Reply:
        """Send an upload in pieces; a header is given by its name with underscores."""
        pieces = [body.content[start : start + PIECE_BYTES] for start in range(0, len(body.content), PIECE_BYTES)]
        told = {"content_type": body.content_type, "content_length": str(len(body.content)), **headers}
        return await self.ask("POST", path, token=token, pieces=pieces or [b""], headers=told)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        pieces: Iterable[bytes | float | None] = (b"",),
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Send a request; among the pieces a number is a pause in seconds, None the end of the connection."""
        secret = self.token if token is None else token
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in (headers or {}).items()]
        if secret:
            raw.append((b"authorization", b"Basic " + base64.b64encode(f"__token__:{secret}".encode())))
        location, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": location,
            "raw_path": location.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"packages.example"), *raw],
            "client": ("192.0.2.1", 40000),
            "server": ("packages.example", 443),
            "extensions": {},
        }
        sender = Sender(list(pieces))
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        await self.app(scope, sender.receive, send)
        return _reply(sent, sender.taken)


class Sender:
    """ASGI's `receive` for a list of pieces."""

    def __init__(self, pieces: list[bytes | float | None]) -> None:
        self._pieces = pieces
        self.taken = 0

    async def receive(self) -> Message:
        """Return the next piece; after the last one, nothing until the end of time."""
        while self.taken < len(self._pieces):
            piece = self._pieces[self.taken]
            self.taken += 1
            match piece:
                case None:
                    return {"type": "http.disconnect"}
                case bytes():
                    return {"type": "http.request", "body": piece, "more_body": self.taken < len(self._pieces)}
                case _:
                    await asyncio.sleep(piece)
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


def _reply(sent: list[Message], read_pieces: int) -> Reply:
    if not sent:
        return Reply(0, {}, b"", read_pieces)
    start, *rest = sent
    headers = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    body = b"".join(part.get("body", b"") for part in rest)
    assert int(headers.get("content-length", len(body))) == len(body)
    assert not rest[-1].get("more_body", False), "the answer was never ended"
    return Reply(start["status"], headers, body, read_pieces)
