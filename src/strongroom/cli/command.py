"""A command that knows the flags which every command takes: --data, --json, --debug.

They may stand before or after the command's name; the later one counts. What was
chosen travels in the context: `obj` holds settings, `meta` the rest.
"""

from __future__ import annotations

import click

JSON, DEBUG = "strongroom.json", "strongroom.debug"


def _remember_data(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.obj = {**(context.obj or {}), "data": value}


def _remember_flag(context: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001  # click's signature
    if value:
        context.meta[f"strongroom.{parameter.name}"] = True


SHARED_FLAGS: tuple[click.Parameter, ...] = (
    click.Option(
        ["--data"],
        metavar="DIR",
        expose_value=False,
        callback=_remember_data,
        help="The data directory (also STRONGROOM_DATA; ./strongroom-data by default).",
    ),
    click.Option(["--json"], is_flag=True, expose_value=False, callback=_remember_flag, help="Print data as JSON."),
    click.Option(
        ["--debug"], is_flag=True, expose_value=False, callback=_remember_flag, help="Show where a defect comes from."
    ),
)


class Command(click.Command):
    """A command with the shared flags."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters, then the shared ones."""
        return [*super().get_params(ctx), *SHARED_FLAGS]


class Group(click.Group):
    """A group of such commands."""

    command_class = Command

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the group's own parameters, then the shared ones."""
        return [*super().get_params(ctx), *SHARED_FLAGS]


def wants_json() -> bool:
    """Return whether data is to be printed as JSON."""
    return bool(click.get_current_context().meta.get(JSON))
