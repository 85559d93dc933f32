"""A bounded memory of what was made recently, for what no shelf of the cache holds.

An entry counts only while the cache stands where it stood when the entry was made.
Forgets the least recently used first. Decides nothing about its values.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Values by key, bounded in bytes."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._entries: OrderedDict[Hashable, tuple[int, int, T]] = OrderedDict()

    def find(self, key: Hashable, *, generation: int) -> T | None:
        """Return the value, if it was made in this generation of the cache."""
        entry = self._entries.get(key)
        if entry is None or entry[0] != generation:
            return None
        self._entries.move_to_end(key)
        return entry[2]

    def store(self, key: Hashable, value: T, *, size_bytes: int, generation: int) -> None:
        """Keep the value in place of any earlier one."""
        earlier = self._entries.pop(key, None)
        self._size_bytes += size_bytes - (earlier[1] if earlier else 0)
        self._entries[key] = (generation, size_bytes, value)
        while self._size_bytes > self._limit_bytes:
            _, dropped = self._entries.popitem(last=False)
            self._size_bytes -= dropped[1]
