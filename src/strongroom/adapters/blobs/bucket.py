"""Blobs in a bucket: S3 and what is compatible with it, Google Cloud Storage, Azure.

An object is `sha256/ab/cd/<digest>` below the prefix, as in a local directory. It is
written only if it is not there, and right bytes are never written over. What arrives
is a local temporary file first, since an archive is inspected before it is kept. A
write whose answer was lost is looked for before anybody is told that it failed.

Does not know which blobs are in use, and makes no request that is not bounded in time
(`bucket_store.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError

from strongroom.adapters.blobs.bucket_faults import (
    RESTORE,
    Fault,
    lacks_bucket,
    missing_blob,
    raising_port_errors,
    reading_blob,
    translate,
)
from strongroom.adapters.blobs.bucket_links import KnownDigests
from strongroom.adapters.blobs.bucket_memory import SMALL_BYTES, SmallBlobs
from strongroom.adapters.blobs.bucket_probe import LOOK_SECONDS, BucketProbe
from strongroom.adapters.blobs.bucket_store import (
    LARGE_AT_ONCE,
    PART_BYTES,
    PARTS_AT_ONCE,
    BucketStore,
    in_time,
    list_objects,
    part_bytes,
    windows,
)
from strongroom.adapters.blobs.files import shard_path
from strongroom.adapters.blobs.incoming import LocalIncoming
from strongroom.adapters.blobs.local import DEFAULT_MINIMUM_FREE_BYTES, LocalBlobs
from strongroom.core.errors import StorageFault, Unavailable
from strongroom.core.names import Sha256, is_sha256
from strongroom.ports import BlobInfo, Incoming

_MARK = "store-id"
"""The object beside the blobs that says whose they are."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Blob:
    """Bytes to be written: in memory or in a file."""

    sha256: Sha256
    source: bytes | Path
    size_bytes: int

    @property
    def has_parts(self) -> bool:
        return self.size_bytes > PART_BYTES


