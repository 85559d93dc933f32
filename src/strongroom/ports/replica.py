"""What following another server needs: its change feed and its bytes, and a row that remembers it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from strongroom.core.names import Sha256
from strongroom.core.replica import Followed, Page


class FollowedServer(Protocol):
    """The server that this one is a replica of: no row, or one. Writes no event: the log is the primary's."""

    def find(self) -> Followed | None: ...
    def save(self, followed: Followed) -> None:
        """Insert it, or replace the row."""
        ...

    def remove(self) -> None: ...


class Primary(Protocol):
    """The server that is followed, asked over the network.

    Raises `Unavailable` when it does not answer, `Forbidden` when it refuses the token,
    `Conflict` when it answers in words of another version.
    """

    async def get_page(self, since: int, *, limit: int) -> Page:
        """Return the changes after that serial, so many events at most."""
        ...

    def read_blob(self, sha256: Sha256, *, size_bytes: int | None) -> AsyncIterator[bytes]:
        """Yield the bytes, of that size where it is known; raises `NotFound` when it has none of that digest."""
        ...

    async def close(self) -> None: ...


OpenPrimary = Callable[[str, str], Primary]
"""Takes URL and token; nothing is asked yet."""
