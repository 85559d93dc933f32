"""Whether the bucket gives and takes: an object of ours is read at each look, and written now and then.

A bucket that only reads (a full quota, a key that lost a right) answers every read, so
that only a write finds it out. Once a look has failed, each one writes, until one succeeds.
Sixteen names are shared by all servers: nothing piles up, and no store is asked to write
one object too often. Does not decide what is told of it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable

import obstore

from strongroom.adapters.blobs.bucket_faults import lacks_bucket, raising_port_errors
from strongroom.adapters.blobs.bucket_store import BucketStore

WRITE_SECONDS = 10
"""A write that succeeded is proof for so long."""
LOOK_SECONDS = 5
"""How long a look may take: one that hangs must not outlast the outage."""
_CONTENT = b"Strongroom writes this now and then to see whether it can.\n"


class BucketProbe:
    """Looks at a bucket. For one event loop."""

    def __init__(self, store: BucketStore, clock: Callable[[], float] = time.monotonic) -> None:
        """Choose the object; the store is asked nothing."""
        self._store = store
        self._clock = clock
        self._key = f"probe/{secrets.choice('0123456789abcdef')}"
        self._written_at = float("-inf")

    async def look(self) -> None:
        """Return if the bucket can be read and written now; raises `Unavailable`, `StorageFault`."""
        with raising_port_errors("Looking at the bucket"):
            await asyncio.wait_for(self._look(), LOOK_SECONDS)

    async def _look(self) -> None:
        written_at, self._written_at = self._written_at, float("-inf")
        if self._clock() - written_at >= WRITE_SECONDS:
            written_at = self._clock()
            await obstore.put_async(self._store, self._key, _CONTENT, use_multipart=False)
        try:
            await obstore.get_range_async(self._store, self._key, start=0, length=1)  # a HEAD names no missing bucket
        except FileNotFoundError as error:  # somebody tidied up
            if lacks_bucket(error):
                raise
        self._written_at = written_at
