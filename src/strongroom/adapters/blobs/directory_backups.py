"""`ports.backup.BackupTarget` in a local directory, which may be a mounted network disk.

A file appears whole: written beside its place, synced, renamed, and the directory
synced. Files belong to whoever made the backup alone (0600, directories 0700), since
rows and keys are in them. Does not know what a backup is.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from strongroom.adapters.blobs.files import CHUNK_BYTES, sync_directory, translate_os_error
from strongroom.core.errors import StorageFault, StorageFull, Unavailable
from strongroom.ports.backup import Kept

_DRAFT = ".draft-"


class DirectoryTarget:
    """Files below one directory, which is made when the first is written."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def list(self, folder: str) -> AsyncIterator[Kept]:
        """Yield every finished file below the folder, in no order."""
        for kept in await asyncio.to_thread(lambda: list(self._walk(folder))):
            yield kept

    async def write(self, path: str, chunks: AsyncIterator[bytes]) -> None:
        """Store the file durably, over one that is there; when the chunks fail, nothing is stored."""
        final = self._directory / path
        draft = final.with_name(f"{_DRAFT}{secrets.token_hex(8)}")
        try:
            await asyncio.to_thread(_make_directories, final.parent)
            with _raising_port_errors(path):
                descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                async for chunk in chunks:
                    with _raising_port_errors(path):
                        await asyncio.to_thread(file.write, chunk)
                with _raising_port_errors(path):
                    file.flush()
                    await asyncio.to_thread(os.fsync, file.fileno())
            with _raising_port_errors(path):
                draft.replace(final)
                await asyncio.to_thread(sync_directory, final.parent)
        finally:
            with suppress(OSError):  # it has its name by now, or what went wrong before is what counts
                draft.unlink()

    async def read(self, path: str) -> AsyncIterator[bytes]:
        """Yield the file in chunks; raises `StorageFault` when it is missing or cannot be read."""
        with _raising_port_errors(path):
            file = (self._directory / path).open("rb")
        with file:
            while True:
                with _raising_port_errors(path):
                    chunk = await asyncio.to_thread(file.read, CHUNK_BYTES)
                if not chunk:
                    return
                yield chunk

    def _walk(self, folder: str) -> Iterator[Kept]:
        with _raising_port_errors(folder):
            for place, _, names in os.walk(self._directory / folder, onerror=_raise_unless_missing):
                for name in names:
                    path = Path(place, name)
                    if not name.startswith(_DRAFT):
                        yield Kept(path.relative_to(self._directory).as_posix(), path.stat().st_size)


def _make_directories(directory: Path) -> None:
    """Make the directory and those above it, durably."""
    if directory.is_dir():
        return
    _make_directories(directory.parent)
    with _raising_port_errors(str(directory)):
        directory.mkdir(mode=0o700, exist_ok=True)
        sync_directory(directory.parent)


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


@contextmanager
def _raising_port_errors(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise StorageFault("backup-file-missing", f"{path} is missing in the target", "Use another backup.") from error
    except OSError as error:
        fault = translate_os_error(error, f"Using {path} in the target")
        if isinstance(fault, StorageFull):
            raise StorageFull("backup-full", "The target of the backup is full", "Free some space there.") from error
        if isinstance(fault, Unavailable):
            raise fault from error
        raise StorageFault(
            "backup-target",
            f"{path} cannot be used in the target: {error.strerror or error}",
            "This user must be able to read and write there.",
        ) from error
