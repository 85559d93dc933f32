"""Simple pages as ready answers: rendered once per change, kept in the worker's cache.

Decides what is kept under which key. Does not route, negotiate or judge who may read;
the lane does.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from strongroom.core.access import Principal, ProjectTarget, Signed, not_found
from strongroom.core.errors import NotFound
from strongroom.core.names import IndexName
from strongroom.core.pages import ProjectList, narrow_project_list, reads_every_project
from strongroom.core.simpleapi.negotiate import PageType, Wish
from strongroom.core.simpleapi.render import Links, render_project_list, render_project_page
from strongroom.core.simpleapi.representation import represent
from strongroom.http.answers import REVALIDATE, Answer, make_answer
from strongroom.http.cache import WAYS, Cache, Moment, Shelf
from strongroom.http.flights import Flights
from strongroom.http.paths import PagePath
from strongroom.http.recent import Recent
from strongroom.ports import Clock
from strongroom.services.browse import Browse

_VARY = b"Accept, Accept-Encoding, Authorization"
_MISSING = "missing"
_MISSING_FOR = timedelta(seconds=5)
_KEY_BYTES = 512
_WAYS_BYTES = 1200
"""By `tracemalloc`, for a way through two indexes."""
SHORT_FILES = 30
SHORT_BYTES = 16 * 1024
"""Up to these a page is rendered and packed in the event loop: it takes less than handing it to a thread."""
_ENTRIES = "entries"
_ENTRY_BYTES = 256
_NARROWED_LIMIT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Body:
    """A page before it is coded, with the serial that goes with it."""

    content: bytes
    serial: int
    valid_until: datetime | None = None


class Pages:
    """Finds an answer in the cache, or makes it. One per worker process."""

    def __init__(self, browse: Browse, cache: Cache, *, clock: Clock, public_url: str | None) -> None:
        self._browse = browse
        self._cache = cache
        self._clock = clock
        self._secure_url = public_url if public_url and _is_secure(public_url) else None
        self._bodies: Flights[_Body] = Flights()
        self._answers: Flights[Answer] = Flights()
        self._lists: Flights[ProjectList] = Flights()
        self._narrowed: Recent[Answer] = Recent(_NARROWED_LIMIT_BYTES)

    def find_project(self, path: PagePath, wish: Wish) -> Answer | None:
        """Return the page's answer if it is ready."""
        found = self._cache.find(_shelf(path.target), (path.files_url, wish))
        return found if isinstance(found, Answer) else None

    async def get_project(self, path: PagePath, wish: Wish) -> Answer:
        """Return the page's answer; raises `NotFound`."""
        flight = (path.target, path.files_url, wish, self._cache.generation)
        return await self._answers.join(flight, lambda: self._make_project(path, wish))

    async def get_list(self, index: IndexName, principal: Principal, *, wish: Wish) -> Answer:
        """Return the list of what the principal may read of the index; raises `NotFound`."""
        if reads_every_project(principal, index, open_indexes=self._cache.open_indexes):
            return await self._get_full_list(index, wish)
        return await self._get_narrowed_list(index, principal, wish=wish)

    async def _make_project(self, path: PagePath, wish: Wish) -> Answer:
        generation = self._cache.generation
        body = await self._get_body(path, wish.page_type)
        if len(body.content) <= SHORT_BYTES:
            answer = _make_page_answer(body, wish)
        else:
            answer = await asyncio.to_thread(_make_page_answer, body, wish)
        key, moment = (path.files_url, wish), Moment(generation, body.valid_until)
        self._cache.store(_shelf(path.target), key, value=answer, size_bytes=answer.size_bytes, moment=moment)
        return answer

    async def _get_body(self, path: PagePath, page_type: PageType) -> _Body:
        """Return the page before coding; its codings and both HTML types share it."""
        shelf = _shelf(path.target)
        if self._cache.find(shelf, _MISSING):
            raise not_found()
        family = PageType.JSON if page_type is PageType.JSON else PageType.HTML
        key = (path.files_url, family)
        kept = self._cache.find(shelf, key)
        if isinstance(kept, _Body):
            return kept
        flight = (shelf, key, self._cache.generation)
        return await self._bodies.join(flight, lambda: self._load_body(path, family))

    async def _load_body(self, path: PagePath, family: PageType) -> _Body:
        shelf, generation = _shelf(path.target), self._cache.generation
        try:
            page = await self._browse.get_project_page(path.target)
        except NotFound:
            moment = Moment(generation, self._missing_until())
            self._cache.store(shelf, _MISSING, value=True, size_bytes=_KEY_BYTES, moment=moment)
            raise
        links = Links(path.files_url, self._integrity_url(path.target.index))
        if len(page.files) <= SHORT_FILES:
            content = render_project_page(page, family, links=links)
        else:
            content = await asyncio.to_thread(render_project_page, page, family, links=links)
        body = _Body(content, page.serial, page.valid_until)
        key, moment = (path.files_url, family), Moment(generation, page.valid_until)
        self._cache.store(shelf, key, value=body, size_bytes=len(content) + _KEY_BYTES, moment=moment)
        if page.ways:  # the files are asked for next
            self._cache.store(shelf, WAYS, value=page.ways, size_bytes=_WAYS_BYTES, moment=Moment(generation))
        return body

    def _missing_until(self) -> datetime | None:
        """Return how long a name counts as missing: without an event only an upstream can get it."""
        has_upstream = any(index.upstream is not None for index in self._cache.indexes.values())
        return self._clock.now() + _MISSING_FOR if has_upstream else None

    async def _get_full_list(self, index: IndexName, wish: Wish) -> Answer:
        shelf: Shelf = (index, None)
        found = self._cache.find(shelf, wish)
        if isinstance(found, Answer):
            return found
        flight = (index, wish, self._cache.generation)
        return await self._answers.join(flight, lambda: self._make_full_list(index, wish))

    async def _make_full_list(self, index: IndexName, wish: Wish) -> Answer:
        generation = self._cache.generation
        projects = await self._get_entries(index)
        answer = await asyncio.to_thread(_make_list_answer, projects, wish)
        moment = Moment(generation, projects.valid_until)
        self._cache.store((index, None), wish, value=answer, size_bytes=answer.size_bytes, moment=moment)
        return answer

    async def _get_narrowed_list(self, index: IndexName, principal: Principal, *, wish: Wish) -> Answer:
        rights = (principal.grants, principal.scope) if isinstance(principal, Signed) else None
        generation = self._cache.generation
        projects = await self._get_entries(index)
        key = (index, wish, rights, projects.valid_until)  # a list that grew without an event ends later
        found = self._narrowed.find(key, generation=generation)
        if found is not None:
            return found
        shown = await asyncio.to_thread(narrow_project_list, projects, principal, open_indexes=self._cache.open_indexes)
        answer = await asyncio.to_thread(_make_list_answer, shown, wish)
        self._narrowed.store(key, answer, size_bytes=answer.size_bytes, generation=generation)
        return answer

    async def _get_entries(self, index: IndexName) -> ProjectList:
        kept = self._cache.find((index, None), _ENTRIES)
        if isinstance(kept, ProjectList):
            return kept
        return await self._lists.join((index, self._cache.generation), lambda: self._load_entries(index))

    async def _load_entries(self, index: IndexName) -> ProjectList:
        generation = self._cache.generation
        projects = await self._browse.get_project_list(index)
        size_bytes = len(projects.entries) * _ENTRY_BYTES
        moment = Moment(generation, projects.valid_until)
        self._cache.store((index, None), _ENTRIES, value=projects, size_bytes=size_bytes, moment=moment)
        return projects

    def _integrity_url(self, index: IndexName) -> str | None:
        return None if self._secure_url is None else f"{self._secure_url}/{index}/integrity/"


def _shelf(target: ProjectTarget) -> Shelf:
    return (target.index, target.project)


def _make_page_answer(body: _Body, wish: Wish) -> Answer:
    is_passing = body.valid_until is not None
    representation = represent(wish.page_type.content_type, body.content, coding=wish.coding, is_passing=is_passing)
    serial = (b"x-pypi-last-serial", str(body.serial).encode())
    return make_answer(representation, cache_control=REVALIDATE, vary=_VARY, extra=[serial])


def _make_list_answer(projects: ProjectList, wish: Wish) -> Answer:
    return _make_page_answer(_Body(render_project_list(projects, wish.page_type), projects.serial), wish)


def _is_secure(url: str) -> bool:
    """PEP 740: data-provenance "MUST represent a secure origin"; one's own machine counts as such."""
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1")
