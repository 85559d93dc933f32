"""The smallest blobs, kept in memory: a warm sidecar costs no round trip to the bucket.

A blob never changes its bytes, so nothing here goes stale; the least used leave first.
"""

from __future__ import annotations

from collections import OrderedDict

from strongroom.core.names import Sha256

SMALL_BYTES = 64 * 1024
"""Up to this size a blob is kept."""
DEFAULT_LIMIT_BYTES = 32 * 1024 * 1024
_OVERHEAD_BYTES = 256


class SmallBlobs:
    """Bytes by their digest, up to a limit in all. For one event loop."""

    def __init__(self, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._blobs: OrderedDict[Sha256, bytes] = OrderedDict()

    def find(self, sha256: Sha256) -> bytes | None:
        """Return the bytes, if they are here."""
        data = self._blobs.get(sha256)
        if data is not None:
            self._blobs.move_to_end(sha256)
        return data

    def keep(self, sha256: Sha256, data: bytes) -> None:
        """Keep the bytes, if they are small."""
        if len(data) > SMALL_BYTES or sha256 in self._blobs:
            return
        self._blobs[sha256] = data
        self._size_bytes += len(data) + _OVERHEAD_BYTES
        while self._size_bytes > self._limit_bytes:
            _, dropped = self._blobs.popitem(last=False)
            self._size_bytes -= len(dropped) + _OVERHEAD_BYTES

    def forget(self, sha256: Sha256) -> None:
        """Drop the bytes, if they are here."""
        dropped = self._blobs.pop(sha256, None)
        if dropped is not None:
            self._size_bytes -= len(dropped) + _OVERHEAD_BYTES
