"""Password hashing with argon2id, bounded in memory and in processors.

Decides on the cost (OWASP's floor: 19 MiB, two passes, one lane, some 50 to 100 ms)
and on how many run and wait. Does not decide which passwords are good enough.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from strongroom.core.errors import StorageFault, TooMany

T = TypeVar("T")
LONGEST_QUEUE = 50
_MEMORY_KIB = 19 * 1024
_NOBODYS_HASH = f"$argon2id$v=19$m={_MEMORY_KIB},t=2,p=1${'A' * 22}${'A' * 43}"
"""The hash of no known password: checking against it takes as long as against a real one."""


class Argon2Passwords:
    """Implements `ports.Passwords`; at most `at_once` hashes run, and `queue` more wait."""

    def __init__(self, *, at_once: int | None = None, queue: int = LONGEST_QUEUE) -> None:
        """Half of the processors by default, so that logins cannot stop the downloads."""
        self._hasher = PasswordHasher(time_cost=2, memory_cost=_MEMORY_KIB, parallelism=1, type=Type.ID)
        running = at_once or max(1, (os.cpu_count() or 1) // 2)
        self._threads = ThreadPoolExecutor(running, thread_name_prefix="passwords")
        self._places = BoundedSemaphore(running + queue)

    async def hash(self, password: str) -> str:
        """Return an argon2id hash; raises `TooMany` when the queue is full."""
        return await self._in_turn(lambda: self._hasher.hash(password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Return whether they match; takes as long when there is no hash (None)."""
        return await self._in_turn(lambda: self._matches(password_hash or _NOBODYS_HASH, password))

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except VerifyMismatchError:
            return False
        except (InvalidHashError, VerificationError) as error:
            raise StorageFault("password-hash", "A stored password hash cannot be read", "Set a new one.") from error

    async def _in_turn(self, work: Callable[[], T]) -> T:
        """Run the work in a thread; a place is free again when the work ends, even if nobody waits any more."""
        if not self._places.acquire(blocking=False):
            raise TooMany("too-many-logins", "Too many passwords are being checked", "Try again in a minute.")
        running = self._threads.submit(work)
        running.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(running)
