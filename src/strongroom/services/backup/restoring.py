"""Filling an empty store from a backup: blobs first, then all rows in one transaction.

Restores into whatever kind of store it is given. A store that holds anything is
refused, at the start and again inside the transaction; a restore that ends early leaves
blobs that no row names, and can be started again. Records no event: the log is the
backup's, and stays what it was.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from strongroom.core.backup import LEFT_OUT, BlobLine, Manifest, blob_path, find_misfit
from strongroom.core.errors import Conflict, StorageFault
from strongroom.ports import Blobs, Secrets
from strongroom.ports.backup import BackupTarget, Contents, Tables
from strongroom.services.backup.lines import read_items, read_rows
from strongroom.services.backup.reading import fetch_part, is_key_of, read_backup
from strongroom.services.backup.transfer import Progress, checked, each


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What the store holds now."""

    manifest: Manifest
    rows: int
    blobs: int


@dataclass(frozen=True, slots=True)
class Restoring:
    """Fills one empty store."""

    tables: Tables
    blobs: Blobs
    secrets: Secrets
    target: BackupTarget

    async def restore(self, name: str | None, progress: Progress | None) -> RestoreReport:
        """Restore that backup, or the newest.

        Raises `NotFound`, `Conflict` for a store that is not empty, one that has another key
        or a backup that does not fit, and `StorageFault` for a damaged one.
        """
        manifest = await read_backup(self.target, name)
        if not is_key_of(self.secrets, manifest):
            raise Conflict(
                "backup-key",
                "The store has another key than the one that the backup was made with",
                "Put that key file (secret.key) in its place: tokens and the audit log depend on it.",
            )
        await self.tables.export(lambda contents: _demand_fit(contents, manifest))
        with tempfile.TemporaryDirectory(prefix="strongroom-restore-") as made:
            folder = Path(made)
            for table in manifest.tables:
                await fetch_part(self.target, manifest, part=table.part, folder=folder)
            path = await fetch_part(self.target, manifest, part=manifest.blobs, folder=folder)
            lines = tuple(read_items(path, BlobLine))
            await each(lines, self._bring, progress=progress)
            rows = await self.tables.fill(lambda contents: _fill(contents, manifest, folder=folder))
        return RestoreReport(manifest, rows, len(lines))

    async def _bring(self, line: BlobLine) -> None:
        """Store one blob as any other is stored; its bytes are checked before they get their name."""
        incoming = await self.blobs.receive()
        try:
            chunks = self.target.read(blob_path(line.sha256))
            async for chunk in checked(chunks, line.sha256, what=f"The blob {line.sha256} of the backup"):
                await incoming.write(chunk)
            await self.blobs.keep(incoming)
        finally:
            await incoming.discard()


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
        added = contents.add(table.shape, rows)
        if added != table.part.lines:
            raise StorageFault(
                "backup-damaged",
                f"The table '{table.shape.name}' has {added} rows, and should have {table.part.lines}",
                "Use another backup.",
            )
        total += added
    return total
