"""`strongroom verify` and `strongroom sweep`: the bytes as a whole."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

import click

from strongroom.cli.command import Command, wants_json
from strongroom.cli.exits import REFUSED, Ended
from strongroom.cli.output import print_done, print_json, remark
from strongroom.cli.parameters import DURATION
from strongroom.cli.progress import showing_progress
from strongroom.cli.store import run


@click.command(cls=Command)
@click.option("--quick", is_flag=True, help="Compare sizes only, and don't read every byte.")
def verify(*, quick: bool) -> None:
    """Check that every file is there with the right bytes; changes nothing."""
    with showing_progress("Checking files") as progress:
        report = run(lambda services, caller: services.upkeep.verify(caller, deep=not quick, progress=progress))
    if wants_json():
        print_json(asdict(report))
    else:
        for fault in report.faults:
            click.echo(f"{fault.problem}: {fault.needed_by} (sha256 {fault.sha256})")
    if report.faults:
        raise Ended(
            REFUSED,
            code="verify-faults",
            message=f"{len(report.faults)} of {report.blobs} blobs are not what they should be",
            hint="Restore them from a backup; the names above need them.",
        )
    remark(f"All is well: {report.files} files, {report.blobs} blobs, {report.read_bytes} bytes read.")


@click.command(cls=Command)
@click.option("--older-than", type=DURATION, default="24h", help="How long bytes stay that nobody needs (24h).")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def sweep(*, older_than: timedelta, dry_run: bool) -> None:
    """Remove the bytes of deleted files and of uploads that died."""
    report = run(lambda services, caller: services.sweep.sweep(caller, grace=older_than, dry_run=dry_run))
    done = "Would remove" if dry_run else "Removed"
    told = f"{done} {report.blobs} blobs ({report.freed_bytes} bytes) and {report.leases} expired leases"
    incoming = "." if dry_run else f", and {report.incoming} temporary files."
    print_done(asdict(report), told + incoming)
