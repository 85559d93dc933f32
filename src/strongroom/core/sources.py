"""Which source answers for a name: the shield against dependency confusion.

An index's own files or reservation decide alone, then its bases in their order; only
for a name that nobody on this server owns is an upstream asked, and then the first
that has it answers alone. So a private name is never sent upstream, and files of two
sources never stand under one name, an explicit overlay excepted. Loads nothing, and
does not judge files (`screening.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from strongroom.core.model import Index
from strongroom.core.names import IndexName, ProjectName
from strongroom.core.reservations import Hold, Reservation


@dataclass(frozen=True, slots=True)
class NameFacts:
    """What the catalog holds about one name.

    `owners` are the indexes with a project, or deleted files, of that name; `reservations`
    are all that cover it. `quarantined` are the indexes that overlay it with a project in
    quarantine: what they withhold must not come from below instead.
    """

    indexes: Mapping[IndexName, Index]
    owners: frozenset[IndexName]
    reservations: tuple[Reservation, ...]
    quarantined: frozenset[IndexName] = frozenset()


@dataclass(frozen=True, slots=True)
class Route:
    """The way from the asked index to the one that answers, both included."""

    path: tuple[Index, ...]

    @property
    def entry(self) -> Index:
        """Return the index that was asked."""
        return self.path[0]

    @property
    def end(self) -> Index:
        """Return the index that answers."""
        return self.path[-1]


@dataclass(frozen=True, slots=True)
class Owned:
    """The index at the route's end has files of the name, or had: it answers alone."""

    route: Route


@dataclass(frozen=True, slots=True)
class Reserved:
    """The index at the route's end keeps the name for itself, and has no files of it."""

    route: Route
    reservation: Reservation


@dataclass(frozen=True, slots=True)
class Withheld:
    """Another index of this server owns or reserves the name, so no upstream is asked for it."""

    holders: tuple[IndexName, ...]


@dataclass(frozen=True, slots=True)
class AskUpstreams:
    """Nobody here owns the name: these upstreams are asked in turn, and the first that has it answers alone."""

    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Nowhere:
    """Nobody here owns the name, and there is no upstream to ask."""


Alone = Owned | Reserved | Withheld | AskUpstreams | Nowhere


@dataclass(frozen=True, slots=True)
class Overlaid:
    """The owner lays its files over those of the next source, as somebody decided explicitly."""

    owned: Owned
    below: Alone


Source = Alone | Overlaid


def find_source(name: ProjectName, *, start: Index, facts: NameFacts) -> Source:
    """Return the source that answers for the name when this index is asked."""
    routes = tuple(walk(start, facts.indexes))
    for position, route in enumerate(routes):
        found = _held_by(route, facts)
        if isinstance(found, Owned) and _is_overlay(name, route.end, facts=facts):
            return Overlaid(found, _find_below(routes, position, facts=facts))
        if found is not None:
            return found
    return _ask(routes, facts)


def walk(start: Index, indexes: Mapping[IndexName, Index]) -> Iterator[Route]:
    """Yield the routes to the index and all that it is based on, in the order in which they are asked; each once."""
    seen: set[IndexName] = set()
    waiting = [Route((start,))]
    while waiting:
        route = waiting.pop()
        if route.end.name in seen:
            continue
        seen.add(route.end.name)
        yield route
        bases = [indexes[name] for name in route.end.bases if name in indexes]
        waiting += [Route((*route.path, base)) for base in reversed(bases)]


def list_reached(starts: Iterable[Index], indexes: Mapping[IndexName, Index]) -> frozenset[IndexName]:
    """Return the indexes from which these get names: themselves and all that they are based on."""
    return frozenset(route.end.name for start in starts for route in walk(start, indexes))


def has_or_holds(index: IndexName, facts: NameFacts) -> bool:
    """Return whether the index has the name already, had it, or keeps it for itself: no upload of it is the first."""
    return index in facts.owners or any(item.index == index for item in facts.reservations)


def find_holders(facts: NameFacts) -> tuple[IndexName, ...]:
    """Return the indexes for whose sake nobody asks an upstream: those that own or reserve the name, unclaimed.

    A name that an index claimed or overlays is known to exist upstream too: for its sake
    nobody has to keep it secret, and who reads an index without the claim may want the
    upstream's. But no index lifts the protection of another.
    """
    claimed = {item.index for item in facts.reservations if item.is_exact and item.hold is not Hold.RESERVED}
    return tuple(sorted((facts.owners | {item.index for item in facts.reservations}) - claimed))


def _find_below(routes: tuple[Route, ...], position: int, *, facts: NameFacts) -> Alone:
    """Return the source that would answer if the index at this position had nothing of the name."""
    for route in routes[position + 1 :]:
        found = _held_by(route, facts)
        if found is not None:
            return found
    return _ask(routes, facts)


def _held_by(route: Route, facts: NameFacts) -> Owned | Reserved | None:
    if route.end.name in facts.owners:
        return Owned(route)
    held = [item for item in facts.reservations if item.index == route.end.name]
    deciding = min(held, key=lambda item: (not item.is_exact, item.pattern), default=None)
    if deciding is None or deciding.hold is Hold.OVERLAY:  # an overlay without files covers nothing
        return None
    return Reserved(route, deciding)


def _is_overlay(name: ProjectName, index: Index, *, facts: NameFacts) -> bool:
    return index.name not in facts.quarantined and any(
        item.index == index.name and item.hold is Hold.OVERLAY and item.covers(name) for item in facts.reservations
    )


def _ask(routes: tuple[Route, ...], facts: NameFacts) -> Withheld | AskUpstreams | Nowhere:
    holders = find_holders(facts)
    if holders:
        return Withheld(holders)
    upstreams = tuple(route for route in _bases_first(routes) if route.end.upstream is not None)
    return AskUpstreams(upstreams) if upstreams else Nowhere()


def _bases_first(routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """Return the routes with each index after all of its bases: its own upstream is its last source."""
    ordered: list[Route] = []
    open_routes: list[Route] = []
    for route in routes:
        while open_routes and route.path[: len(open_routes[-1].path)] != open_routes[-1].path:
            ordered.append(open_routes.pop())
        open_routes.append(route)
    return (*ordered, *reversed(open_routes))
