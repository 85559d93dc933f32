"""`strongroom verify`, `sweep` and `adopt-blobs`: the bytes as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from strongroom.cli.command import Command, wants_json
from strongroom.cli.exits import REFUSED, Ended
from strongroom.cli.output import View, print_done, print_json, remark
from strongroom.cli.parameters import DURATION
from strongroom.cli.progress import showing_progress
from strongroom.cli.store import chosen_settings, run

if TYPE_CHECKING:  # these take long to import, and `--help` needs none of them
    from strongroom.core.caller import Caller
    from strongroom.services import Services
    from strongroom.services.audit import ChainReport
    from strongroom.services.upkeep import VerifyReport


@click.command(cls=Command)
@click.option("--quick", is_flag=True, help="Compare sizes only, and don't read any bytes.")
@click.option(
    "--sample",
    "sample_percent",
    type=click.FloatRange(0, 100, min_open=True),
    metavar="PERCENT",
    help="Read only this share of the files, drawn at random each time; sizes are compared for all.",
)
def verify(*, quick: bool, sample_percent: float | None) -> None:
    """Check that every file is there with the right bytes, and that the audit log is whole; changes nothing."""
    if quick and sample_percent is not None:
        raise click.UsageError("--quick contradicts --sample.")
    percent = 0.0 if quick else 100.0 if sample_percent is None else sample_percent
    with showing_progress("Checking files") as progress:
        report, chain = run(lambda services, caller: _verify(services, caller, percent=percent, progress=progress))
    if wants_json():
        print_json(asdict(report) | {"audit": _view_chain(chain)})
    else:
        for fault in report.faults:
            click.echo(f"{fault.problem}: {fault.needed_by} (sha256 {fault.sha256})")
        if chain.broken is not None:
            click.echo(f"audit log broken: serial {chain.broken.serial}, {chain.broken.reason}")
    if report.faults or chain.broken is not None:
        raise _end(report, chain)
    remark(
        f"All is well: {report.files} files, {report.blobs} blobs, {report.read_blobs} of them read "
        f"({report.read_bytes} bytes), {chain.entries} entries of the audit log."
    )
    if report.unneeded_blobs:
        remark(f"Nobody needs {report.unneeded_blobs} more blobs; the sweep will remove them.")


async def _verify(
    services: Services, caller: Caller, *, percent: float, progress: Callable[[int, int], None]
) -> tuple[VerifyReport, ChainReport]:
    report = await services.upkeep.verify(caller, sample_percent=percent, progress=progress)
    return report, await services.audit.verify(caller)


def _view_chain(chain: ChainReport) -> View:
    broken = None if chain.broken is None else asdict(chain.broken)
    return {"entries": chain.entries, "head": str(chain.head), "broken": broken}


def _end(report: VerifyReport, chain: ChainReport) -> Ended:
    """Return how a check ends that found something; the code is the log's only where all bytes are right."""
    broken = f"The audit log is broken at serial {chain.broken.serial}: {chain.broken.reason}" if chain.broken else ""
    if not report.faults:
        hint = f"It holds up to {chain.head.serial}. Compare with a backup."
        return Ended(REFUSED, code="audit-broken", message=broken, hint=hint)
    wrong = f"{len(report.faults)} of {report.blobs} blobs are not what they should be"
    return Ended(
        REFUSED,
        code="verify-faults",
        message=f"{wrong}. {broken}" if broken else wrong,
        hint="Restore them from a backup; the names above need them.",
    )


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


@click.command(cls=Command)
def adopt_blobs() -> None:
    """Say that the stored files are those of this catalog, where nothing shows it: say so only when you know.

    After files were copied without their mark (the file or object `store-id`), or when a
    catalog came from elsewhere. Another catalog that calls them its own will refuse them.
    """

    async def adopt(services: Services, caller: Caller) -> VerifyReport:
        await services.ownership.adopt(caller)
        return await services.upkeep.verify(caller, sample_percent=0)

    report = run(adopt, is_taking_over=True)
    places = chosen_settings().places
    data = {"catalog": places.catalog, "blobs": places.blobs, "files": report.files, "faults": len(report.faults)}
    print_done(data, f"The files in {places.blobs} are those of the catalog in {places.catalog} from now on.")
    if report.faults:
        remark(f"{len(report.faults)} of its {report.blobs} blobs are not there: `strongroom verify` names them.")
