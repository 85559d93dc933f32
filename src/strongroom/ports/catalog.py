"""The catalog: all tables as one transaction sees them, and who runs transactions."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from strongroom.core.names import ProjectName, Sha256
from strongroom.core.removals import pass_removals
from strongroom.core.reservations import Hold
from strongroom.core.rules import NO_RULES
from strongroom.core.screening import Gate
from strongroom.core.sources import NameFacts, Route
from strongroom.ports.passage import (
    AskedNames,
    Copies,
    Exemptions,
    NameLists,
    Promotions,
    Reservations,
    UpstreamPages,
)
from strongroom.ports.replica import FollowedServer
from strongroom.ports.tables import Events, Files, Indexes, Leases, Projects, StoreIds, Tokens, Turns, Users

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Transaction:
    """The tables as one transaction sees them."""

    indexes: Indexes
    projects: Projects
    files: Files
    users: Users
    tokens: Tokens
    events: Events
    leases: Leases
    reservations: Reservations
    upstream_pages: UpstreamPages
    copies: Copies
    name_lists: NameLists
    asked_names: AskedNames
    exemptions: Exemptions
    promotions: Promotions
    followed: FollowedServer
    turns: Turns
    store: StoreIds

    def name_facts(self, name: ProjectName) -> NameFacts:
        """Return what decides which source answers for the name (`core/sources.py`)."""
        held = self.reservations.list_covering(name)
        overlays = [item.index for item in held if item.hold is Hold.OVERLAY]
        projects = [self.projects.find(index, name) for index in overlays]
        return NameFacts(
            indexes={index.name: index for index in self.indexes.list()},
            owners=self.projects.find_owners(name),
            reservations=held,
            quarantined=frozenset(item.index for item in projects if item and not item.status.offers_files),
        )

    def gates(self, route: Route, name: ProjectName) -> tuple[Gate, ...]:
        """Return the rules on the way from an upstream, with the exemptions for the project."""
        return tuple(
            Gate(index.name, index.rules, self.exemptions.list(index.name, name))
            for index in route.path
            if index.rules != NO_RULES
        )

    def find_named(self, digests: Collection[Sha256]) -> frozenset[Sha256]:
        """Return those of the blobs, 500 at most, that a row needs: of a file, a copy or a list of names."""
        lists = {names.sha256 for names in self.name_lists.list()}
        return self.files.find_named(digests) | self.copies.find_named(digests) | lists.intersection(digests)

    def list_named(self, first: Sha256, limit: int) -> tuple[Sha256, ...]:
        """Return the blobs that rows need, in the order of digests from that one on, each once."""
        found = {*self.files.list_named(first, limit), *self.copies.list_named(first, limit)}
        found |= {names.sha256 for names in self.name_lists.list() if names.sha256 >= first}
        return tuple(sorted(found)[:limit])

    def find_unneeded(self, digests: Collection[Sha256]) -> frozenset[Sha256]:
        """Return those of the blobs, 500 at most, that no row needs and no lease: also none of a removal."""
        leased = {sha256 for lease in self.leases.list() for sha256 in lease.sha256}
        return frozenset(digests) - leased - self.find_named(digests)

    def demand_not_removed(self, wanted: Collection[Sha256], *, now: datetime) -> None:
        """Raise `Unavailable` while one of the blobs is being removed, and end expired removals of them."""
        for removal_id in pass_removals(self.leases.list_removals(), wanted, now=now):
            self.leases.remove(removal_id)


@dataclass(frozen=True, slots=True)
class CatalogHealth:
    """What the catalog's database says of itself."""

    is_writable: bool
    is_migrated: bool
    """Its schema is this program's, or a newer one."""
    at: datetime
    """The time on the database's own clock."""


class Catalog(Protocol):
    """The truth: who, what and where; not the bytes."""

    @property
    def looks_at_once(self) -> bool:
        """Return whether `look` needs no thread: then it may be tried before a `read`."""
        ...

    async def read(self, fn: Callable[[Transaction], T]) -> T:
        """Run the function on one consistent snapshot."""
        ...

    async def look(self, fn: Callable[[Transaction], T]) -> T:
        """Do the same for a function that finds a few rows by their keys: where that takes microseconds, at once."""
        ...

    async def write(self, fn: Callable[[Transaction], T]) -> T:
        """Run the function alone and commit durably; any exception rolls all of it back."""
        ...

    def change_mark(self) -> int:
        """Return a number that differs whenever an event was committed since; microseconds, no thread."""
        ...

    def access_mark(self) -> int:
        """Return a number that differs whenever a change of access was heard of since.

        Unlike the change mark it stands while nobody can be asked: what was heard before then counts.
        """
        ...

    async def check(self) -> CatalogHealth:
        """Ask the database how it is, without waiting for its writers; raises `Unavailable`, `StorageFault`."""
        ...

    def waiting_writes(self) -> int:
        """Return how many transactions of this process write or wait for their turn."""
        ...

    async def close(self) -> None: ...
