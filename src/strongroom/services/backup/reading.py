"""What is in a target: which backups, and the parts of one, each checked against the manifest.

A backup is there once its manifest is, and the manifest counts only with the digest
that seals it: that finds damage. Who wrote it is proved by a second line, made with the
server's key. Does not check blobs; `verifying.py` does.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

from strongroom.core.backup import (
    KEY_CHECK,
    KEY_FILE,
    MANIFEST,
    MANIFEST_DIGEST,
    MANIFEST_KEY,
    MANIFEST_PROOF,
    Manifest,
    Part,
    backup_path,
    is_backup_name,
    parse_manifest,
    render_digest,
    render_proof,
)
from strongroom.core.errors import NotFound, StorageFault, StrongroomError
from strongroom.ports import Secrets
from strongroom.ports.backup import BackupTarget
from strongroom.services.backup.transfer import checked, save_chunks, whole


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup as a list shows it; `fault` says why it cannot be used."""

    name: str
    manifest: Manifest | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A manifest with its bytes, and the line that proves who wrote them; empty where there is none."""

    manifest: Manifest
    raw: bytes
    proof: bytes

    def is_proved_by(self, secrets: Secrets) -> bool:
        """Return whether a server with this key wrote the manifest."""
        return hmac.compare_digest(self.proof, prove_manifest(self.raw, secrets))


def prove_manifest(raw: bytes, secrets: Secrets) -> bytes:
    """Return the line by which a manifest proves that a server with this key wrote it."""
    return render_proof(hmac.new(secrets.derive_key(MANIFEST_KEY), raw, hashlib.sha256).hexdigest())


async def list_backups(target: BackupTarget) -> tuple[Backup, ...]:
    """Return the finished backups of the target, the oldest first."""
    found: list[Backup] = []
    for name in await _list_names(target):
        try:
            found.append(Backup(name, (await _load_manifest(target, name))[0]))
        except StrongroomError as fault:
            found.append(Backup(name, None, fault.message))
    return tuple(found)


async def read_backup(target: BackupTarget, name: str | None = None) -> Manifest:
    """Return the manifest of that backup, or of the newest; raises `NotFound`, and `StorageFault` for a damaged one."""
    return (await read_sealed(target, name)).manifest


async def read_sealed(target: BackupTarget, name: str | None = None) -> Sealed:
    """Return the same with what proves it, for those who will rely on it."""
    names = await _list_names(target)
    if not names or (name is not None and name not in names):
        what = "no backup" if name is None else f"no backup '{name}'"
        raise NotFound("backup-missing", f"There is {what} in the target", "See `strongroom backup list TARGET`.")
    manifest, raw = await _load_manifest(target, name or names[-1])
    try:
        proof = await whole(target.read(backup_path(manifest.name, MANIFEST_PROOF)))
    except StorageFault:  # missing: then it proves nothing
        proof = b""
    return Sealed(manifest, raw, proof)


async def fetch_part(target: BackupTarget, manifest: Manifest, *, part: Part, folder: Path) -> Path:
    """Copy a part into the folder; raises `StorageFault` when it is not what the manifest says."""
    path = folder / part.filename
    chunks = target.read(backup_path(manifest.name, part.filename))
    await save_chunks(path, checked(chunks, part.sha256, what=part.filename))
    return path


async def fetch_key(target: BackupTarget, manifest: Manifest) -> bytes | None:
    """Return the server's key that the backup carries, None when it carries none."""
    if not manifest.has_secrets or manifest.key_sha256 is None:
        return None
    chunks = target.read(backup_path(manifest.name, KEY_FILE))
    return await whole(checked(chunks, manifest.key_sha256, what=KEY_FILE))


def is_key_of(secrets: Secrets, manifest: Manifest) -> bool:
    """Return whether this is the key that the backup was made with."""
    return secrets.derive_key(KEY_CHECK).hex() == manifest.key_check


async def _list_names(target: BackupTarget) -> list[str]:
    """Return the names of the finished backups, the oldest first; folders of other names are somebody else's."""
    names = [kept.path.split("/")[1] async for kept in target.list("backups") if _is_manifest(kept.path)]
    return sorted(name for name in names if is_backup_name(name))


async def _load_manifest(target: BackupTarget, name: str) -> tuple[Manifest, bytes]:
    raw = await whole(target.read(backup_path(name, MANIFEST)))
    seal = await whole(target.read(backup_path(name, MANIFEST_DIGEST)))
    if seal != render_digest(hashlib.sha256(raw).hexdigest()):
        raise _damaged(f"The manifest of the backup {name} is not the one that was written")
    manifest = parse_manifest(raw)
    if manifest.name != name:
        raise _damaged(f"The backup {name} says that it is {manifest.name}")
    return manifest, raw


def _damaged(message: str) -> StorageFault:
    return StorageFault("backup-damaged", message, "Use another backup.")


def _is_manifest(path: str) -> bool:
    return path.startswith("backups/") and path.endswith(f"/{MANIFEST}") and path.count("/") == 2
