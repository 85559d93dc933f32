"""Upkeep: whether each byte is there that the catalog promises.

Decides what counts as a fault, and changes nothing. Which bytes nobody needs is decided
by `sweep.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from strongroom.core.access import SERVER, Right
from strongroom.core.caller import Caller
from strongroom.core.errors import StorageFault
from strongroom.core.mirrored import Copy
from strongroom.core.model import File
from strongroom.core.names import Sha256
from strongroom.ports import BlobInfo, Blobs, Catalog, Clock, Transaction

Progress = Callable[[int, int], None]
"""Is told how many of how many blobs are done."""


class Problem(StrEnum):
    """What can be wrong with a blob."""

    MISSING = "missing"
    SIZE = "wrong size"
    BYTES = "wrong bytes"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Fault:
    """A blob that is not what its row says; `needed_by` is one of those that need it."""

    sha256: Sha256
    problem: Problem
    needed_by: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was checked and what was found."""

    files: int
    blobs: int
    read_bytes: int
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class _Need:
    """What the catalog says about a blob; the size of a sidecar is not known."""

    size_bytes: int | None
    needed_by: str


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The use cases about the bytes as a whole; administrators only."""

    catalog: Catalog
    blobs: Blobs
    clock: Clock

    async def verify(self, caller: Caller, *, deep: bool = True, progress: Progress | None = None) -> VerifyReport:
        """Check that each blob of a file or a copy is there with the right size, and hash it (`deep`)."""
        files, needs = await self.catalog.read(lambda tx: _load_needs(tx, caller))
        stored = {info.sha256: info async for info in self.blobs.list() if info.sha256 in needs}
        faults: list[Fault] = []
        read_bytes = 0
        for done, (sha256, need) in enumerate(needs.items()):
            if progress is not None:
                progress(done, len(needs))
            info = stored.get(sha256)
            problem = _judge_listing(need, info)
            if problem is None and info is not None and deep:
                problem = await self._judge_bytes(info)
                read_bytes += info.size_bytes
            if problem is not None:
                faults.append(Fault(sha256, problem, need.needed_by))
        return VerifyReport(files=files, blobs=len(needs), read_bytes=read_bytes, faults=tuple(faults))

    async def _judge_bytes(self, info: BlobInfo) -> Problem | None:
        digest = hashlib.sha256()
        try:
            async for chunk in self.blobs.stream(info.sha256, 0, stop=info.size_bytes):
                digest.update(chunk)
        except StorageFault:
            return Problem.UNREADABLE
        return None if digest.hexdigest() == info.sha256 else Problem.BYTES


def _load_needs(tx: Transaction, caller: Caller) -> tuple[int, dict[Sha256, _Need]]:
    caller.demand(Right.ADMINISTER, SERVER, indexes=tx.indexes.list())
    return _collect_needs(tx)


def _collect_needs(tx: Transaction) -> tuple[int, dict[Sha256, _Need]]:
    """Return the number of files, and each blob that they or the cache of upstreams need, once."""
    files, needs = _collect_file_needs(tx)
    return files, _collect_cache_needs(tx) | needs


def _collect_file_needs(tx: Transaction) -> tuple[int, dict[Sha256, _Need]]:
    needs: dict[Sha256, _Need] = {}
    files = 0
    for file in tx.files.scan():
        files += 1
        name = f"{file.index}/{file.filename}"
        needs[file.sha256] = _Need(file.size_bytes, name)
        for sidecar, what in _sidecars(file):
            needs.setdefault(sidecar, _Need(None, f"{name} ({what})"))
    return files, needs


def _collect_cache_needs(tx: Transaction) -> dict[Sha256, _Need]:
    """Return the blobs of copies and of lists of names; a copy's own bytes only once they are stored."""
    needs = {names.sha256: _Need(None, f"names of {names.index}") for names in tx.name_lists.list()}
    for copy in tx.copies.scan():
        name = f"copy {copy.index}/{copy.filename}"
        if copy.stored_at is not None:
            needs[copy.sha256] = _Need(copy.size_bytes, name)
        for sidecar, what in _sidecars(copy):
            needs.setdefault(sidecar, _Need(None, f"{name} ({what})"))
    return needs


def _sidecars(file: File | Copy) -> list[tuple[Sha256, str]]:
    found = ((file.metadata_sha256, "metadata"), (file.provenance_sha256, "provenance"))
    return [(sha256, what) for sha256, what in found if sha256 is not None]


def _judge_listing(need: _Need, info: BlobInfo | None) -> Problem | None:
    if info is None:
        return Problem.MISSING
    if need.size_bytes is not None and info.size_bytes != need.size_bytes:
        return Problem.SIZE
    return None
