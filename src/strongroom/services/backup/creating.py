"""Making a backup while the server runs: one snapshot of the catalog, then the blobs that it names.

Order: tables into local files; a lease on the blobs, which sweep and eviction respect;
blobs that the target lacks; tables; and last the manifest, which makes it a backup. A
blob that went between snapshot and lease, or is being removed, belongs to a file that was
deleted meanwhile, so the snapshot is taken again. Does not decide what a table carries: `core/backup.py` does.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

from strongroom.core.backup import (
    BLOBS_FILE,
    FOLLOWED,
    KEY_CHECK,
    KEY_FILE,
    MANIFEST,
    MANIFEST_DIGEST,
    MANIFEST_PROOF,
    SUFFIX,
    BlobLine,
    Carrier,
    Manifest,
    Options,
    Row,
    TablePart,
    backup_name,
    backup_path,
    blob_path,
    named_blobs,
    render_digest,
    render_manifest,
)
from strongroom.core.errors import Conflict, StorageFault, Unavailable
from strongroom.core.events import FIRST_HASH, Head
from strongroom.core.model import Lease
from strongroom.core.names import Sha256
from strongroom.core.removals import BEING_REMOVED
from strongroom.ports import Blobs, Catalog, Clock, Secrets, Transaction
from strongroom.ports.backup import BackupTarget, Contents, Tables
from strongroom.services.backup.lines import write_lines
from strongroom.services.backup.reading import prove_manifest
from strongroom.services.backup.transfer import Progress, checked, each, file_chunks, once

LEASE_LIFETIME = timedelta(days=7)
"""How long a sweep spares the blobs of a backup that died; one that runs ends its lease itself."""
_SNAPSHOTS = 3


@dataclass(frozen=True, slots=True)
class CreateReport:
    """What a new backup holds, and what of it the target did not have yet."""

    manifest: Manifest
    blobs: int
    copied_blobs: int
    copied_bytes: int


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The catalog in local files."""

    schema: str
    head: Head
    tables: tuple[TablePart, ...]
    named: frozenset[Sha256]
    is_replica: bool


@dataclass(frozen=True, slots=True)
class Creating:
    """Makes one backup; `key` is the server's own, given when it shall be carried."""

    tables: Tables
    catalog: Catalog
    blobs: Blobs
    clock: Clock
    secrets: Secrets
    target: BackupTarget
    options: Options
    key: bytes | None

    async def create(self, progress: Progress | None) -> CreateReport:
        """Make the backup and return what it holds; raises `Conflict` for a second one in the same millisecond."""
        now = self.clock.now()
        name = backup_name(now)
        async for kept in self.target.list(f"backups/{name}"):
            raise Conflict("backup-exists", f"There is a backup {name} already: {kept.path}", "Try again.")
        with tempfile.TemporaryDirectory(prefix="strongroom-backup-") as made:
            folder = Path(made)
            async with self._leased_snapshot(folder) as (snapshot, stored):
                lines = [BlobLine(sha256=sha256, size_bytes=stored[sha256]) for sha256 in sorted(stored)]
                copied, damaged = await self._copy_blobs(lines, progress)
            lines = [line for line in lines if line not in damaged]
            part = write_lines(folder / BLOBS_FILE, lines)
            manifest = Manifest(
                name=name,
                created_at=now,
                program=version("strongroom"),
                schema=snapshot.schema,
                serial=snapshot.head.serial,
                head=str(snapshot.head),
                key_check=self.secrets.derive_key(KEY_CHECK).hex(),
                has_cache=self.options.with_cache,
                has_secrets=self.key is not None,
                is_replica=snapshot.is_replica,
                tables=snapshot.tables,
                blobs=part,
                blob_bytes=sum(line.size_bytes for line in lines),
                missing=tuple(sorted(snapshot.named - {line.sha256 for line in lines})),
                key_sha256=None if self.key is None else Sha256(hashlib.sha256(self.key).hexdigest()),
            )
            await self._write(manifest, folder)
        return CreateReport(manifest, len(lines), len(copied), sum(line.size_bytes for line in copied))

    @asynccontextmanager
    async def _leased_snapshot(self, folder: Path) -> AsyncIterator[tuple[_Snapshot, dict[Sha256, int]]]:
        """Yield a snapshot and the sizes of its blobs, which nobody removes within the block."""
        lease_id = f"backup-{self.secrets.token_bytes(16).hex()}"
        try:
            for attempt in range(1, _SNAPSHOTS + 1):
                snapshot = await self.tables.export(lambda contents: self._save_tables(contents, folder))
                is_leased = await self._take_lease(lease_id, snapshot.named, is_last=attempt == _SNAPSHOTS)
                stored = await self._list_stored(snapshot.named) if is_leased else {}
                if is_leased and len(stored) == len(snapshot.named):
                    break
            yield snapshot, stored
        finally:
            await self.catalog.write(lambda tx: tx.leases.remove(lease_id))

    async def _list_stored(self, named: frozenset[Sha256]) -> dict[Sha256, int]:
        return {info.sha256: info.size_bytes async for info in self.blobs.list() if info.sha256 in named}

    async def _take_lease(self, lease_id: str, named: frozenset[Sha256], *, is_last: bool) -> bool:
        """Lease the blobs and return True; False when one is being removed, which raises for the last snapshot.

        A removal began because no row named its blobs any more, so the next snapshot does not
        name them either.
        """
        now = self.clock.now()

        def change(tx: Transaction) -> None:
            tx.demand_not_removed(named, now=now)
            tx.leases.remove(lease_id)  # of the snapshot before
            tx.leases.add(Lease(lease_id, now + LEASE_LIFETIME, tuple(sorted(named))))

        try:
            await self.catalog.write(change)
        except Unavailable as fault:
            if is_last or fault.code != BEING_REMOVED:
                raise
            return False
        return True

    def _save_tables(self, contents: Contents, folder: Path) -> _Snapshot:
        """Write all tables of one transaction into files; runs in the catalog's thread."""
        named: set[Sha256] = set()
        last: list[Row] = []

        def carried(carrier: Carrier) -> Iterator[Row]:
            for row in contents.rows(carrier.shape):
                found = carrier.carry(row)
                if found is not None:
                    named.update(named_blobs(carrier.shape, found))
                    last[:] = [found]
                    yield found

        tables: list[TablePart] = []
        head = Head(0, FIRST_HASH)
        shapes = contents.shapes()
        is_replica = any(shape.name == FOLLOWED and contents.has_rows(shape) for shape in shapes)
        if is_replica and self.key is None:
            raise Conflict(
                "backup-replica",
                "This store is a replica, and is of no use without the credentials by which it follows its primary",
                "Back up the primary, or say --with-secrets.",
            )
        for shape in shapes:
            if self.options.carries(shape.name):
                carrier = Carrier(shape, with_secrets=self.key is not None)
                last.clear()
                part = write_lines(folder / f"{shape.name}{SUFFIX}", carried(carrier))
                tables.append(TablePart(shape=shape, part=part))
                if shape.name == "events" and last:
                    head = _head_of(dict(zip((column.name for column in shape.columns), last[0], strict=True)))
        return _Snapshot(contents.schema(), head, tuple(tables), frozenset(named), is_replica)

    async def _copy_blobs(
        self, lines: list[BlobLine], progress: Progress | None
    ) -> tuple[list[BlobLine], frozenset[BlobLine]]:
        """Copy what the target lacks, or has with another size; return it, and what the store itself has damaged.

        One damaged blob keeps no other from being carried; the report names it.
        """
        there = {kept.path: kept.size_bytes async for kept in self.target.list("blobs")}
        lacking = [line for line in lines if there.get(blob_path(line.sha256)) != line.size_bytes]
        damaged: set[BlobLine] = set()

        async def from_store(line: BlobLine) -> AsyncIterator[bytes]:
            chunks = self.blobs.stream(line.sha256, 0, stop=line.size_bytes)
            try:
                async for chunk in checked(chunks, line.sha256, what=f"The blob {line.sha256} of the store"):
                    yield chunk
            except StorageFault:
                damaged.add(line)
                raise

        async def copy(line: BlobLine) -> None:
            try:
                await self.target.write(blob_path(line.sha256), from_store(line))
            except StorageFault:
                if line not in damaged:
                    raise

        await each(lacking, copy, progress=progress)
        return [line for line in lacking if line not in damaged], frozenset(damaged)

    async def _write(self, manifest: Manifest, folder: Path) -> None:
        """Write all parts, and the manifest last: without it there is no backup."""
        for part in (*(table.part for table in manifest.tables), manifest.blobs):
            await self.target.write(backup_path(manifest.name, part.filename), file_chunks(folder / part.filename))
        if self.key is not None:
            await self.target.write(backup_path(manifest.name, KEY_FILE), once(self.key))
        raw = render_manifest(manifest)
        seal = render_digest(hashlib.sha256(raw).hexdigest())
        await self.target.write(backup_path(manifest.name, MANIFEST_DIGEST), once(seal))
        proof = prove_manifest(raw, self.secrets)
        await self.target.write(backup_path(manifest.name, MANIFEST_PROOF), once(proof))
        await self.target.write(backup_path(manifest.name, MANIFEST), once(raw))


def _head_of(event: dict[str, object]) -> Head:
    serial, chain_hash = event["serial"], event["chain_hash"]
    assert isinstance(serial, int)
    assert isinstance(chain_hash, bytes)
    return Head(serial, chain_hash)
