"""Bytes: how they arrive, how they are kept under their sha256, how an archive is looked into."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from strongroom.core.archive import Inspected
from strongroom.core.names import Filename, Sha256
from strongroom.core.policy import Refuse


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

    async def receive(self, *, is_short: bool = False) -> Incoming:
        """Open a temporary file on the store's own filesystem; raises `StorageFull` when there is no room.

        With `is_short` that may come with the first write, and so may what it raises.
        """
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

    async def find_size(self, sha256: Sha256) -> int | None:
        """Return how many bytes the store itself says there are, None if there is no such blob; reads none of them.

        Raises `Unavailable`, `StorageFault`.
        """
        ...

    def stream(self, sha256: Sha256, start: int, *, stop: int) -> AsyncIterator[bytes]:
        """Yield bytes start to stop (exclusive) in chunks; raises `StorageFault` when missing."""
        ...

    async def link(self, sha256: Sha256, *, seconds: int) -> str | None:
        """Return a URL where the bytes can be fetched for so long, without credentials; None where none is made.

        Raises `StorageFault` when the blob is missing, `Unavailable`.
        """
        ...

    async def check(self) -> None:
        """Return if bytes could be kept now; cheap. Raises `StorageFull`, `StorageFault`, `Unavailable` otherwise."""
        ...

    async def read_mark(self) -> str | None:
        """Return the id that says whose blobs these are (`core/ownership.py`), None where there is none."""
        ...

    async def write_mark(self, mark: str, *, replaces: bool = False) -> str:
        """Make the mark durable and return the one that is there now: an earlier one, unless it is replaced."""
        ...

    def list(self) -> AsyncIterator[BlobInfo]: ...
    async def remove(self, sha256: Sha256) -> None: ...


class Inspector(Protocol):
    """Looks into an archive in a resource-limited process; never extracts it."""

    async def inspect(self, path: Path, filename: Filename, *, size_bytes: int) -> Inspected | Refuse: ...
    async def close(self) -> None: ...
