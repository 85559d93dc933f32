"""Upkeep: whether each byte is there that the catalog promises.

Decides what counts as a fault, and changes nothing. All blobs are looked for; hashed are
all of them, or a share drawn anew each time. Blobs that nobody needs are counted, and are
no fault: the sweep removes them. Does not judge the audit log: `audit.py` does.
"""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from strongroom.core.access import SERVER, Right
from strongroom.core.caller import Caller
from strongroom.core.errors import StorageFault
from strongroom.core.mirrored import Copy
from strongroom.core.model import File
from strongroom.core.names import Sha256
from strongroom.ports import BlobInfo, Blobs, Catalog, Clock, Transaction

Progress = Callable[[int, int], None]
"""Is told how many of how many blobs are done."""

ALL_PERCENT = 100.0
_PORTION = 500


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
    """What was checked and what was found; `unneeded_blobs` are those that the sweep will remove."""

    files: int
    blobs: int
    read_blobs: int
    read_bytes: int
    unneeded_blobs: int
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class _Need:
    """What the catalog says about a blob; the size of a sidecar is not known."""

    size_bytes: int | None
    needed_by: str


@dataclass(frozen=True, slots=True)
class _Listing:
    """What the store's list says: wrong blobs, those that look right, and how many nobody needs."""

    problems: dict[Sha256, Problem]
    sound: list[BlobInfo]
    unneeded: int


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The use cases about the bytes as a whole; administrators only."""

    catalog: Catalog
    blobs: Blobs
    clock: Clock

    async def verify(
        self, caller: Caller, *, sample_percent: float = ALL_PERCENT, progress: Progress | None = None
    ) -> VerifyReport:
        """Check that each blob of a file or a copy is there with the right size, and hash a random share of them.

        What was deleted or given up while this ran is no fault. Raises `Forbidden`,
        `Unauthenticated`, and `StorageFault` when the store cannot be listed.
        """
        files, needs = await self.catalog.read(lambda tx: _load_needs(tx, caller))
        listing = await self._compare_listing(needs)
        problems, read_bytes = dict(listing.problems), 0
        drawn = _draw(listing.sound, sample_percent)
        for done, info in enumerate(drawn):
            if progress is not None:
                progress(done, len(drawn))
            problem = await self._judge_bytes(info)
            read_bytes += info.size_bytes
            if problem is not None:
                problems[info.sha256] = problem
        wrong = await self._find_still_named(list(problems))
        return VerifyReport(
            files=files,
            blobs=len(needs),
            read_blobs=len(drawn),
            read_bytes=read_bytes,
            unneeded_blobs=listing.unneeded,
            faults=tuple(
                Fault(sha256, problems[sha256], needs[sha256].needed_by) for sha256 in needs if sha256 in wrong
            ),
        )

    async def _compare_listing(self, needs: dict[Sha256, _Need]) -> _Listing:
        """Hold the store's list against what is needed, in both directions."""
        problems = dict.fromkeys(needs, Problem.MISSING)
        sound: list[BlobInfo] = []
        candidates: list[Sha256] = []
        unneeded = 0
        async for info in self.blobs.list():
            need = needs.get(info.sha256)
            if need is None:
                candidates.append(info.sha256)
            elif need.size_bytes is not None and info.size_bytes != need.size_bytes:
                problems[info.sha256] = Problem.SIZE
            else:
                problems.pop(info.sha256, None)
                sound.append(info)
            if len(candidates) >= _PORTION:
                unneeded += await self._count_unneeded(candidates)
                candidates = []
        unneeded += await self._count_unneeded(candidates)
        return _Listing(problems, sound, unneeded)

    async def _find_still_named(self, digests: Sequence[Sha256]) -> frozenset[Sha256]:
        """Return those that a row names by now, in portions: databases limit what one question may hold."""
        named: frozenset[Sha256] = frozenset()
        for start in range(0, len(digests), _PORTION):
            portion = digests[start : start + _PORTION]
            named |= await self.catalog.read(partial(Transaction.find_named, digests=portion))
        return named

    async def _count_unneeded(self, candidates: Collection[Sha256]) -> int:
        """Count those that still nobody needs: an upload may have come in between, or be on its way."""
        return len(await self.catalog.read(lambda tx: tx.find_unneeded(candidates))) if candidates else 0

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


def _draw(infos: Sequence[BlobInfo], percent: float) -> Sequence[BlobInfo]:
    """Return a random share, rounded up; all of them in their order where that is all."""
    count = math.ceil(len(infos) * percent / ALL_PERCENT)
    return infos if count >= len(infos) else secrets.SystemRandom().sample(infos, count)
