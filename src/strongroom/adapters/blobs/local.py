"""Blobs in a local directory: `blobs/sha256/ab/cd/<digest>`, written once, mode 0400.

The order is: fsync the temporary file, link it to its final name without ever
overwriting, fsync the directory, and only then say that it is kept. Does not know
which blobs are in use. Beside them `blobs/store-id` says whose they are.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import TypeVar

from strongroom.adapters.blobs.files import (
    CHUNK_BYTES,
    demand_room,
    is_orphan,
    open_new,
    raising_port_errors,
    shard_path,
    sync_directory,
    sync_existing,
    sync_file,
    translate_os_error,
    write_all,
)
from strongroom.adapters.blobs.incoming import LocalIncoming
from strongroom.core.errors import StorageFault
from strongroom.core.names import Sha256, is_sha256
from strongroom.ports import BlobInfo, Incoming

T = TypeVar("T")

DEFAULT_MINIMUM_FREE_BYTES = 256 * 1024 * 1024
_THREADS = 8
_ATTEMPTS = 5
_SETTLED_SECONDS = 60
"""A temporary file that was made a moment ago may not be locked yet."""
_RESTORE = "Restore it from a backup; see `strongroom verify`."


class LocalBlobs:
    """`ports.Blobs` under one directory, with `incoming/` on the same filesystem."""

    def __init__(self, directory: Path, minimum_free_bytes: int = DEFAULT_MINIMUM_FREE_BYTES) -> None:
        """Make the directories; raises `StorageFault`."""
        self._incoming = directory / "incoming"
        self._shards = directory / "blobs" / "sha256"
        self._mark = directory / "blobs" / "store-id"
        self._shards_text = str(self._shards)  # joining text takes a third of the time of joining paths
        self._minimum_free_bytes = minimum_free_bytes
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="blobs")
        self._durable_shards: set[str] = set()
        self._is_doubted = False
        """The disk has lost a write, and has made none durable since."""
        with raising_port_errors("Making the directories for files"):
            self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._shards.mkdir(mode=0o700, parents=True, exist_ok=True)
            for made in (self._shards.parent, directory):
                sync_directory(made)
            with suppress(PermissionError):  # in a directory that we may not read, somebody else made ours
                sync_directory(directory.parent)

    async def receive(self, *, is_short: bool = False) -> Incoming:
        """Open a temporary file; raises `StorageFull` when there is less free space than the minimum.

        That of a short one is made, and the room looked for, with its first write: a thread less for each.
        """
        if is_short:
            return self._make_incoming(self._minimum_free_bytes)
        return await self._run(self._open_incoming)

    async def keep(self, incoming: Incoming) -> Sha256:
        """Make the bytes durable under their digest and return it.

        A blob that is there already is hashed again and kept; a wrong one is replaced.
        """
        if not isinstance(incoming, LocalIncoming):
            raise TypeError("these bytes were received by another store")
        return await self._run(lambda: self._keep(incoming))

    async def put(self, data: bytes) -> Sha256:
        """Make small bytes durable in the same way, and return their digest."""
        return await self._run(lambda: self._put(data))

    async def get(self, sha256: Sha256) -> bytes:
        """Return a small blob whole; raises `StorageFault` when it is missing or not what it should be."""
        return await self._run(lambda: self._read_verified(sha256))

    def find_path(self, sha256: Sha256) -> Path:
        """Return where the bytes are, without looking; raises `StorageFault` for what is no digest."""
        return Path(f"{self._shards_text}/{shard_path(sha256)}")

    async def find_size(self, sha256: Sha256) -> int | None:
        """Return the size of the blob's file, None if there is none; raises `StorageFault`, `Unavailable`."""
        return await self._run(lambda: self._find_size(sha256))

    async def stream(self, sha256: Sha256, start: int, *, stop: int) -> AsyncIterator[bytes]:
        """Yield bytes start to stop (exclusive); raises `StorageFault` when the blob is missing or too short."""
        file = await self._run(lambda: self._open(sha256))
        try:
            while start < stop:
                chunk = await self._run(_reader(file, min(CHUNK_BYTES, stop - start), offset=start))
                if not chunk:
                    raise StorageFault("blob-short", f"The blob {sha256} ends before byte {stop}")
                start += len(chunk)
                yield chunk
        finally:
            file.close()

    async def list(self) -> AsyncIterator[BlobInfo]:
        """Yield every blob, a 256th of the store at a time."""
        for first in range(256):
            for info in await self._run(_lister(self._shards / f"{first:02x}")):
                yield info

    async def remove(self, sha256: Sha256) -> None:
        """Remove the blob, if it is there. After a power loss it may be back, for the next sweep."""
        await self._run(lambda: self._remove(sha256))

    async def link(self, sha256: Sha256, *, seconds: int) -> None:
        """Return None: clients reach a directory only through the server."""

    async def check(self) -> None:
        """Make a temporary file and remove it; raises `StorageFull`, `StorageFault`.

        After a write that was lost, the file must become durable, too: that takes longer,
        and only that shows that the disk can be trusted again.
        """
        await self._run(self._check)

    async def read_mark(self) -> str | None:
        """Return what the file `blobs/store-id` says, None where there is none; raises `StorageFault`."""
        return await self._run(self._read_mark)

    async def write_mark(self, mark: str, *, replaces: bool = False) -> str:
        """Make the mark durable and return the one that is there now: an earlier one, unless it is replaced."""
        return await self._run(lambda: self._write_mark(mark, replaces=replaces))

    async def purge_incoming(self, older_than: datetime) -> int:
        """Remove temporary files last written before that time, and earlier those whose process is gone.

        Returns how many: whatever brought them has died.
        """
        return await self._run(lambda: self._purge(older_than))

    def _read_mark(self) -> str | None:
        with raising_port_errors("Reading whose files these are"), suppress(FileNotFoundError):
            return self._mark.read_text(encoding="ascii", errors="replace").strip()
        return None

    def _write_mark(self, mark: str, *, replaces: bool) -> str:
        draft = self._incoming / secrets.token_hex(16)
        with raising_port_errors("Marking whose files these are"):
            with open_new(draft) as file:
                write_all(file.fileno(), f"{mark}\n".encode("ascii"))
                sync_file(file.fileno())
            if replaces:
                draft.replace(self._mark)
            else:
                with suppress(FileExistsError):
                    os.link(draft, self._mark)
                draft.unlink()
            sync_directory(self._mark.parent)
            return self._mark.read_text(encoding="ascii", errors="replace").strip()

    def _open_incoming(self) -> LocalIncoming:
        with raising_port_errors("Opening a temporary file"):
            demand_room(self._incoming, self._minimum_free_bytes)
            incoming = self._make_incoming(self._minimum_free_bytes)
            incoming.open()
            return incoming

    def _make_incoming(self, minimum_free_bytes: int = 0) -> LocalIncoming:
        path = self._incoming / secrets.token_hex(16)
        return LocalIncoming(path, self._threads, minimum_free_bytes=minimum_free_bytes)

    def _keep(self, incoming: LocalIncoming) -> Sha256:
        def use(descriptor: int, sha256: Sha256) -> None:
            sync_file(descriptor)
            self._publish(incoming.path, sha256)

        try:
            return incoming.finish(use)
        except StorageFault:
            self._is_doubted = True
            raise

    def _check(self) -> None:
        incoming = self._open_incoming()
        try:
            if self._is_doubted:
                incoming.finish(lambda descriptor, _: sync_file(descriptor))
                with raising_port_errors("Writing to the disk"):
                    sync_directory(self._incoming)
                self._is_doubted = False
        finally:
            incoming.remove()

    def _put(self, data: bytes) -> Sha256:
        incoming = self._make_incoming()
        with raising_port_errors("Opening a temporary file"):
            incoming.open()
        try:
            incoming.append(data)
            return self._keep(incoming)
        finally:
            incoming.remove()

    def _publish(self, temporary: Path, sha256: Sha256) -> None:
        """Give the synced file its final name, durably."""
        final = self.find_path(sha256)
        self._prepare_shard(final.parent, sha256[:4])
        for _ in range(_ATTEMPTS):
            try:
                os.link(temporary, final)
                break
            except FileExistsError:
                if self._settle_existing(temporary, final, sha256=sha256):
                    break
        else:
            raise StorageFault("blob-fault", f"The blob {sha256} comes and goes")
        sync_directory(final.parent)

    def _settle_existing(self, temporary: Path, final: Path, *, sha256: Sha256) -> bool:
        """Keep the right bytes that are there, or replace wrong ones; return False when they have just gone."""
        try:
            found = sync_existing(final)
        except FileNotFoundError:
            return False
        if found != sha256:
            temporary.replace(final)
        return True

    def _prepare_shard(self, shard: Path, key: str) -> None:
        """Make the two directories, durably.

        The first time, they are synced even if they exist: another process may have made
        them and not have come to that yet.
        """
        if key in self._durable_shards:
            return
        shard.parent.mkdir(mode=0o700, exist_ok=True)
        shard.mkdir(mode=0o700, exist_ok=True)
        sync_directory(shard.parent)
        sync_directory(self._shards)
        self._durable_shards.add(key)

    def _open(self, sha256: Sha256) -> FileIO:
        try:
            return FileIO(self.find_path(sha256))
        except FileNotFoundError as error:
            raise StorageFault("blob-missing", f"The blob {sha256} is missing", _RESTORE) from error
        except OSError as error:
            raise translate_os_error(error, "Opening a blob") from error

    def _find_size(self, sha256: Sha256) -> int | None:
        with raising_port_errors("Looking for a blob"):
            try:
                return self.find_path(sha256).stat().st_size
            except FileNotFoundError:
                return None

    def _read_verified(self, sha256: Sha256) -> bytes:
        with self._open(sha256) as file, raising_port_errors("Reading a blob"):
            data = file.readall()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StorageFault("blob-damaged", f"The blob {sha256} holds other bytes than it should", _RESTORE)
        return data

    def _remove(self, sha256: Sha256) -> None:
        with raising_port_errors("Removing a blob"), suppress(FileNotFoundError):
            self.find_path(sha256).unlink()

    def _purge(self, older_than: datetime) -> int:
        purged, settled = 0, time.time() - _SETTLED_SECONDS
        with raising_port_errors("Removing temporary files"), os.scandir(self._incoming) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    path, written_at = Path(entry.path), entry.stat().st_mtime
                    if written_at < older_than.timestamp() or (written_at < settled and is_orphan(path)):
                        path.unlink()
                        purged += 1
        return purged

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


def _reader(file: FileIO, size_bytes: int, *, offset: int) -> Callable[[], bytes]:
    def read() -> bytes:
        with raising_port_errors("Reading a blob"):
            return os.pread(file.fileno(), size_bytes, offset)

    return read


def _lister(directory: Path) -> Callable[[], tuple[BlobInfo, ...]]:
    def read() -> tuple[BlobInfo, ...]:
        with raising_port_errors("Listing the blobs"), suppress(FileNotFoundError):
            return tuple(_find_blobs(directory))
        return ()

    return read


def _find_blobs(directory: Path) -> list[BlobInfo]:
    """Return the blobs of one first-level shard; other names are not ours and stay alone."""
    found: list[BlobInfo] = []
    for shard in sorted(path for path in directory.iterdir() if path.is_dir()):
        with os.scandir(shard) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if is_sha256(entry.name):
                        status = entry.stat()
                        modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
                        found.append(BlobInfo(Sha256(entry.name), status.st_size, modified_at))
    return found