class BucketBlobs:
    """`ports.Blobs` in a bucket, with `incoming/` in a local directory."""

    def __init__(
        self, store: BucketStore, directory: Path, *, minimum_free_bytes: int = DEFAULT_MINIMUM_FREE_BYTES
    ) -> None:
        """Make the local directory; raises `StorageFault`. The store is asked nothing."""
        self._store = store
        self._local = LocalBlobs(directory, minimum_free_bytes)
        self._small = SmallBlobs()
        self._known = KnownDigests()
        self._probe = BucketProbe(store)
        self._large_ones = asyncio.Semaphore(LARGE_AT_ONCE)

    async def receive(self, *, is_short: bool = False) -> Incoming:
        """Open a local temporary file; raises `StorageFull` when there is less free space than the minimum."""
        return await self._local.receive(is_short=is_short)

    async def keep(self, incoming: Incoming) -> Sha256:
        """Make the bytes durable under their digest and return it; raises `Unavailable`, `StorageFault`.

        A blob that is there already is read again and kept; a wrong one is replaced.
        """
        if not isinstance(incoming, LocalIncoming):
            raise TypeError("these bytes were received by another store")
        sha256 = await incoming.sha256()
        await self._write(_Blob(sha256, incoming.path, incoming.size_bytes))
        await incoming.discard()
        return sha256

    async def put(self, data: bytes) -> Sha256:
        """Make small bytes durable in the same way, and return their digest."""
        sha256 = Sha256(hashlib.sha256(data).hexdigest())
        await self._write(_Blob(sha256, data, len(data)))
        self._small.keep(sha256, data)
        return sha256

    async def get(self, sha256: Sha256) -> bytes:
        """Return a small blob whole; raises `StorageFault` when it is missing or not what it should be."""
        data = self._small.find(sha256)
        if data is None:
            with reading_blob(sha256):
                found = await in_time(obstore.get_async(self._store, _key(sha256)))
                data = bytes(await in_time(found.bytes_async()))
            self._keep_verified(sha256, data)
        return data

    def find_path(self, sha256: Sha256) -> None:
        """Return None: nothing here is a local file."""

    async def find_size(self, sha256: Sha256) -> int | None:
        """Return the size of the blob's object, None if there is none; raises `Unavailable`, `StorageFault`."""
        with raising_port_errors("Looking for a blob"):
            try:
                return (await in_time(obstore.head_async(self._store, _key(sha256))))["size"]
            except FileNotFoundError:
                return None

    async def stream(self, sha256: Sha256, start: int, *, stop: int) -> AsyncIterator[bytes]:
        """Yield bytes start to stop (exclusive); raises `StorageFault` when missing or too short, `Unavailable`."""
        if start < stop <= SMALL_BYTES:
            data = (await self._read_beginning(sha256))[start:stop]
            _demand_length(data, stop - start, sha256=sha256, stop=stop)
            yield data
            return
        for first, length in windows(start, stop=stop):
            yield await self._read_part(sha256, first, length=length, stop=stop)

    async def link(self, sha256: Sha256, *, seconds: int) -> str | None:
        """Return a URL that gives out the blob for so long; None where the credentials cannot sign one.

        Raises `StorageFault` when the blob is missing, `Unavailable`.
        """
        if not self._known.has(sha256):
            if await self.find_size(sha256) is None:
                raise missing_blob(sha256)
            self._known.add(sha256)
        try:
            return await obstore.sign_async(self._store, "GET", _key(sha256), timedelta(seconds=seconds))
        except (BaseError, ValueError):
            _log.warning("the object store's credentials sign no links, so its files are passed on by the server")
            return None

    async def check(self) -> None:
        """Return if there is room to receive and the bucket can be used; raises `StorageFull`, `StorageFault`, ..."""
        await self._local.check()
        await self._probe.look()

    async def read_mark(self) -> str | None:
        """Return what the object `store-id` says, None where there is none; raises `Unavailable`, `StorageFault`.

        Asked for at each start, so a store that is away must not hold one up for long.
        """
        with raising_port_errors("Reading whose files these are"):
            try:
                return await asyncio.wait_for(self._fetch_mark(), LOOK_SECONDS)
            except FileNotFoundError as error:
                if lacks_bucket(error):
                    raise
                return None

    async def write_mark(self, mark: str, *, replaces: bool = False) -> str:
        """Make the mark durable and return the one that is there now: an earlier one, unless it is replaced."""
        mode: Literal["create", "overwrite"] = "overwrite" if replaces else "create"
        with raising_port_errors("Marking whose files these are"):
            with suppress(AlreadyExistsError):
                await in_time(obstore.put_async(self._store, _MARK, mark.encode(), mode=mode, use_multipart=False))
            return await in_time(self._fetch_mark())

    async def list(self) -> AsyncIterator[BlobInfo]:
        """Yield every blob, a thousand at a time; objects of other names are not ours and stay alone."""
        async for found in list_objects(self._store, "sha256", doing="Listing the blobs"):
            name = found["path"].rpartition("/")[2]
            if is_sha256(name):
                yield BlobInfo(Sha256(name), found["size"], found["last_modified"])

    async def remove(self, sha256: Sha256) -> None:
        """Remove the blob, if it is there; raises `Unavailable`, `StorageFault`."""
        self._small.forget(sha256)
        self._known.forget(sha256)
        with raising_port_errors("Removing a blob"):
            try:
                await in_time(obstore.delete_async(self._store, _key(sha256)))
            except FileNotFoundError as error:
                if lacks_bucket(error):
                    raise

    async def purge_incoming(self, older_than: datetime) -> int:
        """Remove temporary files as `LocalBlobs.purge_incoming` does, and return how many."""
        return await self._local.purge_incoming(older_than)

    async def _fetch_mark(self) -> str:
        found = await obstore.get_async(self._store, _MARK)
        return bytes(await found.bytes_async()).decode(errors="replace").strip()

    async def _write(self, blob: _Blob) -> None:
        if blob.has_parts:
            # What is sent in parts cannot be made to depend on a missing object on every store, so it is looked for.
            async with self._large_ones:
                if not await self._holds(blob):
                    await self._send(blob, mode="overwrite")
        elif not await self._send(blob, mode="create") and not await self._holds(blob):
            await self._send(blob, mode="overwrite")

    async def _send(self, blob: _Blob, *, mode: Literal["create", "overwrite"]) -> bool:
        """Write the object; return False if there is one already that must not be written over."""
        try:
            await obstore.put_async(
                self._store,
                _key(blob.sha256),
                blob.source,
                mode=mode,
                use_multipart=blob.has_parts,
                chunk_size=part_bytes(blob.size_bytes),
                max_concurrency=PARTS_AT_ONCE,
            )
        except AlreadyExistsError:
            return False
        except (BaseError, OSError) as error:
            await self._settle(blob, translate(error, "Storing a blob"))
        return True

    async def _settle(self, blob: _Blob, fault: Fault) -> None:
        """Raise the fault, unless the bytes are there all the same: the answer may have been lost, not the write."""
        if not isinstance(fault, Unavailable) or not await self._holds(blob):
            raise fault
        _log.info("a write whose answer was lost was found to be made", extra={"fields": {"sha256": blob.sha256}})

    async def _holds(self, blob: _Blob) -> bool:
        """Return whether the store has these very bytes: it is not enough that it has some of that name."""
        if await self.find_size(blob.sha256) != blob.size_bytes:
            return False
        digest = hashlib.sha256()
        try:
            async for chunk in self._read_all(blob):
                await asyncio.to_thread(digest.update, chunk)
        except StorageFault as fault:
            if fault.code in ("blob-missing", "blob-short"):  # just removed or replaced
                return False
            raise
        return digest.hexdigest() == blob.sha256

    async def _read_all(self, blob: _Blob) -> AsyncIterator[bytes]:
        for start, length in windows(0, stop=blob.size_bytes):
            yield await self._read_part(blob.sha256, start, length=length, stop=blob.size_bytes)

    async def _read_beginning(self, sha256: Sha256) -> bytes:
        """Return the first bytes, all of a small blob; that is then remembered."""
        data = self._small.find(sha256)
        if data is None:
            with reading_blob(sha256):
                call = obstore.get_async(self._store, _key(sha256), options={"range": (0, SMALL_BYTES)})
                found = await in_time(call)
                data = bytes(await in_time(found.bytes_async()))
            if found.meta["size"] <= SMALL_BYTES:
                self._keep_verified(sha256, data)
        return data

    async def _read_part(self, sha256: Sha256, start: int, *, length: int, stop: int) -> bytes:
        with reading_blob(sha256):
            call = obstore.get_range_async(self._store, _key(sha256), start=start, length=length)
            data = bytes(await in_time(call))
        _demand_length(data, length, sha256=sha256, stop=stop)
        return data

    def _keep_verified(self, sha256: Sha256, data: bytes) -> None:
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StorageFault("blob-damaged", f"The blob {sha256} holds other bytes than it should", RESTORE)
        self._small.keep(sha256, data)


def _key(sha256: Sha256) -> str:
    return f"sha256/{shard_path(sha256)}"


def _demand_length(data: bytes, length: int, *, sha256: Sha256, stop: int) -> None:
    if len(data) < length:
        raise StorageFault("blob-short", f"The blob {sha256} ends before byte {stop}", RESTORE)
