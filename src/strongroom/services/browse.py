"""What an index offers: project pages, project lists, the facts behind the JSON API.

Reads only. The lane judges the right to read before it asks, from what the worker
remembers; here nothing is decided but what shows: which source answers for a name
(`core/sources.py`) and which files of it (`core/pages.py`). Does not render.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from packaging.version import Version

from strongroom.core.access import ProjectTarget, not_found
from strongroom.core.errors import Forbidden
from strongroom.core.jsonapi import ReleaseFacts, choose_release, find_described_file
from strongroom.core.licences import read_licence
from strongroom.core.mirrored import Copy, Offered, UpstreamFile, UpstreamPage
from strongroom.core.model import File, Index
from strongroom.core.names import Filename, IndexName, ProjectName
from strongroom.core.pages import (
    ProjectList,
    ProjectPage,
    make_project_list,
    make_project_page,
    make_upstream_page,
    overlay_page,
)
from strongroom.core.policy import Refuse
from strongroom.core.screening import Gate, Way, screen, wants_copies, wants_licence
from strongroom.core.sources import (
    AskUpstreams,
    Nowhere,
    Overlaid,
    Owned,
    Reserved,
    Route,
    Source,
    find_source,
    walk,
)
from strongroom.ports import AskedFor, Blobs, Catalog, Clock, Mirror, Transaction

_RETRY = timedelta(seconds=5)
"""How soon a page is asked for again whose upstream did not confirm it in time."""
_SHORT_FILES = 30
"""So many files are judged and put in order in less time than handing them to a thread takes."""
_LIST_FRESHNESS = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Upstream:
    """The way to an upstream, and the copies of its files if the rules judge by them."""

    way: Way
    copies: dict[Filename, Copy]

    @property
    def index(self) -> Index:
        """Return the index whose upstream it is."""
        return self.way.route.end


_Found = tuple[Source, ProjectPage | None, tuple[_Upstream, ...]]
"""Who answers, the page of own files if there are any, and the upstreams that are to be asked."""


@dataclass(frozen=True, slots=True)
class Browse:
    """Use cases of whoever looks at an index."""

    catalog: Catalog
    blobs: Blobs
    mirror: Mirror
    asked: AskedFor
    clock: Clock

    async def get_project_page(self, target: ProjectTarget) -> ProjectPage:
        """Return the page of a project; raises `NotFound`, `Forbidden` for a reserved name, `UpstreamFault`."""
        source, own, upstreams = await self._look_up(target)
        match source:
            case Owned() if own is not None:
                return own
            case Overlaid(below=AskUpstreams()) if own is not None:
                below = await self._ask(upstreams, target)
                return own if below is None else await asyncio.to_thread(overlay_page, own, below)
            case Overlaid() if own is not None:
                return own
            case AskUpstreams():
                page = await self._ask(upstreams, target)
                if page is not None:
                    return replace(page, ways=tuple(upstream.way for upstream in upstreams))
            case Overlaid(below=AskUpstreams()):  # an overlay whose files are all deleted
                page = await self._ask(upstreams, target)
                if page is not None:
                    return page
        demand_unreserved(source)
        if isinstance(source, AskUpstreams | Nowhere):
            self.asked.note(target.index, target.project)
        raise not_found()

    async def get_project_list(self, index: IndexName) -> ProjectList:
        """Return what the index and its bases hold here; raises `NotFound` when there is no such index.

        Of an upstream those projects that somebody asked for: its whole list has hundreds of
        thousands of names that nobody here wants.
        """
        found, grows = await self.catalog.read(lambda tx: _get_project_list(tx, index))
        return replace(found, valid_until=self.clock.now() + _LIST_FRESHNESS) if grows else found

    async def get_release(self, target: ProjectTarget, version: Version | None = None) -> ReleaseFacts:
        """Return what the JSON API says about a release; without a version, about the latest.

        Raises `NotFound` when there is no such project or release, `Forbidden` for one whose
        METADATA has a licence that does not come through.
        """
        page = await self.get_project_page(target)
        chosen, described = await asyncio.to_thread(_choose, page, version)  # comparing many versions takes long
        match described:
            case File(metadata_sha256=str(sha256)):
                metadata = await self.blobs.get(sha256)
            case UpstreamFile():
                metadata = await self._read_metadata(described, target)
            case _:
                metadata = b""
        return ReleaseFacts(page=page, version=chosen, metadata=metadata)

    async def _read_metadata(self, file: UpstreamFile, target: ProjectTarget) -> bytes:
        """Return the METADATA of an upstream's file that shows, judged by what only it can tell."""
        route, gates = await self.catalog.look(lambda tx: _find_way(tx, file, target=target))
        if route is None:
            return b""
        metadata = await self.mirror.get_metadata(route.end, file)
        if wants_licence(gates):
            read = Copy(file.index, file.project, file.filename, file.sha256, licence=read_licence(metadata))
            verdict = screen(file, gates, now=self.clock.now(), copy=read)
            if isinstance(verdict, Refuse):
                raise Forbidden(verdict.code, verdict.reason, verdict.hint)
        return metadata

    async def _look_up(self, target: ProjectTarget) -> _Found:
        """Return who answers and what is here for it; where that may be many rows, in a snapshot of its own."""
        if self.catalog.looks_at_once:
            found = await self.catalog.look(lambda tx: _find_ways(tx, target))
            if found is not None:
                return found
        return await self.catalog.read(lambda tx: _look_up(tx, target))

    async def _ask(self, upstreams: tuple[_Upstream, ...], target: ProjectTarget) -> ProjectPage | None:
        """Return the page of the first upstream that has the project; a failing one ends the search."""
        for upstream in upstreams:
            page = await self.mirror.get_page(upstream.index, target.project)
            if not page.is_missing:
                return await self._make_page(page, upstream, asked=target.index)
        return None

    async def _make_page(self, page: UpstreamPage, upstream: _Upstream, *, asked: IndexName) -> ProjectPage:
        """Return the page as the rules want it that stood when it was asked for."""
        now = self.clock.now()
        make = partial(make_upstream_page, page, upstream.way.gates, copies=upstream.copies, asked=asked, now=now)
        made = make() if len(page.files) <= _SHORT_FILES else await asyncio.to_thread(make)
        return replace(made, valid_until=_earliest(made.valid_until, self._fresh_until(upstream.index, page)))

    def _fresh_until(self, index: Index, page: UpstreamPage) -> datetime | None:
        if index.upstream is None or index.upstream.is_offline:
            return None
        return max(page.fetched_at + index.upstream.freshness, self.clock.now() + _RETRY)


