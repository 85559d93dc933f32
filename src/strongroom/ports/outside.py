"""Time, randomness and passwords."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


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


class Seals(Protocol):
    """Encryption with a key derived from the server's, for credentials that must be used again."""

    def seal(self, text: str) -> bytes:
        """Return the text encrypted and authenticated (AES-GCM)."""
        ...

    def unseal(self, sealed: bytes) -> str:
        """Return the text; raises `StorageFault` when it was sealed with another key or changed."""
        ...


class Passwords(Protocol):
    """Slow password hashing, with a bound on how many run at once."""

    async def hash(self, password: str) -> str:
        """Return an argon2id hash; raises `TooMany` when the queue is full."""
        ...

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Return whether they match; takes as long when there is no hash (None)."""
        ...
