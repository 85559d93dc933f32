"""`strongroom backup`: made while the server runs, proved without a store, restored into an empty one.

Decides which key goes where: into a backup only with --with-secrets, and out of one
only where no key file is yet.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from strongroom.cli.command import Group, wants_json
from strongroom.cli.exits import REFUSED, Ended
from strongroom.cli.output import View, print_done, print_json, print_list, remark
from strongroom.cli.parameters import parsed
from strongroom.cli.progress import Report, showing_progress
from strongroom.cli.store import chosen_settings, has_store, run
from strongroom.core.backup import Manifest, parse_backup_name
from strongroom.core.errors import ConfigurationFault, Conflict

if TYPE_CHECKING:  # these take long to import, and `--help` needs none of them
    from strongroom.config import Settings
    from strongroom.ports.backup import BackupTarget
    from strongroom.services.backup import Backup, KeyRing, RestoreReport


_BUCKETS = ("s3://", "gs://", "az://")
_target = click.argument("target", metavar="TARGET")
_name = click.option(
    "--name", metavar="NAME", type=parsed("NAME", parse_backup_name), help="Which backup (the newest one)."
)


@click.group(cls=Group)
def group() -> None:
    """Make, list, prove and restore backups. TARGET is a directory or a bucket's URL, and may hold many."""


@group.command()
@_target
@click.option("--without-cache", is_flag=True, help="Leave out what can be fetched from upstreams again.")
@click.option("--with-secrets", is_flag=True, help="Carry the server's key and the upstreams' credentials, too.")
def create(target: str, *, without_cache: bool, with_secrets: bool) -> None:
    """Back the whole store up while it is used. Bytes that the target has are not copied again."""
    from strongroom.adapters.secrets import read_key

    key = read_key(_key_path(chosen_settings())) if with_secrets else None
    with showing_progress("Copying files") as progress:
        report = run(
            lambda services, caller: services.backups.create(
                caller, open_target(target), with_cache=not without_cache, key=key, progress=progress
            )
        )
    view = {**_view(report.manifest), "copied_blobs": report.copied_blobs, "copied_bytes": report.copied_bytes}
    told = f"Made the backup {report.manifest.name}: {report.manifest.rows} rows, {report.blobs} blobs"
    print_done(view, f"{told}, of which {report.copied_blobs} were new ({report.copied_bytes} bytes).")
    if key is None:
        remark(f"It holds no key: keep a copy of {_key_path(chosen_settings())} somewhere else, or it cannot be used.")
    if report.manifest.missing:
        raise Ended(
            REFUSED,
            code="backup-incomplete",
            message=f"{len(report.manifest.missing)} blobs are missing or damaged in the store, and so in the backup",
            hint="`strongroom verify` names the files that need them.",
        )


@group.command("list")
@_target
def list_(target: str) -> None:
    """List the backups in the target, the oldest first."""
    from strongroom.services.backup import list_backups

    found = asyncio.run(list_backups(open_target(target)))
    columns = ("name", "serial", "rows", "blobs", "blob_bytes", "has_secrets", "has_cache", "fault")
    print_list([_view_listed(backup) for backup in found], columns, empty="There are no backups in this target.")


@group.command()
@_target
@_name
def verify(target: str, *, name: str | None) -> None:
    """Prove a backup without restoring it: every byte and row; with the key at hand also who made it, and the log."""
    from strongroom.services.backup import verify_backup

    with showing_progress("Checking files") as progress:
        report = asyncio.run(verify_backup(open_target(target), name, keys=_keys(), progress=progress))
    if wants_json():
        faults = [{"where": fault.where, "problem": fault.problem} for fault in report.faults]
        print_json({**_view(report.manifest), "chain": report.chain, "origin": report.origin, "faults": faults})
    else:
        for fault in report.faults:
            click.echo(f"{fault.where}: {fault.problem}")
    if report.faults:
        raise Ended(
            REFUSED,
            code="backup-faults",
            message=f"The backup {report.manifest.name} has {len(report.faults)} faults",
            hint="Make a new one. A damaged blob is copied again once its file is removed from the target.",
        )
    told = f"The backup {report.manifest.name} is good: {report.rows} rows, {report.blobs} blobs"
    remark(f"{told}, {report.read_bytes} bytes read; audit log {report.chain}; origin {report.origin}.")


