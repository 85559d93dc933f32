"""The tables about what comes through from upstreams and from other indexes.

What the upstream tables hold can be fetched again, so writing to them makes no event.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Protocol

from strongroom.core.exemptions import Exemption
from strongroom.core.mirrored import AskedName, Copy, NameList, UpstreamPage
from strongroom.core.names import Filename, IndexName, ProjectName, ProjectPattern, Sha256
from strongroom.core.promotions import Promotion
from strongroom.core.reservations import Reservation


class Reservations(Protocol):
    """Names and prefixes that indexes keep for themselves; one row for each index and pattern."""

    def find(self, index: IndexName, pattern: ProjectPattern) -> Reservation | None: ...
    def list(self) -> tuple[Reservation, ...]:
        """Return all of them, by index and pattern."""
        ...

    def list_covering(self, project: ProjectName) -> tuple[Reservation, ...]:
        """Return those that mean the name, by index and pattern, however many others there are."""
        ...

    def save(self, reservation: Reservation) -> None:
        """Insert it, or replace the row of the same index and pattern."""
        ...

    def remove(self, index: IndexName, pattern: ProjectPattern) -> None: ...


class UpstreamPages(Protocol):
    """Pages as upstreams gave them, missing ones too; one row for each index and project."""

    def find(self, index: IndexName, project: ProjectName) -> UpstreamPage | None: ...
    def find_time(self, index: IndexName, project: ProjectName) -> datetime | None:
        """Return when the page was fetched, a missing one too; costs the same for any length."""
        ...

    def save(self, page: UpstreamPage) -> None:
        """Insert it, or replace the row of the same index and project."""
        ...

    def confirm(self, index: IndexName, project: ProjectName, *, at: datetime) -> None:
        """Set `fetched_at` of a page that the upstream says is unchanged; no such page: nothing happens."""
        ...

    def list_names(self, index: IndexName) -> tuple[ProjectName, ...]:
        """Return the names whose page is not missing, sorted."""
        ...

    def find_indexes(self, project: ProjectName) -> tuple[IndexName, ...]:
        """Return the indexes that hold a page of it that is not missing, sorted."""
        ...

    def remove(self, index: IndexName, project: ProjectName | None = None) -> None:
        """Remove the page; without a project, all of the index's."""
        ...


class Copies(Protocol):
    """Copies of upstream files; one row for each index and filename."""

    def find(self, index: IndexName, filename: Filename) -> Copy | None: ...
    def list(self, index: IndexName, project: ProjectName) -> tuple[Copy, ...]:
        """Return the project's copies, by filename."""
        ...

    def save(self, copy: Copy) -> None:
        """Insert it, or replace the row of the same index and filename."""
        ...

    def touch(self, last_used: Mapping[tuple[IndexName, Filename], datetime]) -> None:
        """Set the times of last use, unless a later one is stored."""
        ...

    def remove(self, index: IndexName, filename: Filename | None = None) -> None:
        """Remove the copy; without a filename, all of the index's."""
        ...

    def scan(self) -> Iterator[Copy]:
        """Yield every copy of every index, in constant memory."""
        ...

    def stored_bytes(self) -> int:
        """Return the size of all stored bytes together; bytes that two copies share count twice."""
        ...

    def find_named(self, digests: Collection[Sha256]) -> frozenset[Sha256]:
        """Return those of the blobs, 500 at most, that a copy needs: as its stored bytes or beside them."""
        ...

    def list_named(self, first: Sha256, limit: int) -> tuple[Sha256, ...]:
        """Return the blobs that copies need, in the order of digests from that one on, each once."""
        ...

    def list_least_used(self, limit: int) -> tuple[Copy, ...]:
        """Return stored copies, those whose last use (else their storing) is longest ago first."""
        ...


class NameLists(Protocol):
    """The lists of all names of upstreams; one row for each index."""

    def find(self, index: IndexName) -> NameList | None: ...
    def list(self) -> tuple[NameList, ...]: ...
    def save(self, names: NameList) -> None:
        """Insert it, or replace the row of the same index."""
        ...

    def remove(self, index: IndexName) -> None: ...


class AskedNames(Protocol):
    """Names that clients asked for and nobody owns, counted; bounded by whoever writes."""

    def add(self, counts: Mapping[tuple[IndexName, ProjectName], int], at: datetime) -> None:
        """Add to the counts and set the time of the last asking."""
        ...

    def list(self, index: IndexName | None = None, limit: int = 1000) -> tuple[AskedName, ...]:
        """Return them, those asked for most often first, then by index and name."""
        ...

    def remove_before(self, at: datetime) -> int:
        """Forget those that were last asked for before that time, and return how many."""
        ...


class Exemptions(Protocol):
    """Exemptions from rules, decided and undecided; none is ever removed."""

    def find(self, exemption_id: str) -> Exemption | None: ...
    def list(self, index: IndexName | None = None, project: ProjectName | None = None) -> tuple[Exemption, ...]:
        """Return those of the index and project (None: any), oldest request first."""
        ...

    def add(self, exemption: Exemption) -> None: ...
    def replace(self, exemption: Exemption) -> None: ...


class Promotions(Protocol):
    """Promotions, waiting, done, refused and undone; none is ever removed."""

    def find(self, promotion_id: str) -> Promotion | None: ...
    def list(self, index: IndexName | None = None) -> tuple[Promotion, ...]:
        """Return those from or to the index (None: any), newest request first."""
        ...

    def add(self, promotion: Promotion) -> None: ...
    def replace(self, promotion: Promotion) -> None: ...
