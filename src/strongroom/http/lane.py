"""The hot path: pages and files, 99.9 % of the traffic, without a framework.

A plain ASGI callable in front of the router: path -> remembered principal -> right ->
ready bytes -> send. No thread hop and no SQL while the catalog stands still. What is
not its own goes to the next application. Decides nothing itself; it asks
`core/access.py` and `core/simpleapi/negotiate.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

from strongroom.core.access import SERVER, Anonymous, Principal, Right, demand, not_found
from strongroom.core.errors import NotAcceptable, NotAllowed, StrongroomError
from strongroom.core.names import IndexName
from strongroom.core.simpleapi.negotiate import PageType, Wish, choose_coding, negotiate
from strongroom.http.answers import read_headers, send_answer, send_error, send_whole
from strongroom.http.auth import Authenticator
from strongroom.http.cache import Cache
from strongroom.http.errors import Headers, status_of
from strongroom.http.files import Files
from strongroom.http.pages import Pages
from strongroom.http.paths import FilePath, LanePath, ListPath, Misspelt, NoPlace, PagePath, read_path
from strongroom.http.routes import Needs, Subject

_METHODS = ("GET", "HEAD")
_READ_INDEX = Needs(Right.READ, Subject.INDEX)
_READ_PROJECT = Needs(Right.READ, Subject.PROJECT)
_WISHES_LIMIT = 1000
_LONGEST_WISH = 1000


@dataclass(frozen=True, slots=True)
class LaneRoute:
    """A family of paths that the lane answers, with the right that it demands for them."""

    path: str
    access: Needs
    methods: tuple[str, ...] = _METHODS


LANE_ROUTES = (
    LaneRoute("/simple/", _READ_INDEX),
    LaneRoute("/simple/{project}/", _READ_PROJECT),
    LaneRoute("/legacy/+simple/{project}/", _READ_PROJECT),
    LaneRoute("/{index}/simple/", _READ_INDEX),
    LaneRoute("/{index}/simple/{project}/", _READ_PROJECT),
    LaneRoute("/{index}/legacy/+simple/{project}/", _READ_PROJECT),
    LaneRoute("/{index}/files/{project}/{filename}", _READ_PROJECT),
    LaneRoute("/{index}/files/{project}/{filename}.metadata", _READ_PROJECT),
)
"""What the lane serves; the check at start reads it beside the router's routes."""


class Lane:
    """The ASGI application in front. One per worker process."""

    def __init__(
        self, following: ASGIApp, *, authenticator: Authenticator, cache: Cache, pages: Pages, files: Files,
        default_index: IndexName,
    ) -> None:  # fmt: skip
        self._following = following
        self._authenticator = authenticator
        self._cache = cache
        self._pages = pages
        self._files = files
        self._default_index = default_index
        self._wishes: dict[tuple[bytes | None, bytes | None, bytes], Wish] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        path = read_path(scope["path"], self._default_index) if scope["type"] == "http" else None
        if path is None:
            await self._following(scope, receive, send)
            return
        try:
            await self._answer(path, scope, send)
        except StrongroomError as error:
            if status_of(error) >= 500:
                raise
            await send_error(send, error, with_body=scope["method"] != "HEAD")

    async def _answer(self, path: LanePath, scope: Scope, send: Send) -> None:
        if scope["method"] not in _METHODS:
            raise NotAllowed(
                "method",
                f"{scope['method']} is not possible here; this is where packages are read",
                "Use GET or HEAD; uploads go to the upload URL, which ends in /legacy/.",
                allowed=_METHODS,
            )
        if isinstance(path, Misspelt):
            await _send_redirect(scope, send, path.location)
            return
        principal = await self._admit(scope)
        if isinstance(path, NoPlace):
            self._refuse_nowhere(path, principal)
            return
        demand(principal, Right.READ, path.target, self._cache.open_indexes)
        match path:
            case PagePath():
                await self._send_page(path, scope, send)
            case FilePath():
                await self._send_file(path, scope, send)
            case ListPath():
                await self._send_list(path, principal, scope, send)

    async def _admit(self, scope: Scope) -> Principal:
        if not self._cache.is_current():
            await self._cache.refresh()
        remembered = self._authenticator.recall(scope)
        return await self._authenticator.identify(scope) if remembered is None else remembered

    def _refuse_nowhere(self, path: NoPlace, principal: Principal) -> None:
        """Raise what a reader, or nobody, gets for a missing project: the two must look the same."""
        if isinstance(principal, Anonymous) and path.index not in self._cache.open_indexes:
            demand(principal, Right.READ, SERVER, frozenset())
        raise not_found()

    async def _send_page(self, path: PagePath, scope: Scope, send: Send) -> None:
        headers = read_headers(scope)
        wish = self._read_wish(headers, scope["query_string"])
        answer = self._pages.find_project(path, wish) or await self._pages.get_project(path, wish)
        await send_answer(send, answer, if_none_match=headers.get(b"if-none-match"), with_body=scope["method"] == "GET")

    async def _send_list(self, path: ListPath, principal: Principal, scope: Scope, send: Send) -> None:
        headers = read_headers(scope)
        wish = self._read_wish(headers, scope["query_string"])
        answer = await self._pages.get_list(path.target.index, principal, wish)
        await send_answer(send, answer, if_none_match=headers.get(b"if-none-match"), with_body=scope["method"] == "GET")

    async def _send_file(self, path: FilePath, scope: Scope, send: Send) -> None:
        headers = read_headers(scope)
        if not path.wants_metadata:
            stored = self._files.find(path) or await self._files.get(path)
            await self._files.send(scope, send, stored, headers)
            return
        coding = choose_coding(_text(headers.get(b"accept-encoding")))
        if coding is None:
            raise _not_acceptable()
        answer = await self._files.get_metadata(path, coding)
        await send_answer(send, answer, if_none_match=headers.get(b"if-none-match"), with_body=scope["method"] == "GET")

    def _read_wish(self, headers: dict[bytes, bytes], query: bytes) -> Wish:
        key = (headers.get(b"accept"), headers.get(b"accept-encoding"), query)
        wish = self._wishes.get(key)
        if wish is None:
            wish = negotiate(_text(key[0]), _text(key[1]), read_format(query) if query else None)
            if wish is None:
                raise _not_acceptable()
            if len(self._wishes) < _WISHES_LIMIT and sum(len(part or b"") for part in key) < _LONGEST_WISH:
                self._wishes[key] = wish
        return wish


def read_format(query: bytes) -> str | None:
    """Return the value of `?format=`; a plus sign means itself, as in `application/vnd.pypi.simple.v1+json`."""
    for pair in query.decode("latin-1").split("&"):
        key, _, value = pair.partition("=")
        if key == "format":
            return unquote(value)
    return None


async def _send_redirect(scope: Scope, send: Send, location: str) -> None:
    query: bytes = scope["query_string"]
    headers: Headers = [
        (b"location", location.encode() + (b"?" + query if query else b"")),
        (b"content-length", b"0"),
        (b"cache-control", b"private, max-age=3600"),
    ]
    await send_whole(send, 301, headers, b"")


def _not_acceptable() -> NotAcceptable:
    offered = ", ".join(page_type.value for page_type in PageType)
    return NotAcceptable(
        "not-acceptable",
        "No form of this page is acceptable to the client",
        f"Accept one of {offered}, or drop ?format=",
    )


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
