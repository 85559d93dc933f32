"""The tables of the catalog: who, what and where. Each method runs inside a transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Protocol

from strongroom.core.access import Grant, Token
from strongroom.core.events import Actor, Entry, Event
from strongroom.core.model import File, Index, Lease, Project, SetupLink, Tombstone, User
from strongroom.core.names import Filename, IndexName, ProjectName, Sha256, TokenId, UserName
from strongroom.core.ownership import StoreId
from strongroom.core.turns import Turn


class Indexes(Protocol):
    """The table of indexes."""

    def find(self, name: IndexName) -> Index | None: ...
    def list(self) -> tuple[Index, ...]: ...
    def add(self, index: Index) -> None:
        """Insert it; raises `Conflict` when the name is taken."""
        ...

    def replace(self, index: Index) -> None: ...
    def remove(self, name: IndexName) -> None: ...


class Projects(Protocol):
    """The table of projects, by index and normalised name."""

    def find(self, index: IndexName, name: ProjectName) -> Project | None: ...
    def list(self, index: IndexName) -> tuple[Project, ...]:
        """Return all projects of the index, by name."""
        ...

    def save(self, project: Project) -> None:
        """Insert it, or replace the row of the same index and name."""
        ...

    def remove(self, index: IndexName, name: ProjectName) -> None: ...
    def find_owners(self, name: ProjectName) -> frozenset[IndexName]:
        """Return the indexes that have the project, or that have deleted files of it; also deleted indexes."""
        ...


class Files(Protocol):
    """The table of files, and of the names that deleted files leave taken."""

    def find(self, index: IndexName, filename: Filename) -> File | None: ...
    def list(self, index: IndexName, project: ProjectName) -> tuple[File, ...]:
        """Return the project's files in the order of their upload."""
        ...

    def add(self, file: File) -> None:
        """Insert it; raises `Conflict` when the index already has the filename."""
        ...

    def replace(self, file: File) -> None: ...
    def bury(self, tombstone: Tombstone) -> None:
        """Remove the file of that name and keep the name taken; one that was buried before is buried again."""
        ...

    def find_tombstone(self, index: IndexName, filename: Filename) -> Tombstone | None: ...
    def count(self, index: IndexName) -> int: ...
    def scan(self) -> Iterator[File]:
        """Yield every file of every index, for verify and sweep, in constant memory."""
        ...

    def find_named(self, digests: Collection[Sha256]) -> frozenset[Sha256]:
        """Return those of the blobs, 500 at most, that a file needs: as its bytes or beside them."""
        ...

    def list_named(self, first: Sha256, limit: int) -> tuple[Sha256, ...]:
        """Return the blobs that files need, in the order of digests from that one on, each once."""
        ...


class Users(Protocol):
    """The table of users and their grants."""

    def find(self, name: UserName) -> User | None: ...
    def list(self) -> tuple[User, ...]: ...
    def add(self, user: User) -> None:
        """Insert it; raises `Conflict` when the name is taken."""
        ...

    def replace(self, user: User) -> None: ...
    def list_grants(self, name: UserName) -> tuple[Grant, ...]: ...
    def add_grant(self, name: UserName, grant: Grant) -> None:
        """Store the grant; a second equal one changes nothing."""
        ...

    def remove_grant(self, name: UserName, grant: Grant) -> bool:
        """Remove an equal grant; return whether there was one."""
        ...


class Tokens(Protocol):
    """The table of tokens; a row outlives its revocation, for the audit log."""

    def find(self, token_id: TokenId) -> Token | None: ...
    def list(self, owner: UserName | None = None) -> tuple[Token, ...]: ...
    def list_descendants(self, token_id: TokenId) -> tuple[Token, ...]:
        """Return the tokens that it made, those that they made, and so on, oldest first; revoked ones too."""
        ...

    def add(self, token: Token) -> None: ...
    def replace(self, token: Token) -> None: ...
    def touch(self, last_used: dict[TokenId, datetime]) -> None:
        """Set the time of last use, unless a later one is stored. Writes no event."""
        ...


class Events(Protocol):
    """The event log: append-only, chained, its serial is the catalog's serial."""

    def append(self, event: Event, *, at: datetime, actor: Actor) -> int:
        """Chain the event and return its serial."""
        ...

    def copy(self, entry: Entry) -> None:
        """Store an entry of another server's log as it was chained there; raises `Conflict` unless it is the next."""
        ...

    def serial(self) -> int:
        """Return the serial of the last event; 0 when there is none."""
        ...

    def since(self, serial: int, limit: int = 1000) -> tuple[Entry, ...]:
        """Return the entries after that serial, oldest first."""
        ...

    def latest(self, limit: int, *, before: int | None = None, project: ProjectName | None = None) -> tuple[Entry, ...]:
        """Return the newest entries (before a serial; about a project), newest first."""
        ...


class Leases(Protocol):
    """Uploads in flight, removals, and the one-time setup link, which is a lease on becoming administrator."""

    def add(self, lease: Lease) -> None: ...
    def replace(self, lease: Lease) -> None: ...
    def remove(self, lease_id: str) -> None: ...
    def end(self, lease_id: str) -> None:
        """Remove a lease that must still be there; raises `Conflict` when the sweep has ended it."""
        ...

    def list(self) -> tuple[Lease, ...]: ...
    def list_removals(self) -> tuple[Lease, ...]:
        """Return those that say which blobs are being removed (`core/removals.py`)."""
        ...

    def put_setup_link(self, link: SetupLink) -> None:
        """Store the link; any earlier one is void."""
        ...

    def take_setup_link(self, digest: bytes) -> SetupLink | None:
        """Remove and return the link of that digest."""
        ...


class Turns(Protocol):
    """Which process does a regular job that one does for all; one row for each job."""

    def find(self, job: str) -> Turn | None: ...
    def list(self) -> tuple[Turn, ...]: ...
    def save(self, turn: Turn) -> None:
        """Insert it, or replace the row of the same job. Writes no event."""
        ...


class StoreIds(Protocol):
    """The id that the catalog's blobs carry, too (`core/ownership.py`): no row, or one. Writes no event."""

    def find(self) -> StoreId | None: ...
    def save(self, store_id: StoreId) -> None:
        """Insert it, or replace the row."""
        ...
