"""`ports.backup.BackupTarget` in a bucket: files are objects below the URL's prefix.

What is written comes together in a local temporary file first: bytes that turn out to
be wrong are never sent. Large files go in parts and are read in windows, so that no
request is unbounded in time. Does not know what a backup is.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import obstore

from strongroom.adapters.blobs.bucket_faults import lacks_bucket, raising_port_errors
from strongroom.adapters.blobs.bucket_store import (
    PART_BYTES,
    PARTS_AT_ONCE,
    BucketStore,
    in_time,
    list_objects,
    part_bytes,
    windows,
)
from strongroom.core.errors import StorageFault
from strongroom.ports.backup import Kept


class BucketTarget:
    """Files below the prefix of a bucket, which must be there."""

    def __init__(self, store: BucketStore) -> None:
        self._store = store

    async def list(self, folder: str) -> AsyncIterator[Kept]:
        """Yield every file below the folder."""
        async for found in list_objects(self._store, folder, doing="Listing the target of backups"):
            yield Kept(found["path"], found["size"])

    async def write(self, path: str, chunks: AsyncIterator[bytes]) -> None:
        """Store the file, over one that is there; when the chunks fail, nothing is sent."""
        with tempfile.TemporaryDirectory(prefix="strongroom-target-") as folder:
            draft = Path(folder, "draft")
            size_bytes = await _save(draft, chunks)
            with raising_port_errors("Writing a backup"):
                await obstore.put_async(
                    self._store,
                    path,
                    draft,
                    use_multipart=size_bytes > PART_BYTES,
                    chunk_size=part_bytes(size_bytes),
                    max_concurrency=PARTS_AT_ONCE,
                )

    async def read(self, path: str) -> AsyncIterator[bytes]:
        """Yield the file in chunks; raises `StorageFault` when it is missing or cannot be read."""
        size_bytes = await self._find_size(path)
        for start, length in windows(0, stop=size_bytes):
            with raising_port_errors("Reading a backup"):
                chunk = bytes(await in_time(obstore.get_range_async(self._store, path, start=start, length=length)))
            yield chunk

    async def _find_size(self, path: str) -> int:
        with raising_port_errors("Reading a backup"):
            try:
                return (await in_time(obstore.head_async(self._store, path)))["size"]
            except FileNotFoundError as error:
                if lacks_bucket(error):
                    raise
        raise StorageFault("backup-file-missing", f"{path} is missing in the target", "Use another backup.")


async def _save(path: Path, chunks: AsyncIterator[bytes]) -> int:
    """Write the chunks into a local file, and return how many bytes they are."""
    size_bytes = 0
    with path.open("xb") as file:  # writes go to a thread
        async for chunk in chunks:
            size_bytes += await asyncio.to_thread(file.write, chunk)
    return size_bytes
