"""What a backup needs from outside: the rows of all tables as they are, and a place to keep files.

Rows are plain values in the order of their columns: nobody between catalog and backup
knows what they mean, so that a table which comes later is carried too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from strongroom.core.backup import Row, Shape

T = TypeVar("T")


class Contents(Protocol):
    """All tables as one transaction sees them."""

    def schema(self) -> str:
        """Return the revision of the schema."""
        ...

    def shapes(self) -> tuple[Shape, ...]:
        """Return every table of the catalog, those that others refer to first."""
        ...

    def rows(self, shape: Shape) -> Iterator[Row]:
        """Yield the table's rows in the order of their keys, in constant memory."""
        ...

    def has_rows(self, shape: Shape) -> bool: ...
    def add(self, shape: Shape, rows: Iterator[Row]) -> int:
        """Store the rows, and return how many; columns that the shape lacks take their defaults."""
        ...


class Tables(Protocol):
    """A catalog whose tables can be read and filled as a whole."""

    async def export(self, fn: Callable[[Contents], T]) -> T:
        """Run the function on one consistent snapshot of all tables."""
        ...

    async def fill(self, fn: Callable[[Contents], T]) -> T:
        """Run the function alone and commit durably; any exception rolls all of it back."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """A file in a target; `path` has slashes, and begins without one."""

    path: str
    size_bytes: int


class BackupTarget(Protocol):
    """A place for backups: files by path, written whole or not at all."""

    def list(self, folder: str) -> AsyncIterator[Kept]:
        """Yield every file below the folder; nothing when there is no such folder."""
        ...

    async def write(self, path: str, chunks: AsyncIterator[bytes]) -> None:
        """Store the file durably, over one that is there; when the chunks fail, nothing is stored.

        Raises `StorageFull`, `StorageFault`, `Unavailable`.
        """
        ...

    def read(self, path: str) -> AsyncIterator[bytes]:
        """Yield the file in chunks; raises `StorageFault` when it is missing or cannot be read."""
        ...
