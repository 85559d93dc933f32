"""What the services need from outside, as protocols; `adapters/` implement them.

Transactions are plain synchronous functions handed to the catalog, which runs them
in a thread of its own, so that nobody can await inside one. Adapters raise only the
errors of `core/errors.py`: `Unavailable`, `StorageFull`, `StorageFault`, `Conflict`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from strongroom.core.access import Grant, Token
from strongroom.core.archive import Inspected
from strongroom.core.events import Actor, Entry, Event
from strongroom.core.model import File, Index, Lease, Project, SetupLink, Tombstone, User
from strongroom.core.names import Filename, IndexName, ProjectName, Sha256, TokenId, UserName
from strongroom.core.policy import Refuse

T = TypeVar("T")


class Clock(Protocol):
    """The time of day."""

    def now(self) -> datetime:
        """Return the time now, aware, in UTC."""
        ...


class Secrets(Protocol):
    """Randomness and the server's own key."""

    def token_bytes(self, length: int) -> bytes:
        """Return that many random bytes."""
        ...

    def derive_key(self, purpose: str) -> bytes:
        """Return a 32-byte key for one purpose, derived from the server's key."""
        ...


class Passwords(Protocol):
    """Slow password hashing, with a bound on how many run at once."""

    async def hash(self, password: str) -> str:
        """Return an argon2id hash; raises `TooMany` when the queue is full."""
        ...

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Return whether they match; takes as long when there is no hash (None)."""
        ...


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
        """Remove the file of that name and keep the name taken."""
        ...

    def find_tombstone(self, index: IndexName, filename: Filename) -> Tombstone | None: ...
    def count(self, index: IndexName) -> int: ...
    def scan(self) -> Iterator[File]:
        """Yield every file of every index, for verify and sweep, in constant memory."""
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
    """Uploads in flight, and the one-time setup link, which is a lease on becoming administrator."""

    def add(self, lease: Lease) -> None: ...
    def replace(self, lease: Lease) -> None: ...
    def remove(self, lease_id: str) -> None: ...
    def list(self) -> tuple[Lease, ...]: ...
    def put_setup_link(self, link: SetupLink) -> None:
        """Store the link; any earlier one is void."""
        ...

    def take_setup_link(self, digest: bytes) -> SetupLink | None:
        """Remove and return the link of that digest."""
        ...


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


class Catalog(Protocol):
    """The truth: who, what and where; not the bytes."""

    async def read(self, fn: Callable[[Transaction], T]) -> T:
        """Run the function on one consistent snapshot."""
        ...

    async def write(self, fn: Callable[[Transaction], T]) -> T:
        """Run the function alone and commit durably; any exception rolls all of it back."""
        ...

    def change_mark(self) -> int:
        """Return a number that differs whenever anything was committed since; microseconds, no thread."""
        ...

    async def close(self) -> None: ...


class Incoming(Protocol):
    """Bytes that arrive: a temporary file that nobody else sees."""

    @property
    def path(self) -> Path: ...
    @property
    def size_bytes(self) -> int: ...
    async def write(self, chunk: bytes) -> None:
        """Append; raises `StorageFull`, `StorageFault`."""
        ...

    async def sha256(self) -> Sha256:
        """Return the digest of all that was written."""
        ...

    async def discard(self) -> None:
        """Remove the temporary file; harmless after `Blobs.keep`."""
        ...


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """A stored blob as a listing shows it."""

    sha256: Sha256
    size_bytes: int
    modified_at: datetime


class Blobs(Protocol):
    """Bytes under their sha256: written once, never changed."""

    async def receive(self) -> Incoming:
        """Open a temporary file on the store's own filesystem; raises `StorageFull` when there is no room."""
        ...

    async def keep(self, incoming: Incoming) -> Sha256:
        """Make the bytes durable under their digest (fsync, rename, fsync the directory) and return it.

        A blob that is there already is hashed again and kept; a wrong one is replaced.
        """
        ...

    async def put(self, data: bytes) -> Sha256:
        """Make small bytes durable in the same way, and return their digest."""
        ...

    async def get(self, sha256: Sha256) -> bytes:
        """Return a small blob whole; raises `StorageFault` when it is missing."""
        ...

    def find_path(self, sha256: Sha256) -> Path | None:
        """Return the local path of the bytes, or None where the store is not a local directory."""
        ...

    def stream(self, sha256: Sha256, start: int, *, stop: int) -> AsyncIterator[bytes]:
        """Yield bytes start to stop (exclusive) in chunks; raises `StorageFault` when missing."""
        ...

    def list(self) -> AsyncIterator[BlobInfo]: ...
    async def remove(self, sha256: Sha256) -> None: ...


class Inspector(Protocol):
    """Looks into an archive in a resource-limited process; never extracts it."""

    async def inspect(self, path: Path, filename: Filename, *, size_bytes: int) -> Inspected | Refuse: ...
    async def close(self) -> None: ...
