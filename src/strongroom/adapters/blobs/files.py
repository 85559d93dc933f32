"""The single steps that make bytes durable: each one system call or two, each with its error.

Decides which error of the port a failing call becomes. A failing fsync is never
repeated: the kernel may have dropped the bytes that it could not write.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from strongroom.core.errors import StorageFault, StorageFull, Unavailable
from strongroom.core.names import Sha256, is_sha256
from strongroom.core.os_faults import NO_ROOM, TOO_MANY_OPEN, disk_full, too_many_files

CHUNK_BYTES = 1024 * 1024

Fault = StorageFull | StorageFault | Unavailable


def shard_path(sha256: Sha256) -> str:
    """Return where a blob is below `sha256/`; raises `StorageFault` for what is no digest, wherever it comes from."""
    if not is_sha256(sha256):
        raise StorageFault("blob-name", "A row of the catalog names a file by something that is no digest")
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"


@contextmanager
def raising_port_errors(doing: str) -> Iterator[None]:
    """Turn an `OSError` of the block into `StorageFull`, `StorageFault` or `Unavailable`."""
    try:
        yield
    except OSError as error:
        raise translate_os_error(error, doing) from error


def translate_os_error(error: OSError, doing: str) -> Fault:
    """Return the error of the port for what failed while doing that; only too many open files pass by themselves."""
    if error.errno in NO_ROOM:
        return disk_full("the files")
    if error.errno in TOO_MANY_OPEN:
        return too_many_files(doing)
    return StorageFault(
        "blob-fault", f"{doing} failed: {error.strerror or error}", "Run `strongroom doctor` on the server."
    )


def open_new(path: Path) -> FileIO:
    """Create a file that must not exist yet, readable by nobody else; it is locked as long as its maker lives."""
    file = FileIO(path, "x+", opener=lambda name, flags: os.open(name, flags, 0o600))
    with suppress(OSError):  # a filesystem without locks: then what a crash leaves stays for a day
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def is_orphan(path: Path) -> bool:
    """Return whether nobody has the file open who made it with `open_new`; raises `OSError`."""
    with FileIO(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it: one call may take less, on a disk that is getting full or after a signal."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_file(descriptor: int) -> None:
    """Make the bytes and the read-only mode durable."""
    os.fchmod(descriptor, 0o400)
    os.fsync(descriptor)


def sync_directory(directory: Path) -> None:
    """Make the names in the directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_existing(path: Path) -> Sha256:
    """Return the digest of a file that is there, after making it durable; raises `FileNotFoundError`.

    Whoever wrote it may have died before that, or be at it just now.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
        return hash_descriptor(descriptor)
    finally:
        os.close(descriptor)


def hash_descriptor(descriptor: int) -> Sha256:
    """Return the digest of all bytes of an open file."""
    digest = hashlib.sha256()
    offset = 0
    while chunk := os.pread(descriptor, CHUNK_BYTES, offset):
        digest.update(chunk)
        offset += len(chunk)
    return Sha256(digest.hexdigest())


def demand_room(directory: Path, minimum_free_bytes: int) -> None:
    """Raise `StorageFull` when the directory's filesystem has less free space than the minimum."""
    if free_bytes(directory) < minimum_free_bytes:
        raise StorageFull(
            "disk-full",
            "The disk that holds the files has too little free space for another one",
            "Free some space and try again.",
        )


def free_bytes(directory: Path) -> int:
    """Return the room that an ordinary user has on the directory's filesystem."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize
