"""Filling an empty store from a backup: blobs first, then all rows in one transaction.

Restores into whatever kind of store it is given, but only what a server with the
store's key wrote. A store that holds anything is refused, at the start and again inside
the transaction; a restore that ends early leaves blobs that no row names, and can be
started again. A lease keeps the blobs from the sweep of a server that runs already.
Records no event: the log is the backup's, and stays what it was.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from strongroom.core.backup import (
    LEFT_OUT,
    MANIFEST_PROOF,
    BlobLine,
    Manifest,
    blob_path,
    demand_digests,
    find_misfit,
)
from strongroom.core.errors import Conflict, StorageFault
from strongroom.core.model import Lease
from strongroom.core.names import Sha256
from strongroom.ports import Blobs, Catalog, Clock, Secrets, Transaction
from strongroom.ports.backup import BackupTarget, Contents, Tables
from strongroom.services.backup.lines import read_items, read_rows
from strongroom.services.backup.reading import Sealed, fetch_part, is_key_of, read_sealed
from strongroom.services.backup.transfer import Progress, checked, each

LEASE_LIFETIME = timedelta(days=7)
"""How long a sweep spares the blobs of a restore that died; one that runs ends its lease itself."""
_NAMED_AT_MOST = 3


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What the store holds now; `missing` are blobs that its rows name, and the backup has not or not whole."""

    manifest: Manifest
    rows: int
    blobs: int
    missing: tuple[Sha256, ...]


@dataclass(frozen=True, slots=True)
class Restoring:
    """Fills one empty store. `accepts_missing`: also from a backup that has not all that its rows name."""

    tables: Tables
    catalog: Catalog
    blobs: Blobs
    clock: Clock
    secrets: Secrets
    target: BackupTarget
    accepts_missing: bool = False

    async def restore(self, name: str | None, progress: Progress | None) -> RestoreReport:
        """Restore that backup, or the newest.

        Raises `NotFound`, `Conflict` for a store that is not empty, one that has another key
        or a backup that does not fit, and `StorageFault` for a damaged or incomplete one, or
        one that somebody else wrote.
        """
        sealed = await read_sealed(self.target, name)
        manifest = sealed.manifest
        _demand_own(sealed, self.secrets)
        self._demand_whole(manifest.missing)
        await self.tables.export(lambda contents: _demand_fit(contents, manifest))
        with tempfile.TemporaryDirectory(prefix="strongroom-restore-") as made:
            folder = Path(made)
            for table in manifest.tables:
                await fetch_part(self.target, manifest, part=table.part, folder=folder)
            path = await fetch_part(self.target, manifest, part=manifest.blobs, folder=folder)
            lines = tuple(read_items(path, BlobLine))
            async with self._leased(lines):
                damaged = await self._bring_all(lines, progress)
                missing = tuple(sorted({*manifest.missing, *damaged}))
                self._demand_whole(missing)
                rows = await self.tables.fill(lambda contents: _fill(contents, manifest, folder=folder))
        return RestoreReport(manifest, rows, len(lines) - len(damaged), missing)

    @asynccontextmanager
    async def _leased(self, lines: tuple[BlobLine, ...]) -> AsyncIterator[None]:
        """Let nobody remove the blobs within the block: no row names them before its end."""
        now = self.clock.now()
        wanted = tuple(line.sha256 for line in lines)
        lease = Lease(f"restore-{self.secrets.token_bytes(16).hex()}", now + LEASE_LIFETIME, wanted)

        def take(tx: Transaction) -> None:
            tx.demand_not_removed(wanted, now=now)
            tx.leases.add(lease)

        await self.catalog.write(take)
        try:
            yield
        finally:
            await self.catalog.write(lambda tx: tx.leases.remove(lease.lease_id))

    async def _bring_all(self, lines: tuple[BlobLine, ...], progress: Progress | None) -> frozenset[Sha256]:
        """Store the blobs, and return those that the target has lost or damaged: one keeps no other from coming."""
        damaged: set[Sha256] = set()

        async def read(sha256: Sha256) -> AsyncIterator[bytes]:
            chunks = checked(self.target.read(blob_path(sha256)), sha256, what=f"The blob {sha256} of the backup")
            try:
                async for chunk in chunks:
                    yield chunk
            except StorageFault:
                damaged.add(sha256)
                raise

        async def bring(line: BlobLine) -> None:
            try:
                await self._bring(read(line.sha256))
            except StorageFault:
                if line.sha256 not in damaged:
                    raise

        await each(lines, bring, progress=progress)
        return frozenset(damaged)

    async def _bring(self, chunks: AsyncIterator[bytes]) -> None:
        """Store one blob as any other is stored; its bytes are checked before they get their name."""
        incoming = await self.blobs.receive()
        try:
            async for chunk in chunks:
                await incoming.write(chunk)
            await self.blobs.keep(incoming)
        finally:
            await incoming.discard()

    def _demand_whole(self, missing: Collection[Sha256]) -> None:
        if missing and not self.accepts_missing:
            raise StorageFault(
                "backup-incomplete",
                f"The backup lacks {name_some(missing)}, so nothing was restored",
                "Use another backup, or restore what is left of this one with --incomplete.",
            )