def demand_unreserved(source: Source) -> None:
    """Raise `Forbidden` for a reserved name, where its index wants that said.

    uv asks the next index after a 404, and stops at a 403.
    """
    if isinstance(source, Reserved) and source.route.end.forbids_reserved:
        raise Forbidden(
            "name-reserved",
            f"The name is reserved in the index '{source.route.end.name}' ({source.reservation.pattern})"
            " and has no files",
            "Publish to it, or check the spelling.",
        )


def _find_ways(tx: Transaction, target: ProjectTarget) -> _Found | None:
    """Return what a few rows tell, for most names all there is; None where files or copies have to be read."""
    source = _find_source(tx, target)
    match source:
        case Owned() | Overlaid():
            return None
        case AskUpstreams(routes):
            ways = [Way(route, tx.gates(route, target.project)) for route in routes]
            if any(wants_copies(way.gates) for way in ways):
                return None
            return source, None, tuple(_Upstream(way, {}) for way in ways)
    return source, None, ()


# The order of many files takes long; in the transaction's thread it holds nobody up.
def _look_up(tx: Transaction, target: ProjectTarget) -> _Found:
    """Return all that is here."""
    source = _find_source(tx, target)
    own = _make_own_pages(tx, source, target=target)
    match source:
        case AskUpstreams(routes) | Overlaid(below=AskUpstreams(routes)):
            return source, own, tuple(_look_along(tx, route, project=target.project) for route in routes)
    return source, own, ()


def _find_source(tx: Transaction, target: ProjectTarget) -> Source:
    facts = tx.name_facts(target.project)
    index = facts.indexes.get(target.index)
    if index is None:
        raise not_found()
    return find_source(target.project, start=index, facts=facts)


def _make_own_pages(tx: Transaction, source: Source, *, target: ProjectTarget) -> ProjectPage | None:
    match source:
        case Owned(route) | Overlaid(owned=Owned(route)):
            own = _make_own_page(tx, route, target=target)
        case _:
            return None
    if isinstance(source, Overlaid) and isinstance(source.below, Owned):
        below = _make_own_page(tx, source.below.route, target=target)
        return overlay_page(own, below) if own and below else own or below
    return own


def _make_own_page(tx: Transaction, route: Route, *, target: ProjectTarget) -> ProjectPage | None:
    """Return the page of the owner's files; None where only deleted ones keep the name."""
    project = tx.projects.find(route.end.name, target.project)
    if project is None:
        return None
    return make_project_page(project, tx.files.list(route.end.name, target.project), asked=target.index)


def _choose(page: ProjectPage, version: Version | None) -> tuple[Version, Offered | None]:
    chosen = choose_release(page, version)
    if chosen is None:
        raise not_found()
    return chosen, find_described_file(page, chosen)


def _find_way(tx: Transaction, file: UpstreamFile, *, target: ProjectTarget) -> tuple[Route | None, tuple[Gate, ...]]:
    """Return the way on which the file comes, and the rules on it; None when it came another way a moment ago."""
    index = tx.indexes.find(target.index)
    if index is None:
        return None, ()
    match find_source(target.project, start=index, facts=tx.name_facts(target.project)):
        case AskUpstreams(routes) | Overlaid(below=AskUpstreams(routes)):
            route = next((route for route in routes if route.end.name == file.index), None)
            return route, () if route is None else tx.gates(route, target.project)
        case _:
            return None, ()


def _look_along(tx: Transaction, route: Route, *, project: ProjectName) -> _Upstream:
    gates = tx.gates(route, project)
    copies = tx.copies.list(route.end.name, project) if wants_copies(gates) else ()
    return _Upstream(Way(route, gates), {copy.filename: copy for copy in copies})


def _get_project_list(tx: Transaction, index: IndexName) -> tuple[ProjectList, bool]:
    """Return the list, and whether it can grow without an event."""
    start = tx.indexes.find(index)
    if start is None:
        raise not_found()
    ends = [route.end for route in walk(start, {item.name: item for item in tx.indexes.list()})]
    own = [project for end in ends for project in tx.projects.list(end.name)]
    upstreams = [end.name for end in ends if end.upstream is not None]
    names = [name for upstream in upstreams for name in tx.upstream_pages.list_names(upstream)]
    return make_project_list(index, own, names=names), bool(upstreams)


def _earliest(*moments: datetime | None) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)
