"""`strongroom yank`, `unyank`, `delete` and `status`: what happens to published files."""

from __future__ import annotations

import sys

import click

from strongroom.cli.command import Command, wants_json
from strongroom.cli.output import print_done, print_json, remark
from strongroom.cli.parameters import FILENAME, INDEX, NAMED, PROJECT, Named
from strongroom.cli.store import chosen_settings, run
from strongroom.core.access import ProjectTarget
from strongroom.core.model import File, ProjectStatus
from strongroom.core.names import Filename, IndexName, ProjectName
from strongroom.services.releases import Selection

_named = click.argument("named", metavar="PROJECT==VERSION", type=NAMED)
_index = click.option("--index", type=INDEX, help="In which index (the default one: main).")
_filename = click.option("--file", "filename", type=FILENAME, help="Only this file of the release.")


@click.command(cls=Command)
@_named
@_filename
@_index
@click.option("--reason", default="", help="Why; installers show it.")
def yank(named: Named, *, filename: Filename | None, index: IndexName | None, reason: str) -> None:
    """Hide a release from all who did not pin it; it stays there for those who did."""
    selection = _select(named, filename, index=index)
    _print_files(run(lambda services, caller: services.releases.yank(caller, selection, reason=reason)), "Yanked")


@click.command(cls=Command)
@_named
@_filename
@_index
def unyank(named: Named, *, filename: Filename | None, index: IndexName | None) -> None:
    """Offer a yanked release again."""
    selection = _select(named, filename, index=index)
    _print_files(run(lambda services, caller: services.releases.unyank(caller, selection)), "Unyanked")


@click.command(cls=Command)
@click.argument("named", metavar="PROJECT[==VERSION]", type=NAMED)
@_filename
@_index
@click.option("--yes", is_flag=True, help="Don't ask.")
def delete(named: Named, *, filename: Filename | None, index: IndexName | None, yes: bool) -> None:
    """Delete a project, a release or a file for ever. The filenames stay taken; think of yank first."""
    selection = _select(named, filename, index=index)
    if not yes:
        _confirm(selection)
    _print_files(run(lambda services, caller: services.releases.delete(caller, selection)), "Deleted")


@click.command(cls=Command)
@click.argument("project", type=PROJECT)
@click.argument("status", metavar="STATUS", type=click.Choice([status.value for status in ProjectStatus]))
@click.option("--reason", default="", help="Why; installers may show it.")
@_index
def status(project: ProjectName, status: str, *, reason: str, index: IndexName | None) -> None:
    """Set a project's status: active, archived, deprecated or quarantined (PEP 792).

    Archived and quarantined projects take no uploads; a quarantined one offers no files.
    """
    from strongroom.cli.views import view_project

    target = ProjectTarget(index or chosen_settings().index, project)
    saved = run(
        lambda services, caller: services.releases.set_status(
            caller, target, status=ProjectStatus(status), reason=reason
        )
    )
    print_done(view_project(saved), f"The project '{project}' in '{target.index}' is {saved.status}.")


def _select(named: Named, filename: Filename | None, *, index: IndexName | None) -> Selection:
    return Selection(index or chosen_settings().index, named.project, named.version, filename)


def _confirm(selection: Selection) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask; say --yes to delete for ever.")
    click.confirm(f"Delete {selection} from '{selection.index}' for ever?", abort=True, err=True)


def _print_files(files: tuple[File, ...], what: str) -> None:
    from strongroom.cli.views import view_file

    if wants_json():
        print_json([view_file(file) for file in files])
        return
    for file in files:
        remark(f"{what} {file.filename} in '{file.index}'.")
    if not files:
        remark("Nothing to do: it is so already.")
