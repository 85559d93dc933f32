"""Proving a backup without restoring it: from the seal of its manifest down to each byte and each row.

Collects what it finds instead of stopping. Decides when the audit chain can be computed
anew, and who wrote the backup: with the store's own key, or else with the one that the
backup carries, which proves nothing to whom it was made to deceive. Without a key only
damage and gaps are found, and the report says so.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from strongroom.core.backup import (
    MANIFEST_PROOF,
    BlobLine,
    Manifest,
    Row,
    Shape,
    TablePart,
    blob_path,
    demand_digests,
    named_blobs,
)
from strongroom.core.errors import StorageFault
from strongroom.core.names import Sha256
from strongroom.ports import Secrets
from strongroom.ports.backup import BackupTarget
from strongroom.services.backup.chain import ChainReader
from strongroom.services.backup.lines import read_items, read_rows
from strongroom.services.backup.reading import Sealed, fetch_key, fetch_part, is_key_of, read_sealed
from strongroom.services.backup.transfer import Progress, checked, each


class ChainState(StrEnum):
    """What is known about the audit chain."""

    WHOLE = "whole"
    BROKEN = "broken"
    NO_KEY = "not computed: the key is not at hand"


class Origin(StrEnum):
    """What is known about who wrote the backup."""

    PROVED = "proved by the key"
    CARRIED_KEY = "proved only by the key that it carries itself"
    NO_KEY = "not checked: the key is not at hand"
    DISPROVED = "disproved"


@dataclass(frozen=True, slots=True)
class BackupFault:
    """Something in a backup that is not as it was written, and what is wrong with it."""

    where: str
    problem: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was checked and what was found."""

    manifest: Manifest
    rows: int
    blobs: int
    read_bytes: int
    chain: ChainState
    origin: Origin
    faults: tuple[BackupFault, ...]


async def verify_backup(
    target: BackupTarget, name: str | None, *, keys: KeyRing, progress: Progress | None = None
) -> VerifyReport:
    """Check that backup, or the newest.

    Raises `NotFound`, and `StorageFault` when the manifest itself is not what was written:
    then there is nothing to hold the rest against.
    """
    sealed = await read_sealed(target, name)
    manifest = sealed.manifest
    work = _Verifying(target, manifest)
    secrets = await work.find_secrets(keys)
    origin = work.judge_origin(sealed, secrets, is_own=secrets is keys.own)
    with tempfile.TemporaryDirectory(prefix="strongroom-verify-") as made:
        rows, chain = await work.check_tables(Path(made), secrets)
        lines = await work.check_list(Path(made))
    read_bytes = await work.check_blobs(lines, progress)
    return VerifyReport(manifest, rows, len(lines), read_bytes, chain, origin, tuple(work.faults))


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys at hand: the store's own, if there is a store, and how one that a backup carries is used."""

    own: Secrets | None
    open_key: Callable[[bytes], Secrets]

    def find(self, manifest: Manifest, carried: bytes | None) -> Secrets | None:
        """Return the key that the backup was made with, None when it is not at hand."""
        candidates = (self.own, None if carried is None else self.open_key(carried))
        return next((found for found in candidates if found is not None and is_key_of(found, manifest)), None)


@dataclass(frozen=True, slots=True)
class _Verifying:
    target: BackupTarget
    manifest: Manifest
    faults: list[BackupFault] = field(default_factory=list)
    named: set[Sha256] = field(default_factory=set)

    async def find_secrets(self, keys: KeyRing) -> Secrets | None:
        carried: bytes | None = None
        try:
            carried = await fetch_key(self.target, self.manifest)
        except StorageFault as fault:
            self._add("secret.key", fault)
        found = keys.find(self.manifest, carried)
        if carried is not None and not is_key_of(keys.open_key(carried), self.manifest):
            self.faults.append(BackupFault("secret.key", "it is not the key that the backup was made with"))
        return found

    def judge_origin(self, sealed: Sealed, secrets: Secrets | None, *, is_own: bool) -> Origin:
        """Return who wrote the manifest, which holds the digests of all the rest."""
        if secrets is None:
            return Origin.NO_KEY
        if sealed.is_proved_by(secrets):
            return Origin.PROVED if is_own else Origin.CARRIED_KEY
        self.faults.append(BackupFault(MANIFEST_PROOF, "it does not prove that this server wrote the manifest"))
        return Origin.DISPROVED

    async def check_tables(self, folder: Path, secrets: Secrets | None) -> tuple[int, ChainState]:
        rows = 0
        key = None if secrets is None or self.manifest.is_replica else secrets.derive_key("audit")
        chain = ChainReader(key)
        for table in self.manifest.tables:
            try:
                path = await fetch_part(self.target, self.manifest, part=table.part, folder=folder)
                found = read_rows(path, table.shape)
                rows += self._count(table, chain.watch(found, table.shape) if table.shape.name == "events" else found)
            except StorageFault as fault:
                self._add(table.part.filename, fault)
        broken = chain.broken or chain.judge_end(self.manifest.head)
        if broken is not None:
            self.faults.append(BackupFault("the audit chain", broken))
            return rows, ChainState.BROKEN
        return rows, ChainState.NO_KEY if key is None else ChainState.WHOLE

    async def check_list(self, folder: Path) -> tuple[BlobLine, ...]:
        """Return the list of blobs; what rows name must be in it, or be known as missing since the backup was made."""
        lines: tuple[BlobLine, ...] = ()
        try:
            path = await fetch_part(self.target, self.manifest, part=self.manifest.blobs, folder=folder)
            lines = tuple(read_items(path, BlobLine))
        except StorageFault as fault:
            self._add(self.manifest.blobs.filename, fault)
        listed = {line.sha256 for line in lines}
        for sha256 in sorted(self.named - listed):
            self.faults.append(BackupFault(f"blob {sha256}", "the store lacked it when the backup was made"))
        return lines

    async def check_blobs(self, lines: tuple[BlobLine, ...], progress: Progress | None) -> int:
        """Read each blob, and return how many bytes that were."""
        read_bytes = 0

        async def check(line: BlobLine) -> None:
            nonlocal read_bytes
            path = blob_path(line.sha256)
            try:
                async for chunk in checked(self.target.read(path), line.sha256, what="The file"):
                    read_bytes += len(chunk)
            except StorageFault as fault:
                self._add(path, fault)

        await each(lines, check, progress=progress)
        return read_bytes

    def _count(self, table: TablePart, rows: Iterator[Row]) -> int:
        count = sum(1 for _ in self._note_blobs(table.shape, rows))
        if count != table.part.lines:
            self.faults.append(BackupFault(table.part.filename, f"it has {count} rows instead of {table.part.lines}"))
        return count

    def _note_blobs(self, shape: Shape, rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            self.named.update(named_blobs(shape, demand_digests(shape, row)))
            yield row

    def _add(self, where: str, fault: StorageFault) -> None:
        self.faults.append(BackupFault(where, fault.message))
