"""Filling the cache ahead of time, from a lock file: what is here, what is fetched, what is not to be had.

The way is that of a download: an owned or reserved name is never asked upstream
(`core/sources.py`), and what a rule hides is not fetched (`core/screening.py`). One file
that fails does not stop the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from strongroom.core.access import IndexTarget, Right, not_found
from strongroom.core.caller import Caller
from strongroom.core.errors import NotFound, StrongroomError
from strongroom.core.mirrored import Copy, UpstreamFile, UpstreamPage
from strongroom.core.model import File, Index
from strongroom.core.names import Filename, IndexName
from strongroom.core.policy import Refuse
from strongroom.core.prefetch import Item, Shelf, State, choose_files, find_nothing, match_own
from strongroom.core.screening import Gate, screen, wants_licence
from strongroom.core.sources import AskUpstreams, Overlaid, Owned, Reserved, Route, Source, Withheld, find_source
from strongroom.core.upstream import Delivery
from strongroom.core.wanted import Wanted
from strongroom.ports import Catalog, Clock, Mirror, Transaction

T = TypeVar("T")
R = TypeVar("R")

USUAL_JOBS = 8

Report = Callable[[int, int], None]
"""Takes how many are done and how many there are."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How many things are done at once, and who hears how far it has come."""

    jobs: int = USUAL_JOBS
    report: Report = lambda done, total: None


@dataclass(frozen=True, slots=True)
class Planned:
    """A wanted file, and the way on which it comes."""

    item: Item
    route: Route | None = None


@dataclass(frozen=True, slots=True)
class Prefetch:
    """The use cases of whoever fills the cache; they need `manage` on the index."""

    catalog: Catalog
    mirror: Mirror
    clock: Clock

    async def plan(
        self, caller: Caller, wanted: Iterable[Wanted], *, index: IndexName, pace: Pace | None = None
    ) -> tuple[Item, ...]:
        """Return each wanted file and what is the matter with it; fetches pages, and no files.

        Raises `Unauthenticated`, `Forbidden`, `NotFound`.
        """
        return tuple(item.item for item in await self._plan(caller, wanted, index=index, pace=pace or Pace()))

    async def sync(
        self, caller: Caller, wanted: Iterable[Wanted], *, index: IndexName, pace: Pace | None = None
    ) -> tuple[Item, ...]:
        """Fetch the wanted files that are not here, with their METADATA; returns what became of each.

        Raises what `plan` raises; a file that cannot be fetched is an item that says why.
        """
        pace = pace or Pace()
        planned = await self._plan(caller, wanted, index=index, pace=replace(pace, report=Pace().report))
        missing = [item for item in planned if item.item.state is State.TO_FETCH]
        done = [item.item for item in planned if item.item.state is not State.TO_FETCH]
        return (*done, *await _do_all(self._fetch, missing, pace=pace))

    async def _plan(
        self, caller: Caller, wanted: Iterable[Wanted], *, index: IndexName, pace: Pace
    ) -> tuple[Planned, ...]:
        start = await self.catalog.read(lambda tx: _admit(tx, caller, index=index))
        found = await _do_all(partial(self._look, start), list(wanted), pace=pace)
        unique = {(item.item.project, item.item.filename): item for items in found for item in items}
        return tuple(unique.values())

    async def _look(self, start: Index, wanted: Wanted) -> tuple[Planned, ...]:
        try:
            return await self._find(start, wanted)
        except StrongroomError as fault:
            failed = Item(wanted.project, State.FAILED, version=wanted.version, code=fault.code, reason=fault.message)
            return (Planned(failed),)

    async def _find(self, start: Index, wanted: Wanted) -> tuple[Planned, ...]:
        source, own = await self.catalog.read(lambda tx: _look_up(tx, start, wanted=wanted))
        here = tuple(Planned(item) for item in match_own(wanted, own))
        match source:
            case AskUpstreams(routes):
                return await self._ask(routes, wanted)
            case Overlaid(below=AskUpstreams(routes)):
                below = await self._ask(routes, wanted)
                names = {item.item.filename for item in here}
                more = tuple(item for item in below if item.item.filename not in names)
                return (*here, *(item for item in more if not here or item.item.filename is not None))
        return here or (Planned(find_nothing(wanted, where=_describe(source))),)

    async def _ask(self, routes: tuple[Route, ...], wanted: Wanted) -> tuple[Planned, ...]:
        for route in routes:
            page = await self.mirror.get_page(route.end, wanted.project)
            if not page.is_missing:
                shelf = await self.catalog.read(partial(_load_shelf, page=page, route=route))
                items = choose_files(wanted, shelf, now=self.clock.now())
                return tuple(Planned(_unless_redirected(item, route.end), route) for item in items)
        return (Planned(find_nothing(wanted, where=_name_all(route.end.name for route in routes))),)

    async def _fetch(self, planned: Planned) -> Item:
        """Fetch one file; what goes wrong is said in the item."""
        item, route = planned.item, planned.route
        assert item.file is not None
        assert route is not None
        try:
            refusal = await self._judge_again(item.file, route) or await self._judge_licence(item.file, route)
            if refusal is not None:
                return replace(item, state=State.HIDDEN, code=refusal.code, reason=refusal.reason)
            opened = await self.mirror.open_file(route.end, item.file)
            copy = opened if isinstance(opened, Copy) else await opened.stored()
            await self._fetch_metadata(item.file, route)
        except StrongroomError as fault:
            return replace(item, state=State.FAILED, code=fault.code, reason=fault.message)
        return replace(item, state=State.FETCHED, size_bytes=copy.size_bytes)

    async def _judge_again(self, file: UpstreamFile, route: Route) -> Refuse | None:
        """Return what speaks against the file by now: a long list takes hours, and much changes meanwhile."""

        def look(tx: Transaction) -> Refuse | None:
            current = _find_current(tx, route, file=file)
            if current is None:
                reason = f"'{file.project}' does not come from the upstream of '{route.end.name}' any more"
                return Refuse("source-changed", reason)
            gates, copy = _load_rules(tx, file=file, route=current)
            verdict = screen(file, gates, now=self.clock.now(), copy=copy)
            return verdict if isinstance(verdict, Refuse) else None

        return await self.catalog.read(look)

    async def _judge_licence(self, file: UpstreamFile, route: Route) -> Refuse | None:
        """Return the refusal of a rule that can judge only with the METADATA."""
        gates, _ = await self.catalog.read(partial(_load_rules, file=file, route=route))
        if not wants_licence(gates):
            return None
        await self._fetch_metadata(file, route)
        gates, copy = await self.catalog.read(partial(_load_rules, file=file, route=route))
        verdict = screen(file, gates, now=self.clock.now(), copy=copy)
        return verdict if isinstance(verdict, Refuse) else None

    async def _fetch_metadata(self, file: UpstreamFile, route: Route) -> None:
        if file.serves_metadata:
            try:
                await self.mirror.get_metadata(route.end, file)
            except NotFound:
                return  # a wheel can be installed without: its METADATA is in it


