"""Fakes of the small ports: a clock that stands, secrets that repeat, passwords that cost nothing.

The memory catalog and the memory blobs live with the adapters.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from strongroom.core.errors import StorageFault, TooMany
from strongroom.core.ownership import StoreId
from strongroom.ports import Blobs, Catalog, Primary
from strongroom.ports.backup import Contents

T = TypeVar("T")

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


async def join(catalog: Catalog, blobs: Blobs) -> None:
    """Let the blobs be the catalog's own, as the first start of a server does it."""
    mark = await blobs.write_mark("one store")
    await catalog.write(lambda tx: tx.store.save(StoreId(mark, is_marked=True)))


class FrozenClock:
    """A clock that moves only when it is told to."""

    def __init__(self, now: datetime = START) -> None:
        """Start at a fixed time."""
        self._now = now

    def now(self) -> datetime:
        """Return the same time until `advance` is called."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self._now += by


class SeededSecrets:
    """Randomness that is the same in each run, and never twice the same within one."""

    def __init__(self, seed: str = "strongroom") -> None:
        """Begin the sequence that belongs to the seed."""
        self._seed = seed.encode()
        self._drawn = 0

    def token_bytes(self, length: int) -> bytes:
        """Return the next bytes of the sequence."""
        self._drawn += 1
        return hashlib.shake_256(self._seed + self._drawn.to_bytes(8, "big")).digest(length)

    def derive_key(self, purpose: str) -> bytes:
        """Return a key that depends on seed and purpose."""
        return hmac.new(self._seed, purpose.encode(), hashlib.sha256).digest()


class FakeSeals:
    """Seals that can be read: what was not sealed by one is not unsealed."""

    def seal(self, text: str) -> bytes:
        """Return the text, marked as sealed."""
        return f"sealed:{text}".encode()

    def unseal(self, sealed: bytes) -> str:
        """Return the text."""
        text = sealed.decode(errors="replace")
        if not text.startswith("sealed:"):
            raise StorageFault("seal-broken", "This was sealed with another key, or changed")
        return text.removeprefix("sealed:")


class NoTables:
    """Tables that nobody backs up."""

    async def export(self, fn: Callable[[Contents], T]) -> T:
        """Refuse."""
        raise StorageFault("no-tables", "A catalog in memory cannot be backed up")

    fill = export


class FakePasswords:
    """Hashes that can be read, a count of checks, and a queue that can be full."""

    def __init__(self) -> None:
        """Count nothing yet."""
        self.checks: list[str | None] = []
        self.is_full = False

    async def hash(self, password: str) -> str:
        """Return the password, marked as hashed."""
        self._take_place()
        return f"fake:{password}"

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Compare, and remember which hash was asked for."""
        self._take_place()
        self.checks.append(password_hash)
        return password_hash == f"fake:{password}"

    def _take_place(self) -> None:
        if self.is_full:
            raise TooMany("too-many-logins", "Too many passwords are being checked", "Try again in a minute.")


def no_primary(_url: str, _token: str) -> Primary:
    """Stand for a network that nobody here uses."""
    raise AssertionError("nothing is followed here")
