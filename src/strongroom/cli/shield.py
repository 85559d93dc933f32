"""`strongroom name`: names that an index keeps for itself, and what is near them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from strongroom.cli.command import Group, wants_json
from strongroom.cli.output import print_done, print_json, print_list, print_table, remark
from strongroom.cli.parameters import INDEX, PATTERN
from strongroom.cli.store import chosen_settings, run
from strongroom.core.names import IndexName, ProjectPattern
from strongroom.core.reservations import HOLD_WORDS, Hold

if TYPE_CHECKING:  # these take long to import, and `--help` needs none of them
    from strongroom.services.shield import NameReport

F = TypeVar("F", bound=Callable[..., object])

_DONE = {
    Hold.RESERVED: "Reserved '{0}' for '{1}': it is never asked for upstream.",
    Hold.CLAIMED: "Claimed '{0}' for '{1}': only the files of '{1}' stand for it there.",
    Hold.OVERLAY: "Laid '{1}' over '{0}': its own files and those of the next source stand together.",
}


@click.group(cls=Group)
def group() -> None:
    """Reserve, claim, overlay, release and list names, and report namesakes."""


def _on_name(metavar: str) -> Callable[[F], F]:
    def give(command: F) -> F:
        command = click.option("--reason", default="", help="Why; the audit log keeps it.")(command)
        command = click.option("--index", type=INDEX, help="The index that holds it (the default one: main).")(command)
        return click.argument("pattern", metavar=metavar, type=PATTERN)(command)

    return give


@group.command()
@_on_name("NAME-OR-PREFIX")
def reserve(pattern: ProjectPattern, *, index: IndexName | None, reason: str) -> None:
    """Keep a name (billing) or prefix (acme-*) for an index: nobody asks an upstream for it any more."""
    _hold(pattern, Hold.RESERVED, index=index, reason=reason)


@group.command()
@_on_name("NAME")
def claim(pattern: ProjectPattern, *, index: IndexName | None, reason: str) -> None:
    """Keep a name for an index, knowing that it exists upstream too; other indexes may still get that one."""
    _hold(pattern, Hold.CLAIMED, index=index, reason=reason)


@group.command()
@_on_name("NAME")
def overlay(pattern: ProjectPattern, *, index: IndexName | None, reason: str) -> None:
    """Let an index's own files and the next source's stand together under a name: a patched fork.

    This is the one way to let two sources share a name. Whoever publishes under it upstream is then trusted.
    """
    _hold(pattern, Hold.OVERLAY, index=index, reason=reason)


@group.command()
@click.argument("pattern", metavar="NAME-OR-PREFIX", type=PATTERN)
@click.option("--index", type=INDEX, help="The index that holds it (the default one: main).")
def release(pattern: ProjectPattern, *, index: IndexName | None) -> None:
    """Let go of a name or prefix; the index's own files keep deciding for their names."""
    from strongroom.cli.views import view_reservation

    place = index or chosen_settings().index
    found = run(lambda services, caller: services.shield.release(caller, place, pattern=pattern))
    print_done(view_reservation(found), f"'{pattern}' is no longer {HOLD_WORDS[found.hold]} in '{place}'.")


@group.command(name="list")
@click.option("--index", type=INDEX, help="Only what this index holds.")
def list_names(*, index: IndexName | None) -> None:
    """List the names and prefixes that indexes hold."""
    from strongroom.cli.views import view_reservation

    found = run(lambda services, caller: services.shield.list(caller, index))
    columns = ("index", "pattern", "hold", "reason", "by", "created")
    print_list([view_reservation(item) for item in found], columns, empty="No name is held.")


@group.command()
@click.option("--index", type=INDEX, help="Only for this index.")
def report(*, index: IndexName | None) -> None:
    """Report own names that exist upstream too, and names that clients ask for and nobody owns.

    Nothing is sent upstream for it: the lists of the upstreams' names are kept here.
    """
    from strongroom.cli.views import view_name_report

    found = run(lambda services, caller: services.shield.report(caller, index))
    if wants_json():
        print_json(view_name_report(found))
    else:
        _print_report(found)


def _hold(pattern: ProjectPattern, hold: Hold, *, index: IndexName | None, reason: str) -> None:
    from strongroom.cli.views import view_reservation
    from strongroom.services.shield import Wish

    place = index or chosen_settings().index
    wish = Wish(place, pattern, hold, reason)
    held = run(lambda services, caller: services.shield.hold(caller, wish), makes_store=True)
    data = {**view_reservation(held.reservation), "remarks": list(held.remarks)}
    print_done(data, _DONE[hold].format(pattern, place))
    for text in held.remarks:
        remark(text)


def _print_report(found: NameReport) -> None:
    if found.internal:
        click.echo("Own names that exist upstream too:")
        rows = [(item.index, item.project, item.hold or "-", ", ".join(item.upstreams)) for item in found.internal]
        print_table(rows, header=("index", "name", "hold", "upstream_of"))
    else:
        remark("No own name is known to exist upstream.")
    if found.wanted:
        click.echo("Names that clients ask for and nobody owns:")
        wanted = [
            (item.index, item.project, str(item.count), ", ".join(item.lookalikes) or "-") for item in found.wanted
        ]
        print_table(wanted, header=("index", "name", "times", "perhaps_meant"))
    else:
        remark("Clients ask for no name that nobody owns.")
    if not found.is_certain:
        remark("A list of an upstream's names is not here yet, so names may be missing from this report.")
