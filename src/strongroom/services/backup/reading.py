"""What is in a target: which backups, and the parts of one, each checked against the manifest.

A backup is there once its manifest is, and the manifest counts only with the digest
that seals it. Does not check blobs; `verifying.py` does.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from strongroom.core.backup import (
    KEY_CHECK,
    KEY_FILE,
    MANIFEST,
    MANIFEST_DIGEST,
    Manifest,
    Part,
    backup_path,
    parse_manifest,
    render_digest,
)
from strongroom.core.errors import NotFound, StorageFault, StrongroomError
from strongroom.core.names import Sha256
from strongroom.ports import Secrets
from strongroom.ports.backup import BackupTarget
from strongroom.services.backup.transfer import checked, save_chunks, whole


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup as a list shows it; `fault` says why it cannot be used."""

    name: str
    manifest: Manifest | None
    fault: str = ""


async def list_backups(target: BackupTarget) -> tuple[Backup, ...]:
    """Return the finished backups of the target, the oldest first."""
    names = sorted([kept.path.split("/")[1] async for kept in target.list("backups") if _is_manifest(kept.path)])
    found: list[Backup] = []
    for name in names:
        try:
            found.append(Backup(name, await _load_manifest(target, name)))
        except StrongroomError as fault:
            found.append(Backup(name, None, fault.message))
    return tuple(found)


async def read_backup(target: BackupTarget, name: str | None = None) -> Manifest:
    """Return the manifest of that backup, or of the newest; raises `NotFound`, and `StorageFault` for a damaged one."""
    names = sorted([kept.path.split("/")[1] async for kept in target.list("backups") if _is_manifest(kept.path)])
    if not names or (name is not None and name not in names):
        what = "no backup" if name is None else f"no backup '{name}'"
        raise NotFound("backup-missing", f"There is {what} in the target", "See `strongroom backup list TARGET`.")
    return await _load_manifest(target, name or names[-1])


async def fetch_part(target: BackupTarget, manifest: Manifest, *, part: Part, folder: Path) -> Path:
    """Copy a part into the folder; raises `StorageFault` when it is not what the manifest says."""
    path = folder / part.filename
    chunks = target.read(backup_path(manifest.name, part.filename))
    await save_chunks(path, checked(chunks, part.sha256, what=part.filename))
    return path


async def fetch_key(target: BackupTarget, manifest: Manifest) -> bytes | None:
    """Return the server's key that the backup carries, None when it carries none."""
    if not manifest.has_secrets:
        return None
    chunks = target.read(backup_path(manifest.name, KEY_FILE))
    return await whole(checked(chunks, Sha256(manifest.key_sha256), what=KEY_FILE))


def is_key_of(secrets: Secrets, manifest: Manifest) -> bool:
    """Return whether this is the key that the backup was made with."""
    return secrets.derive_key(KEY_CHECK).hex() == manifest.key_check


async def _load_manifest(target: BackupTarget, name: str) -> Manifest:
    raw = await whole(target.read(backup_path(name, MANIFEST)))
    seal = await whole(target.read(backup_path(name, MANIFEST_DIGEST)))
    if seal != render_digest(hashlib.sha256(raw).hexdigest()):
        raise _damaged(f"The manifest of the backup {name} is not the one that was written")
    manifest = parse_manifest(raw)
    if manifest.name != name:
        raise _damaged(f"The backup {name} says that it is {manifest.name}")
    return manifest


def _damaged(message: str) -> StorageFault:
    return StorageFault("backup-damaged", message, "Use another backup.")


def _is_manifest(path: str) -> bool:
    return path.startswith("backups/") and path.endswith(f"/{MANIFEST}") and path.count("/") == 2
