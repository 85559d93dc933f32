"""Importing a directory of distributions, such as another server's package directory.

Decides which files are distributions, in which order they go in and which are there
already; each of them is then published like an upload, with its file's time. Does
not publish itself (`publish.py`) and does not show progress (`cli/import_.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from strongroom.core.caller import Caller
from strongroom.core.errors import (
    FileExists,
    InvalidName,
    InvalidRequest,
    StrongroomError,
    TooLarge,
    UploadRefused,
)
from strongroom.core.model import File
from strongroom.core.names import DISTRIBUTION_ENDINGS, Filename, IndexName, parse_filename
from strongroom.core.upload import Outcome, Published, UploadForm

CONCURRENCY = 2
"""One file is inspected while the bytes of another are copied."""
_CHUNK_BYTES = 1024 * 1024
_REFUSALS = (FileExists, InvalidName, TooLarge, UploadRefused)


class OpenUpload(Protocol):
    """An upload that takes bytes until it is finished."""

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        ...

    async def finish(self, form: UploadForm) -> Published:
        """Publish them."""
        ...


class Publisher(Protocol):
    """What an import needs of `publish.Publish`."""

    def begin(
        self, caller: Caller, index: IndexName, *, uploaded_at: datetime | None = None
    ) -> AbstractAsyncContextManager[OpenUpload]:
        """Open an upload."""
        ...

    async def find_file(self, index: IndexName, filename: Filename) -> File | None:
        """Return what is published under that name."""
        ...


class Result(StrEnum):
    """What became of one file."""

    IMPORTED = "imported"
    PRESENT = "present"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that calls itself a distribution."""

    path: Path
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """What a directory holds: distributions, oldest first, and how many other files."""

    candidates: tuple[Candidate, ...]
    ignored: int

    @property
    def size_bytes(self) -> int:
        """Return how much there is to read."""
        return sum(candidate.size_bytes for candidate in self.candidates)


@dataclass(frozen=True, slots=True)
class Step:
    """One file is done. `code` and `reason` say why it was refused; `remarks` are about one that was not."""

    candidate: Candidate
    result: Result
    code: str = ""
    reason: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Importing:
    """The use case of importing a directory."""

    publish: Publisher

    async def scan(self, directory: Path) -> Found:
        """Look through the directory, however deep; raises `InvalidRequest` if it cannot be read."""
        if not await asyncio.to_thread(directory.is_dir):
            raise InvalidRequest("no-directory", f"{directory} is not a directory", "Name a directory to import.")
        return await asyncio.to_thread(_scan, directory)

    async def run(
        self, caller: Caller, index: IndexName, *, found: Found, tell: Callable[[Step], None], stop: asyncio.Event
    ) -> None:
        """Publish the files, and tell of each; once `stop` is set, no further file is begun.

        A refused file does not end the import; raises what does, such as `Forbidden`,
        `NotFound` or `StorageFull`.
        """
        waiting = iter(found.candidates)

        async def work() -> None:
            for candidate in waiting:
                if stop.is_set():
                    return
                tell(await self._import(caller, index, candidate=candidate))

        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(CONCURRENCY):
                    workers.create_task(work())
        except* StrongroomError as faults:
            raise _first(faults) from None

    async def _import(self, caller: Caller, index: IndexName, *, candidate: Candidate) -> Step:
        try:
            filename = parse_filename(candidate.path.name)
            if await self._is_present(index, filename, path=candidate.path):
                return Step(candidate, Result.PRESENT)
            published = await self._publish(caller, index, filename=filename, candidate=candidate)
        except _REFUSALS as refusal:
            return Step(candidate, Result.REFUSED, refusal.code, refusal.sentence)
        except OSError as fault:
            return Step(candidate, Result.REFUSED, "unreadable", f"The file cannot be read: {fault.strerror}")
        result = Result.IMPORTED if published.outcome is Outcome.CREATED else Result.PRESENT
        return Step(candidate, result, remarks=published.remarks)

    async def _is_present(self, index: IndexName, filename: Filename, *, path: Path) -> bool:
        """Return whether the same bytes are there, without copying them first."""
        there = await self.publish.find_file(index, filename)
        return there is not None and there.sha256 == await asyncio.to_thread(_sha256, path)

    async def _publish(
        self, caller: Caller, index: IndexName, *, filename: Filename, candidate: Candidate
    ) -> Published:
        async with self.publish.begin(caller, index, uploaded_at=candidate.modified_at) as upload:
            position = 0
            while chunk := await asyncio.to_thread(_read, candidate.path, position):
                await upload.write(chunk)
                position += len(chunk)
            return await upload.finish(UploadForm(filename))


def _scan(directory: Path) -> Found:
    candidates: list[Candidate] = []
    ignored = 0
    for path in _walk(directory):
        if not _is_distribution(path.name):
            ignored += 1
            continue
        try:
            status = path.stat()
        except OSError:
            ignored += 1
            continue
        modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
        candidates.append(Candidate(path, status.st_size, modified_at))
    return Found(tuple(sorted(candidates, key=lambda found: (found.modified_at, found.path))), ignored)


def _walk(directory: Path) -> Iterator[Path]:
    """Yield all files but those in hidden directories; links to directories are not followed."""
    for parent, directories, names in os.walk(directory):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        for name in names:
            path = Path(parent, name)
            if path.is_file():
                yield path


def _is_distribution(name: str) -> bool:
    """Return whether the name ends like a distribution's; a misnamed one is reported, not passed over."""
    return not name.startswith(".") and name.endswith(DISTRIBUTION_ENDINGS)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path, position: int) -> bytes:
    """Read the next chunk; the file is opened for each, so that none stays open when the import is cancelled."""
    with path.open("rb") as file:
        file.seek(position)
        return file.read(_CHUNK_BYTES)


def _first(faults: ExceptionGroup[StrongroomError]) -> StrongroomError:
    """Return the first fault inside the group, however deep."""
    fault: Exception = faults
    while isinstance(fault, ExceptionGroup):
        fault = fault.exceptions[0]
    assert isinstance(fault, StrongroomError)
    return fault
