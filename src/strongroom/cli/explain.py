"""`strongroom explain`: why a name is answered as it is."""

from __future__ import annotations

import click

from strongroom.cli.command import Command, wants_json
from strongroom.cli.output import View, print_json, print_table, remark
from strongroom.cli.parameters import INDEX, NAMED, Named
from strongroom.cli.store import chosen_settings, run
from strongroom.core.access import ProjectTarget
from strongroom.core.explanation import ExplainedFile, Explanation
from strongroom.core.names import IndexName


@click.command(cls=Command)
@click.argument("named", metavar="PROJECT[==VERSION]", type=NAMED)
@click.option("--index", type=INDEX, help="The index that is asked; otherwise the default one.")
@click.option("--all", "shows_all", is_flag=True, help="List the files that are offered, too.")
def explain(named: Named, *, index: IndexName | None, shows_all: bool) -> None:
    """Say which source a name comes from and why, and which files are hidden by which rule until when."""
    target = ProjectTarget(index or chosen_settings().index, named.project)
    found = run(lambda services, caller: services.explain.explain(caller, target, version=named.version))
    if wants_json():
        print_json(_view(found))
    else:
        _print(found, shows_all=shows_all or named.version is not None)


def _print(found: Explanation, *, shows_all: bool) -> None:
    click.echo(f"In the index '{found.index}', {found.sentence}.")
    for step in found.steps:
        click.echo(f"  {step.index}: {step.sentence}")
    hidden = [file for file in found.files if not file.is_offered]
    if found.files:
        click.echo(_count(len(found.files) - len(hidden), len(hidden)))
    else:
        remark("There are no files.")
    shown = found.files if shows_all else tuple(file for file in found.files if not file.is_offered or file.reason)
    if shown:
        print_table([_row(file) for file in shown], header=("file", "offered", "rule", "until", "why"))
    for hint in _hints(hidden):
        remark(hint)


def _count(offered: int, hidden: int) -> str:
    files = "1 file is offered" if offered == 1 else f"{offered} files are offered"
    return f"{files}, {hidden} {'is' if hidden == 1 else 'are'} hidden."


def _hints(hidden: list[ExplainedFile]) -> list[str]:
    """Return one hint for each rule, that of the newest file: a project has hundreds of files."""
    return list({(file.code, file.rule_of): file.hint for file in hidden if file.hint}.values())


def _view(found: Explanation) -> View:
    return {
        "index": found.index,
        "project": found.project,
        "answer": found.answer.value,
        "owner": found.owner,
        "sentence": found.sentence,
        "steps": [{"index": step.index, "sentence": step.sentence} for step in found.steps],
        "files": [_view_file(file) for file in found.files],
    }


def _view_file(file: ExplainedFile) -> View:
    return {
        "filename": file.filename,
        "version": file.version,
        "offered": file.is_offered,
        "code": file.code,
        "reason": file.reason,
        "hint": file.hint,
        "until": None if file.until is None else file.until.isoformat(timespec="seconds"),
        "rule_of": file.rule_of,
    }


def _row(file: ExplainedFile) -> list[str]:
    until = "-" if file.until is None else f"{file.until:%Y-%m-%d %H:%M}"
    rule = f"{file.code} ({file.rule_of})" if file.rule_of else file.code or "-"
    return [file.filename, "yes" if file.is_offered else "no", rule, until, file.reason or "-"]
