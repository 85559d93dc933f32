"""A command that knows the flags which every command takes: --data, --json, --debug.

They may stand before or after the command's name; the later one counts. What was
chosen travels in the context: `obj` holds settings, `meta` the rest.
"""

from __future__ import annotations

import click

JSON, DEBUG = "strongroom.json", "strongroom.debug"

SHARED_FLAGS: tuple[click.Parameter, ...] = (
    click.Option(
        ["--data"], metavar="DIR", help="The data directory (also STRONGROOM_DATA; ./strongroom-data by default)."
    ),
    click.Option(["--json"], is_flag=True, help="Print data as JSON."),
    click.Option(["--debug"], is_flag=True, help="Show where a defect comes from."),
)


class Command(click.Command):
    """A command with the shared flags."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters, then the shared ones."""
        return [*super().get_params(ctx), *SHARED_FLAGS]

    def invoke(self, ctx: click.Context) -> object:
        """Remember the shared flags, and run the command without them."""
        _remember(ctx)
        return super().invoke(ctx)


class Group(click.Group):
    """A group of such commands."""

    command_class = Command

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the group's own parameters, then the shared ones."""
        return [*super().get_params(ctx), *SHARED_FLAGS]

    def invoke(self, ctx: click.Context) -> object:
        """Remember the shared flags, and run the command without them."""
        _remember(ctx)
        return super().invoke(ctx)


def wants_json() -> bool:
    """Return whether data is to be printed as JSON."""
    return bool(click.get_current_context().meta.get(JSON))


def _remember(context: click.Context) -> None:
    data = context.params.pop("data")
    if data is not None:
        context.obj = {**(context.obj or {}), "data": data}
    for name, key in (("json", JSON), ("debug", DEBUG)):
        if context.params.pop(name):
            context.meta[key] = True
