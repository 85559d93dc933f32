"""The program's commands by name; each is imported when it is called for.

Decides which module holds which command, and turns every error into a sentence and
an exit code. `--help` and `--version` import nothing but click.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

import click

from strongroom.cli.command import DEBUG, Group
from strongroom.cli.exits import EPILOG, ended_by, ended_by_defect, interrupted
from strongroom.core.errors import StrongroomError


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command is, and what the list of commands says about it."""

    module: str
    attribute: str
    summary: str


COMMANDS = {
    "serve": Place("serve", "command", "Run the index."),
    "worker": Place("worker", "command", "Do the regular jobs, beside servers that leave them."),
    "user": Place("user", "group", "Make, list, disable and enable users."),
    "grant": Place("grant", "group", "Give users rights and take them away."),
    "token": Place("token", "group", "Make, list, revoke and rotate tokens."),
    "index": Place("index", "group", "Make, list, change and delete indexes."),
    "rules": Place("rules", "group", "Show, set and try what comes through from upstreams."),
    "exemption": Place("exemption", "group", "Ask for exemptions from rules, and decide them."),
    "name": Place("shield", "group", "Reserve, claim, overlay and release names."),
    "import": Place("import_", "command", "Publish a directory of wheels and sdists."),
    "yank": Place("release", "yank", "Hide a release from all who did not pin it."),
    "unyank": Place("release", "unyank", "Offer a yanked release again."),
    "delete": Place("release", "delete", "Delete a project, a release or a file for ever."),
    "status": Place("release", "status", "Archive, deprecate or quarantine a project."),
    "explain": Place("explain", "explain", "Say where a name comes from, and what hides its files."),
    "promote": Place("promote", "promote", "Make releases of one index visible in another."),
    "promotion": Place("promote", "group", "List, approve, refuse and undo promotions."),
    "mirror": Place("mirror", "group", "Fill the cache of upstream files ahead of time."),
    "replicate": Place("replicate", "command", "Follow another Strongroom, and take its place."),
    "audit": Place("audit", "group", "Read the audit log, and prove it whole."),
    "verify": Place("upkeep", "verify", "Check that every byte is there."),
    "sweep": Place("upkeep", "sweep", "Remove bytes that nobody needs."),
    "adopt-blobs": Place("upkeep", "adopt_blobs", "Say that the stored files are this catalog's."),
    "backup": Place("backup", "group", "Make, list, prove and restore backups."),
    "doctor": Place("doctor", "command", "Look at the machine and the store."),
    "config": Place("config", "group", "Show the settings."),
}


class LazyGroup(Group):
    """The root: finds commands in `COMMANDS`, and ends the program in words."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None for an unknown name."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        found = getattr(importlib.import_module(f"strongroom.cli.{place.module}"), place.attribute)
        if not isinstance(found, click.Command):
            raise TypeError(f"strongroom.cli.{place.module}.{place.attribute} is no command")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.summary) for name, place in COMMANDS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the exit codes as they stand."""
        formatter.write(f"\n{EPILOG}")

    def invoke(self, ctx: click.Context) -> object:
        """Run the command, and end with one sentence and its exit code whatever happens."""
        try:
            return super().invoke(ctx)
        except StrongroomError as error:
            if ctx.meta.get(DEBUG):
                raise
            raise ended_by(error) from error
        except KeyboardInterrupt:
            raise interrupted() from None
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.meta.get(DEBUG):
                raise
            raise ended_by_defect(error) from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="strongroom", message="strongroom %(version)s")
def cli() -> None:
    """Strongroom, a private Python package index.

    Administration works on the store itself, with the server running or not.
    """