async def _do_all(work: Callable[[T], Awaitable[R]], things: list[T], *, pace: Pace) -> list[R]:
    """Do the work for each thing, so many at once, and return the results in the order of the things."""
    places, done = asyncio.Semaphore(pace.jobs), 0

    async def do_one(thing: T) -> R:
        nonlocal done
        async with places:
            result = await work(thing)
        done += 1
        pace.report(done, len(things))
        return result

    return list(await asyncio.gather(*map(do_one, things)))


def _admit(tx: Transaction, caller: Caller, *, index: IndexName) -> Index:
    caller.demand(Right.MANAGE, IndexTarget(index), indexes=tx.indexes.list())
    found = tx.indexes.find(index)
    if found is None:
        raise not_found()
    return found


def _look_up(tx: Transaction, start: Index, *, wanted: Wanted) -> tuple[Source, tuple[File, ...]]:
    """Return which source answers for the name, and the files of it that are here."""
    source = find_source(wanted.project, start=start, facts=tx.name_facts(wanted.project))
    match source:
        case Owned(route):
            owners: tuple[Route, ...] = (route,)
        case Overlaid(owned=Owned(first), below=Owned(second)):
            owners = (first, second)
        case Overlaid(owned=Owned(first)):
            owners = (first,)
        case _:
            owners = ()
    return source, tuple(file for owner in owners for file in tx.files.list(owner.end.name, wanted.project))


def _find_current(tx: Transaction, route: Route, *, file: UpstreamFile) -> Route | None:
    """Return the way as it is now; None where the name does not come on it any more, and is not asked for."""
    start = tx.indexes.find(route.entry.name)
    if start is None:
        return None
    match find_source(file.project, start=start, facts=tx.name_facts(file.project)):
        case AskUpstreams(routes) | Overlaid(below=AskUpstreams(routes)):
            return next((other for other in routes if _place(other) == _place(route)), None)
        case _:
            return None


def _place(route: Route) -> tuple[IndexName, str | None]:
    end = route.end
    return end.name, end.upstream.url if end.upstream else None


def _load_shelf(tx: Transaction, *, page: UpstreamPage, route: Route) -> Shelf:
    copies = tx.copies.list(route.end.name, page.project)
    by_name: dict[Filename, Copy] = {copy.filename: copy for copy in copies}
    return Shelf(page, tx.gates(route, page.project), by_name)


def _load_rules(tx: Transaction, *, file: UpstreamFile, route: Route) -> tuple[tuple[Gate, ...], Copy | None]:
    return tx.gates(route, file.project), tx.copies.find(route.end.name, file.filename)


def _unless_redirected(item: Item, index: Index) -> Item:
    """Keep nothing of an index that sends its clients to the upstream."""
    if item.state is not State.TO_FETCH or index.upstream is None or index.upstream.delivery is not Delivery.REDIRECT:
        return item
    reason = f"the index '{index.name}' sends its clients to the upstream and keeps no copies"
    return replace(item, state=State.MISSING, code="not-kept", reason=reason)


def _describe(source: Source) -> str:
    match source:
        case Owned(route) | Overlaid(owned=Owned(route)):
            return f"the index '{route.end.name}', to which the name belongs,"
        case Reserved(route, reservation):
            return f"the index '{route.end.name}', which reserved {reservation.pattern},"
        case Withheld(holders):
            return f"no upstream is asked, since the name belongs to {', '.join(holders)}; this index"
        case _:
            return "no index on the way has an upstream; this server"


def _name_all(names: Iterable[IndexName]) -> str:
    return "the upstream of " + ", ".join(f"'{name}'" for name in names)