def name_some(blobs: Collection[Sha256]) -> str:
    """Return how many blobs these are, and the first of them."""
    some = ", ".join(sorted(blobs)[:_NAMED_AT_MOST])
    return f"{len(blobs)} blobs ({some}{', ...' if len(blobs) > _NAMED_AT_MOST else ''})"


def _demand_own(sealed: Sealed, secrets: Secrets) -> None:
    """Raise `Conflict` for another key, `StorageFault` for a manifest that no server with this key wrote."""
    if not is_key_of(secrets, sealed.manifest):
        raise Conflict(
            "backup-key",
            "The store has another key than the one that the backup was made with",
            "Put that key file (secret.key) in its place: tokens and the audit log depend on it.",
        )
    if not sealed.is_proved_by(secrets):
        raise StorageFault(
            "backup-forged",
            f"The file {MANIFEST_PROOF} does not prove that a server with this key made the backup "
            f"{sealed.manifest.name}: it was changed since, or made by somebody else",
            "Use another backup, and look at who can write to the target.",
        )


def _demand_fit(contents: Contents, manifest: Manifest) -> None:
    """Raise `Conflict` for a store that holds anything, or that has no place for what the backup carries."""
    shapes = {shape.name: shape for shape in contents.shapes()}
    for shape in shapes.values():
        if shape.name not in LEFT_OUT and contents.has_rows(shape):
            raise Conflict(
                "store-not-empty",
                f"The store is not empty: its table '{shape.name}' has rows",
                "Restore into a new data directory (--data) and an empty database.",
            )
    for table in manifest.tables:
        misfit = find_misfit(table.shape, shapes.get(table.shape.name))
        if misfit is not None:
            raise Conflict(
                "backup-misfit",
                f"The backup does not fit: {misfit}",
                f"Restore it with Strongroom {manifest.program}, which made it, then start the newer one.",
            )


def _fill(contents: Contents, manifest: Manifest, *, folder: Path) -> int:
    """Store all rows; runs in the catalog's thread."""
    _demand_fit(contents, manifest)
    order = [shape.name for shape in contents.shapes()]
    total = 0
    for table in sorted(manifest.tables, key=lambda found: order.index(found.shape.name)):
        rows = read_rows(folder / table.part.filename, table.shape)
        added = contents.add(table.shape, map(partial(demand_digests, table.shape), rows))
        if added != table.part.lines:
            raise StorageFault(
                "backup-damaged",
                f"The table '{table.shape.name}' has {added} rows, and should have {table.part.lines}",
                "Use another backup.",
            )
        total += added
    return total
