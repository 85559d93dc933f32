"""The JSON API's routes: `/{index}/pypi/{project}/json` and `/{index}/pypi/{project}/{version}/json`.

Decides on spellings, absolute URLs and caching; what the body says is decided in
`core/jsonapi.py`.
"""

from __future__ import annotations

import asyncio

from packaging.version import Version
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from strongroom.core.access import ProjectTarget, Right, not_found
from strongroom.core.caller import Caller
from strongroom.core.errors import InvalidName, NotAcceptable
from strongroom.core.jsonapi import Places, render_project, render_release
from strongroom.core.names import IndexName, parse_version
from strongroom.core.simpleapi.negotiate import choose_coding
from strongroom.core.simpleapi.representation import represent
from strongroom.http.answers import REVALIDATE, Answer, is_unmodified, make_answer
from strongroom.http.cache import Cache, Moment
from strongroom.http.routes import Needs, Route, Subject, read_index, read_project
from strongroom.services.browse import Browse

_METHODS = ("GET", "HEAD")
_VARY = b"Accept-Encoding, Authorization"
_LONGEST_BASE = 256
_MOST_BASES = 8
"""Names that one server is usually known by, where no public URL is set."""


class JsonApi:
    """Handlers of the JSON API. `prefix` is the path in front of all URLs where no public URL is known."""

    def __init__(
        self, browse: Browse, cache: Cache, *, default_index: IndexName, public_url: str | None, prefix: str = ""
    ) -> None:
        self._browse = browse
        self._cache = cache
        self._default_index = default_index
        self._public_url = public_url
        self._prefix = prefix
        self._bases: set[str] = set()

    def routes(self) -> tuple[Route, ...]:
        """Return the routes, with and without the slash at the end: clients send both."""
        return tuple(
            Route(
                f"{start}/pypi/{{project}}{version}/json{end}",
                _METHODS,
                self.handle,
                Needs(Right.READ, Subject.PROJECT),
            )
            for start in ("", "/{index}")
            for version in ("", "/{version}")
            for end in ("", "/")
        )

    async def handle(self, request: Request, _caller: Caller) -> Response:
        """Answer for a project or one release of it; raises `NotFound`, `NotAcceptable`."""
        better = _find_spelling(request)
        if better is not None:
            return RedirectResponse(better, status_code=301)
        answer = await self._get_answer(request)
        return render_answer(request, answer)

    async def _get_answer(self, request: Request) -> Answer:
        index, project = read_index(request.path_params, self._default_index), read_project(request.path_params)
        version = _read_version(request.path_params.get("version"))
        coding = choose_coding(request.headers.get("accept-encoding"))
        if coding is None:
            raise NotAcceptable("not-acceptable", "No acceptable content coding is offered", "Accept gzip or identity.")
        base = self._public_url or f"{request.url.scheme}://{request.url.netloc}{self._prefix}"
        key, generation = ("json", version, coding, base), self._cache.generation
        found = self._cache.find((index, project), key)
        if isinstance(found, Answer):
            return found
        facts = await self._browse.get_release(ProjectTarget(index, project), version)
        render = render_project if version is None else render_release
        # bandersnatch takes no file whose path does not begin with /packages, as PyPI's do.
        places = Places(files=f"{base}/packages/{index}/files/", projects=f"{base}/project/")
        body = await asyncio.to_thread(render, facts, places)
        answer = make_answer(
            await asyncio.to_thread(represent, "application/json", body, coding=coding),
            cache_control=REVALIDATE,
            vary=_VARY,
            extra=[(b"x-pypi-last-serial", str(facts.page.serial).encode())],
        )
        if self._is_usual(base):
            moment = Moment(generation, facts.page.valid_until)
            self._cache.store((index, project), key, value=answer, size_bytes=answer.size_bytes, moment=moment)
        return answer

    def _is_usual(self, base: str) -> bool:
        """Return whether to keep what is made for it: a client can send any Host, and must not fill the cache."""
        if len(self._bases) < _MOST_BASES and len(base) <= _LONGEST_BASE:
            self._bases.add(base)
        return base in self._bases


def render_answer(request: Request, answer: Answer) -> Response:
    """Return the answer as a response of the router: whole, without body for HEAD, or 304."""
    if is_unmodified(_raw_header(request, "if-none-match"), answer.etag):
        response = Response(status_code=304)
        response.raw_headers = answer.headers_304.copy()
        return response
    response = Response(b"" if request.method == "HEAD" else answer.body)
    response.raw_headers = answer.headers.copy()
    return response


def _raw_header(request: Request, name: str) -> bytes | None:
    value = request.headers.get(name)
    return None if value is None else value.encode("latin-1")


def _find_spelling(request: Request) -> str | None:
    """Return the relative URL of the normalised name, or None when the name is normalised."""
    raw, name = request.path_params["project"], read_project(request.path_params)
    if raw == name:
        return None
    rest = request.scope["path"].split(f"/pypi/{raw}/", 1)[1]
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{'../' * (rest.count('/') + 1)}{name}/{rest}{query}"


def _read_version(raw: str | None) -> Version | None:
    try:
        return None if raw is None else parse_version(raw)
    except InvalidName:
        raise not_found() from None
