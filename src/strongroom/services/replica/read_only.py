"""The catalog of a replica: every change but the primary's own is refused.

No change is made without an event, and no upload without a lease: so refusing these two
refuses everything, whoever asks. Caches of upstreams and times of last use go on; they
write neither. The sweep and the turns work on the catalog itself. Looks at each
transaction anew, so that a promotion counts at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NoReturn, TypeVar

from strongroom.core.errors import Forbidden
from strongroom.core.events import Actor, Entry, Event
from strongroom.core.model import Lease, SetupLink
from strongroom.core.names import ProjectName
from strongroom.ports import Catalog, Events, FollowedServer, Leases, Transaction

T = TypeVar("T")


class ReadOnlyReplica:
    """`ports.Catalog` in front of another one; passes everything on where nobody is followed."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.read, self.look, self.looks_at_once = catalog.read, catalog.look, catalog.looks_at_once
        self.change_mark = catalog.change_mark  # asked before each page that is served: no call more than needed
        self.access_mark = catalog.access_mark
        self.check = catalog.check
        self.waiting_writes = catalog.waiting_writes
        self.close = catalog.close

    async def write(self, fn: Callable[[Transaction], T]) -> T:
        """Run the function; on a replica it raises `Forbidden` as soon as it would change something."""
        return await self._catalog.write(lambda tx: fn(_guarded(tx)))


def refuse(url: str) -> NoReturn:
    """Raise `Forbidden` with where to go instead."""
    raise Forbidden(
        "replica",
        f"This is a replica of {url}, and takes no changes",
        f"Publish and administer there: {url}. If it is gone for good: `strongroom replicate --promote`.",
    )


def _guarded(tx: Transaction) -> Transaction:
    return replace(tx, events=_Events(tx.events, tx.followed), leases=_Leases(tx.leases, tx.followed))


def _demand_no_primary(followed: FollowedServer) -> None:
    """Refuse on a replica; asked only by what a replica must not do, so that all other writes cost nothing more."""
    found = followed.find()
    if found is not None:
        refuse(found.url)


@dataclass(frozen=True, slots=True)
class _Events:
    """A log that a replica reads and does not write."""

    _events: Events
    _followed: FollowedServer

    def append(self, event: Event, *, at: datetime, actor: Actor) -> int:
        _demand_no_primary(self._followed)
        return self._events.append(event, at=at, actor=actor)

    def copy(self, entry: Entry) -> None:
        _demand_no_primary(self._followed)
        self._events.copy(entry)

    def serial(self) -> int:
        return self._events.serial()

    def since(self, serial: int, limit: int = 1000) -> tuple[Entry, ...]:
        return self._events.since(serial, limit)

    def latest(self, limit: int, *, before: int | None = None, project: ProjectName | None = None) -> tuple[Entry, ...]:
        return self._events.latest(limit, before=before, project=project)


@dataclass(frozen=True, slots=True)
class _Leases:
    """Leases that on a replica end and do not begin."""

    _leases: Leases
    _followed: FollowedServer

    def add(self, lease: Lease) -> None:
        _demand_no_primary(self._followed)
        self._leases.add(lease)

    def replace(self, lease: Lease) -> None:
        self._leases.replace(lease)

    def remove(self, lease_id: str) -> None:
        self._leases.remove(lease_id)

    def end(self, lease_id: str) -> None:
        self._leases.end(lease_id)

    def list(self) -> tuple[Lease, ...]:
        return self._leases.list()

    def list_removals(self) -> tuple[Lease, ...]:
        return self._leases.list_removals()

    def put_setup_link(self, link: SetupLink) -> None:
        _demand_no_primary(self._followed)
        self._leases.put_setup_link(link)

    def take_setup_link(self, digest: bytes) -> SetupLink | None:
        _demand_no_primary(self._followed)
        return self._leases.take_setup_link(digest)
