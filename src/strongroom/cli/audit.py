"""`strongroom audit`: the log of all changes."""

from __future__ import annotations

import json

import click

from strongroom.cli.command import Group, wants_json
from strongroom.cli.exits import REFUSED, Ended
from strongroom.cli.output import View, print_json, print_list, remark
from strongroom.cli.parameters import PROJECT, parsed
from strongroom.cli.store import run
from strongroom.core.events import Head, parse_head
from strongroom.core.names import ProjectName

_HEAD = parsed("SERIAL:HASH", parse_head)


@click.group(cls=Group)
def group() -> None:
    """Read the audit log, and prove it whole."""


@group.command()
@click.option("--project", type=PROJECT, help="Only what concerns this project.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, help="How many entries (100).")
@click.option("--before", type=click.IntRange(1), help="Only entries before this serial: the next page.")
def log(project: ProjectName | None, *, limit: int, before: int | None) -> None:
    """Print the newest changes, the newest first: who did what, from where."""
    from strongroom.cli.views import view_entry

    entries = run(lambda services, caller: services.audit.log(caller, project=project, before=before, limit=limit))
    data = [view_entry(entry) for entry in entries]
    if not wants_json():
        data = [{**item, **_split(item["event"])} for item in data]
    print_list(data, ("serial", "at", "actor", "kind", "what"), empty="There are no entries.")


@group.command()
@click.option("--head", "expected", type=_HEAD, help="A head that was printed before: shows a log that was cut.")
def verify(expected: Head | None) -> None:
    """Compute the hash chain anew; prints the head, to be kept somewhere else."""
    report = run(lambda services, caller: services.audit.verify(caller, expected=expected))
    if wants_json():
        broken = None if report.broken is None else {"serial": report.broken.serial, "reason": report.broken.reason}
        print_json({"entries": report.entries, "head": str(report.head), "broken": broken})
    else:
        click.echo(str(report.head))
    if report.broken is not None:
        raise Ended(
            REFUSED,
            code="audit-broken",
            message=f"The audit log is broken at serial {report.broken.serial}: {report.broken.reason}",
            hint=f"It holds up to {report.head.serial}. Compare with a backup.",
        )
    remark(f"The audit log is whole: {report.entries} entries. Keep the head somewhere else.")


def _split(event: object) -> View:
    """Show an event on one line: its kind, and all its other fields."""
    fields = dict(event) if isinstance(event, dict) else {}
    kind = fields.pop("kind", "")
    return {"kind": kind, "what": " ".join(f"{name}={_short(value)}" for name, value in fields.items())}


def _short(value: object) -> str:
    return value if isinstance(value, str) and value and " " not in value else json.dumps(value, ensure_ascii=False)
