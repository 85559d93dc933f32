"""`strongroom mirror`: the cache filled ahead of time, from a lock file or a list of requirements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from strongroom.cli.command import Group, wants_json
from strongroom.cli.exits import REFUSED, Ended
from strongroom.cli.output import View, print_json, print_table, remark
from strongroom.cli.parameters import INDEX
from strongroom.cli.progress import showing_progress
from strongroom.cli.store import chosen_settings, run
from strongroom.core.errors import InvalidRequest
from strongroom.core.names import IndexName

if TYPE_CHECKING:  # so that `--help` is there at once
    from strongroom.core.prefetch import Item
    from strongroom.core.wanted import Wanted

_MOST_JOBS, _USUAL_JOBS = 32, 8
_file = click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
_index = click.option("--index", type=INDEX, help="Through which index, with its rules (the default one: main).")
_jobs = click.option(
    "--jobs", type=click.IntRange(1, _MOST_JOBS), default=_USUAL_JOBS, show_default=True, help="How many at once."
)


@click.group(cls=Group)
def group() -> None:
    """Fill the cache of upstream files ahead of time."""


@group.command()
@_file
@_index
@_jobs
def plan(path: Path, *, index: IndexName | None, jobs: int) -> None:
    """Tell which files FILE wants, and which of them are here.

    FILE is a pylock.toml, a uv.lock or a list of requirements. Pages are asked for, files are
    not. Ends with 1 when nothing of a project is to be had.
    """
    from strongroom.services.prefetch import Pace

    wanted, start = _read(path), index or chosen_settings().index
    with showing_progress("Looking") as report:
        items = run(
            lambda services, caller: services.prefetch.plan(caller, wanted, index=start, pace=Pace(jobs, report))
        )
    _tell(items)


@group.command()
@_file
@_index
@_jobs
def sync(path: Path, *, index: IndexName | None, jobs: int) -> None:
    """Fetch the files that FILE wants and that are not here, with their METADATA.

    FILE is a pylock.toml, a uv.lock or a list of requirements. One file that fails does not stop
    the others; what is here already is not fetched again, so this can be interrupted and repeated.
    Ends with 1 when a file failed, or nothing of a project is to be had.
    """
    from strongroom.services.prefetch import Pace

    wanted, start = _read(path), index or chosen_settings().index
    with showing_progress("Fetching") as report:
        items = run(
            lambda services, caller: services.prefetch.sync(caller, wanted, index=start, pace=Pace(jobs, report))
        )
    _tell(items)


def _read(path: Path) -> tuple[Wanted, ...]:
    from strongroom.core.lockfiles import parse_lockfile

    try:
        content = path.read_bytes()
    except OSError as fault:
        raise InvalidRequest("lockfile", f"{path.name} cannot be read: {fault.strerror}", "Check its mode.") from None
    return parse_lockfile(content, filename=path.name)


def _tell(items: tuple[Item, ...]) -> None:
    from strongroom.core.prefetch import find_lacking

    shown = sorted(items, key=lambda item: (item.project, item.filename or ""))
    if wants_json():
        print_json([_view(item) for item in shown])
    elif shown:
        print_table([_line(item) for item in shown], header=("state", "file", "bytes", "why"))
    remark(_sum_up(items))
    lacking = find_lacking(items)
    if lacking:
        few = ", ".join(lacking[:5]) + (f" and {len(lacking) - 5} more" if len(lacking) > 5 else "")
        raise Ended(
            REFUSED,
            code="mirror-incomplete",
            message=f"Not everything is to be had: {few}",
            hint="The reasons are above; `strongroom explain PROJECT` tells more.",
        )


def _sum_up(items: tuple[Item, ...]) -> str:
    from strongroom.core.prefetch import State, count_states

    counts = count_states(items)
    said = ", ".join(f"{counts[state]} {state}" for state in State if counts[state])
    size = sum(item.size_bytes or 0 for item in items if item.state in (State.TO_FETCH, State.FETCHED))
    return f"{said} ({size} bytes)." if size else f"{said}." if said else "Nothing is wanted."


def _line(item: Item) -> tuple[str, str, str, str]:
    size = "" if item.size_bytes is None else str(item.size_bytes)
    why = f"{item.reason} [{item.code}]" if item.code else ""
    return item.state, item.filename or item.project, size, why


def _view(item: Item) -> View:
    return {
        "project": item.project,
        "version": None if item.version is None else str(item.version),
        "filename": item.filename,
        "index": item.index,
        "state": item.state.value,
        "size_bytes": item.size_bytes,
        "code": item.code,
        "reason": item.reason,
    }
