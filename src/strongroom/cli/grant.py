"""`strongroom grant`: the rights of users."""

from __future__ import annotations

import click

from strongroom.cli.command import Group, wants_json
from strongroom.cli.output import View, print_done, print_list
from strongroom.cli.parameters import INDEX, PATTERN, RIGHT, USER
from strongroom.cli.store import run
from strongroom.core.access import Grant, Right
from strongroom.core.names import EVERY_PROJECT, IndexName, ProjectPattern, UserName


@click.group(cls=Group)
def group() -> None:
    """Give users rights and take them away."""


@group.command()
@click.argument("name", type=USER)
@click.option("--right", "rights", type=RIGHT, multiple=True, required=True, help="A right to give.")
@click.option("--index", type=INDEX, help="On one index (every index).")
@click.option("--project", type=PATTERN, default=EVERY_PROJECT, help="For some projects, as a glob (all).")
def add(name: UserName, *, rights: tuple[str, ...], index: IndexName | None, project: ProjectPattern) -> None:
    """Give a user rights."""
    grant = _grant(rights, index, project=project)
    held = run(lambda services, caller: services.accounts.add_grant(caller, name, grant=grant))
    _print_held(name, held)


@group.command()
@click.argument("name", type=USER)
@click.option("--right", "rights", type=RIGHT, multiple=True, required=True, help="A right to take away.")
@click.option("--index", type=INDEX, help="The index that the grant names (every index).")
@click.option("--project", type=PATTERN, default=EVERY_PROJECT, help="The glob that the grant names (all).")
def remove(name: UserName, *, rights: tuple[str, ...], index: IndexName | None, project: ProjectPattern) -> None:
    """Take rights away from the grant with exactly this index and glob; other grants stay."""
    grant = _grant(rights, index, project=project)
    held = run(lambda services, caller: services.accounts.remove_grant(caller, name, grant=grant))
    _print_held(name, held)


@group.command(name="list")
@click.argument("name", type=USER, required=False)
def list_grants(name: UserName | None) -> None:
    """List the grants of one user, or of all; administrators need none."""
    from strongroom.cli.views import view_grant

    if name is None:
        accounts = run(lambda services, caller: services.accounts.list(caller))
    else:
        accounts = (run(lambda services, caller: services.accounts.get(caller, name)),)
    data: list[View] = [{"user": account.name, **view_grant(grant)} for account in accounts for grant in account.grants]
    if not wants_json():
        data = [{**item, "index": item["index"] or "every index"} for item in data]
    print_list(data, ("user", "rights", "index", "projects"), empty="There are no grants.")


def _grant(rights: tuple[str, ...], index: IndexName | None, *, project: ProjectPattern) -> Grant:
    return Grant(rights=frozenset(Right(right) for right in rights), index=index, projects=project)


def _print_held(name: UserName, held: tuple[Grant, ...]) -> None:
    from strongroom.cli.views import view_grants

    told = view_grants(held)
    print_done({"user": name, "grants": told}, f"'{name}' now holds: {'; '.join(told) or 'nothing'}")
