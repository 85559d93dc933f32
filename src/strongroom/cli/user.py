"""`strongroom user`: accounts."""

from __future__ import annotations

import sys

import click

from strongroom.cli.command import Group
from strongroom.cli.output import print_done, print_list
from strongroom.cli.parameters import INDEX, PATTERN, RIGHT, USER
from strongroom.cli.store import run
from strongroom.core.access import MEMBER_RIGHTS, Grant, Right
from strongroom.core.names import EVERY_PROJECT, IndexName, ProjectPattern, UserName


@click.group(cls=Group)
def group() -> None:
    """Make, list, disable and enable users."""


@group.command()
@click.argument("name", type=USER)
@click.option("--admin", is_flag=True, help="May do everything.")
@click.option("--password-stdin", is_flag=True, help="Read a password from the first line of standard input.")
@click.option("--right", "rights", type=RIGHT, multiple=True, help="A first right (read, upload and yank).")
@click.option("--index", "indexes", type=INDEX, multiple=True, help="Where the rights hold (every index).")
@click.option("--project", "projects", type=PATTERN, multiple=True, help="For which projects, as a glob (all).")
@click.option("--no-rights", is_flag=True, help="No first rights: give them with `grant add`.")
def create(
    name: UserName,
    *,
    admin: bool,
    password_stdin: bool,
    rights: tuple[str, ...],
    indexes: tuple[IndexName, ...],
    projects: tuple[ProjectPattern, ...],
    no_rights: bool,
) -> None:
    """Make a user, who may read, upload and yank on every index if nothing else is said."""
    from strongroom.cli.views import view_account
    from strongroom.services.accounts import NewUser

    is_told = bool(rights or indexes or projects)
    if no_rights and is_told:
        raise click.UsageError("--no-rights contradicts --right, --index and --project.")
    grants = () if no_rights else _grants_of(rights, indexes, projects=projects) if is_told else None
    new = NewUser(name, admin, _read_password() if password_stdin else None, grants)
    account = run(lambda services, caller: services.accounts.create(caller, new), makes_store=True)
    role = "administrator" if admin else "user"
    print_done(view_account(account), f"Created the {role} '{name}'. Next: strongroom token create --user {name}")


@group.command(name="list")
def list_users() -> None:
    """List all users and what they may do."""
    from strongroom.cli.views import view_account

    accounts = run(lambda services, caller: services.accounts.list(caller))
    columns = ("name", "administrator", "disabled", "password", "grants")
    print_list([view_account(account) for account in accounts], columns, empty="There are no users.")


@group.command()
@click.argument("name", type=USER)
def disable(name: UserName) -> None:
    """Shut a user and all his tokens out."""
    from strongroom.cli.views import view_account

    account = run(lambda services, caller: services.accounts.disable(caller, name))
    print_done(view_account(account), f"'{name}' and all his tokens are shut out.")


@group.command()
@click.argument("name", type=USER)
def enable(name: UserName) -> None:
    """Let a disabled user in again."""
    from strongroom.cli.views import view_account

    account = run(lambda services, caller: services.accounts.enable(caller, name))
    print_done(view_account(account), f"'{name}' may sign in.")


@group.command()
@click.argument("name", type=USER)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
@click.option("--remove", is_flag=True, help="Let only tokens sign in.")
def password(name: UserName, *, password_stdin: bool, remove: bool) -> None:
    """Set a user's password, or remove it."""
    from strongroom.cli.views import view_account

    if remove and password_stdin:
        raise click.UsageError("--remove contradicts --password-stdin.")
    secret = None if remove else _read_password() if password_stdin else _ask_password()
    account = run(lambda services, caller: services.accounts.set_password(caller, name, password=secret))
    print_done(view_account(account), f"The password of '{name}' is {'removed' if remove else 'set'}.")


def _grants_of(
    rights: tuple[str, ...], indexes: tuple[IndexName, ...], *, projects: tuple[ProjectPattern, ...]
) -> tuple[Grant, ...]:
    """Return the grants that the flags mean: each index with each pattern."""
    meant = frozenset(Right(right) for right in rights) or MEMBER_RIGHTS
    return tuple(
        Grant(rights=meant, index=index, projects=pattern)
        for index in (indexes or (None,))
        for pattern in (projects or (EVERY_PROJECT,))
    )


def _read_password() -> str:
    return sys.stdin.readline().rstrip("\r\n")


def _ask_password() -> str:
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask for the password; use --password-stdin.")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