@group.command()
@_target
@_name
@click.option("--incomplete", is_flag=True, help="Also from a backup that lacks files, or has damaged ones.")
def restore(target: str, *, name: str | None, incomplete: bool) -> None:
    """Fill an empty store from a backup: of the same kind or the other, as --data and the settings say."""
    from strongroom.services.backup import name_some

    with showing_progress("Restoring files") as progress:
        wanted = _Wanted(open_target(target), name, accepts_missing=incomplete)
        report = asyncio.run(_restore(chosen_settings(), wanted, progress=progress))
    view: View = {**_view(report.manifest), "restored_rows": report.rows, "restored_blobs": report.blobs}
    view["missing_blobs"] = len(report.missing)
    told = f"Restored the backup {report.manifest.name}: {report.rows} rows, {report.blobs} blobs"
    print_done(view, f"{told}. `strongroom verify` and `strongroom audit verify` prove it.")
    if not report.manifest.has_secrets:
        remark("Credentials of upstreams are not in it: set them again with `strongroom index set`.")
    if report.missing:
        raise Ended(
            REFUSED,
            code="backup-incomplete",
            message=f"The restored store lacks {name_some(report.missing)}: they are not in the backup, or damaged",
            hint="`strongroom verify` names the files that need them.",
        )


def open_target(text: str) -> BackupTarget:
    """Return the target that the text names: a bucket's URL, or a directory. Raises `ConfigurationFault`."""
    if text.startswith(_BUCKETS):
        from strongroom.bootstrap import open_bucket_target
        from strongroom.config import check_blobs

        try:
            url = check_blobs(text)
        except ValueError as fault:  # says how to write it, and nothing of what was written
            raise ConfigurationFault(
                "backup-target",
                f"The target is no bucket's URL: {fault}",
                "Credentials belong into environment variables; docs/buckets.md names them.",
            ) from None
        return open_bucket_target(url)
    from strongroom.adapters.blobs.directory_backups import DirectoryTarget

    return DirectoryTarget(Path(text).absolute())


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which backup is to be restored; the newest one when it has no name."""

    target: BackupTarget
    name: str | None
    accepts_missing: bool


async def _restore(settings: Settings, wanted: _Wanted, *, progress: Report) -> RestoreReport:
    from strongroom.bootstrap import local_operator, make_data_directory, open_store
    from strongroom.services.backup import read_backup

    manifest = await read_backup(wanted.target, wanted.name)
    make_data_directory(settings.directory)
    if not _has_key(settings):
        await _bring_key(_key_path(settings), wanted.target, manifest=manifest)
        remark("The key came from the target, so nothing proves who made the backup: whoever can write there could.")
    async with open_store(settings, is_taking_over=True) as services:
        report = await services.backups.restore(
            local_operator(),
            wanted.target,
            name=manifest.name,
            accepts_missing=wanted.accepts_missing,
            progress=progress,
        )
        await services.ownership.take_over()
        return report


async def _bring_key(path: Path, target: BackupTarget, *, manifest: Manifest) -> None:
    """Put the backup's key where the store's is to be, where none is yet; one that is there is compared later."""
    from strongroom.adapters.secrets import plant_key
    from strongroom.services.backup import fetch_key

    key = await fetch_key(target, manifest)
    if key is None:
        raise Conflict(
            "backup-key",
            f"The backup {manifest.name} holds no key, and there is none at {path}",
            "Copy the old server's secret.key there: tokens and the audit log depend on it.",
        )
    plant_key(path, key)


def _keys() -> KeyRing:
    """Return the store's own key, if there is a store, and the way to use one that a backup carries."""
    from strongroom.adapters.secrets import FileSecrets, open_secrets
    from strongroom.services.backup import KeyRing

    settings = chosen_settings()
    own = open_secrets(settings.directory, settings.key_path) if has_store(settings) else None
    return KeyRing(own, FileSecrets)


def _has_key(settings: Settings) -> bool:
    return _key_path(settings).exists()


def _key_path(settings: Settings) -> Path:
    from strongroom.adapters.secrets import KEY_FILE_NAME

    return settings.key_path or settings.directory / KEY_FILE_NAME


def _view(manifest: Manifest) -> View:
    return {
        "name": manifest.name,
        "created_at": manifest.created_at.isoformat(),
        "program": manifest.program,
        "serial": manifest.serial,
        "head": manifest.head,
        "rows": manifest.rows,
        "blobs": manifest.blobs.lines,
        "blob_bytes": manifest.blob_bytes,
        "missing_blobs": len(manifest.missing),
        "has_secrets": manifest.has_secrets,
        "has_cache": manifest.has_cache,
    }


def _view_listed(backup: Backup) -> View:
    if backup.manifest is not None:
        return {**_view(backup.manifest), "fault": ""}
    unknown: View = dict.fromkeys(("serial", "rows", "blobs", "blob_bytes", "has_secrets", "has_cache"))
    return {"name": backup.name, **unknown, "fault": backup.fault}
