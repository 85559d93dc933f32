"""The hot path: pages and files, 99.9 % of the traffic, without a framework.

A plain ASGI callable in front of the router: path -> remembered principal -> right ->
ready bytes -> send. No thread hop and no SQL while the catalog stands still. What is
not its own goes to the next application. Decides nothing itself; it asks
`core/access.py` and `core/simpleapi/negotiate.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

from strongroom.core.access import SERVER, Anonymous, Principal, Right, demand, not_found
from strongroom.core.errors import NotAcceptable, NotAllowed, StrongroomError
from strongroom.core.names import IndexName
from strongroom.core.simpleapi.negotiate import Coding, PageType, Wish, choose_coding, negotiate
from strongroom.http.auth import Authenticator
from strongroom.http.cache import Cache
from strongroom.http.errors import Headers, status_of
from strongroom.http.exchange import Exchange, read_exchange
from strongroom.http.files import Files, StoredFile
from strongroom.http.metrics_layout import FILE, KIND_KEY, LIST, METADATA, OTHER, PAGE
from strongroom.http.pages import Pages
from strongroom.http.paths import FilePath, LanePath, ListPath, Misspelt, NoPlace, PagePath, read_path
from strongroom.http.routes import Needs, Subject

_METHODS = ("GET", "HEAD")
_READ_INDEX = Needs(Right.READ, Subject.INDEX)
_READ_PROJECT = Needs(Right.READ, Subject.PROJECT)
_WISHES_LIMIT = 1000
_LONGEST_WISH = 1000
_PATHS_LIMIT = 20_000
_LONGEST_PATH = 500


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
    LaneRoute("/packages/{index}/files/{project}/{filename}", _READ_PROJECT),
    LaneRoute("/packages/{index}/files/{project}/{filename}.metadata", _READ_PROJECT),
)
"""What the lane serves; the access matrix is run over it beside the router's routes."""


@dataclass(slots=True)
class Lane:
    """The ASGI application in front. One per worker process."""

    following: ASGIApp
    authenticator: Authenticator
    cache: Cache
    pages: Pages
    files: Files
    default_index: IndexName
    hits: int = 0
    misses: int = 0
    """How many pages and files were, and were not, ready in memory."""
    _paths: dict[str, LanePath] = field(default_factory=dict)
    _wishes: dict[tuple[bytes | None, bytes | None, bytes], Wish] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        path = self._read_path(scope["path"]) if scope["type"] == "http" else None
        if path is None:
            await self.following(scope, receive, send)
            return
        scope[KIND_KEY] = _kind_of(path)
        exchange = read_exchange(scope, send)
        try:
            await self._answer(path, exchange)
        except StrongroomError as error:
            if status_of(error) >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            await exchange.give_error(error)

    def _read_path(self, raw: str) -> LanePath | None:
        path = self._paths.get(raw)
        if path is None:
            path = read_path(raw, self.default_index)
            if path is not None and len(raw) <= _LONGEST_PATH:
                if len(self._paths) >= _PATHS_LIMIT:
                    self._paths.clear()
                self._paths[raw] = path
        return path

    async def _answer(self, path: LanePath, exchange: Exchange) -> None:
        method = exchange.scope["method"]
        if method not in _METHODS:
            raise NotAllowed(
                "method",
                f"{method} is not possible here; this is where packages are read",
                "Use GET or HEAD; uploads go to the upload URL, which ends in /legacy/.",
                allowed=_METHODS,
            )
        if isinstance(path, Misspelt):
            await _redirect(exchange, path.location)
            return
        principal = await self._admit(exchange.scope)
        if isinstance(path, NoPlace):
            raise self._refusal(path, principal)
        demand(principal, Right.READ, target=path.target, open_indexes=self.cache.open_indexes)
        match path:
            case PagePath():
                wish = self._read_wish(exchange)
                answer = self.pages.find_project(path, wish)
                self._remember_hit(answer)
                await exchange.give(answer or await self.pages.get_project(path, wish))
            case FilePath(wants_metadata=False):
                found = self.files.find(path)
                self._remember_hit(found)
                file = found or await self.files.get(path)
                if isinstance(file, StoredFile):
                    await self.files.send(exchange, file)
                else:
                    await self.files.send_passing(exchange, file)
            case FilePath():
                await exchange.give(await self.files.get_metadata(path, _read_coding(exchange)))
            case ListPath():
                wish = self._read_wish(exchange)
                await exchange.give(await self.pages.get_list(path.target.index, principal, wish=wish))

    def _remember_hit(self, found: object | None) -> None:
        if found is None:
            self.misses += 1
        else:
            self.hits += 1

    async def _admit(self, scope: Scope) -> Principal:
        if not self.cache.is_current():
            await self.cache.refresh()
        remembered = self.authenticator.recall(scope)
        return await self.authenticator.identify(scope) if remembered is None else remembered

    def _refusal(self, path: NoPlace, principal: Principal) -> StrongroomError:
        """Return what a missing project gives: to nobody 401, to everybody else 404, the same bytes always."""
        if isinstance(principal, Anonymous) and path.index not in self.cache.open_indexes:
            demand(principal, Right.READ, target=SERVER, open_indexes=frozenset())
        return not_found()

    def _read_wish(self, exchange: Exchange) -> Wish:
        headers, query = exchange.headers, exchange.scope["query_string"]
        key = (headers.get(b"accept"), headers.get(b"accept-encoding"), query)
        wish = self._wishes.get(key)
        if wish is None:
            format_query = read_format(query) if query else None
            wish = negotiate(exchange.text(b"accept"), exchange.text(b"accept-encoding"), format_query=format_query)
            if wish is None:
                raise _not_acceptable()
            if len(self._wishes) < _WISHES_LIMIT and sum(len(part or b"") for part in key) < _LONGEST_WISH:
                self._wishes[key] = wish
        return wish


def _kind_of(path: LanePath) -> int:
    """Return the kind of request that the numbers show (`metrics_layout.py`)."""
    match path:
        case PagePath():
            return PAGE
        case FilePath():
            return METADATA if path.wants_metadata else FILE
        case ListPath():
            return LIST
        case _:
            return OTHER


def read_format(query: bytes) -> str | None:
    """Return the value of `?format=`; a plus sign means itself, as in `application/vnd.pypi.simple.v1+json`."""
    for pair in query.decode("latin-1").split("&"):
        key, _, value = pair.partition("=")
        if key == "format":
            return unquote(value)
    return None


def _read_coding(exchange: Exchange) -> Coding:
    coding = choose_coding(exchange.text(b"accept-encoding"))
    if coding is None:
        raise _not_acceptable()
    return coding


async def _redirect(exchange: Exchange, location: str) -> None:
    query: bytes = exchange.scope["query_string"]
    headers: Headers = [
        (b"location", location.encode() + (b"?" + query if query else b"")),
        (b"content-length", b"0"),
        (b"cache-control", b"private, max-age=3600"),
    ]
    await exchange.respond(301, headers=headers)


def _not_acceptable() -> NotAcceptable:
    offered = ", ".join(page_type.value for page_type in PageType)
    return NotAcceptable(
        "not-acceptable",
        "No form in which this is served is acceptable to the client",
        f"Accept one of {offered}, in zstd, gzip or identity.",
    )
