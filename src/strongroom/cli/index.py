"""`strongroom index`: indexes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from strongroom.cli.command import Group
from strongroom.cli.index_settings import IndexFlags, index_removals, index_settings, warn_about
from strongroom.cli.output import print_done, print_item, print_list
from strongroom.cli.parameters import INDEX
from strongroom.cli.store import run
from strongroom.core.index_settings import NO_CHANGES
from strongroom.core.model import Downloads
from strongroom.core.names import IndexName
from strongroom.core.rules import NO_RULES

if TYPE_CHECKING:  # these take long to import, and `--help` needs none of them
    from strongroom.core.caller import Caller
    from strongroom.core.model import Index
    from strongroom.services import Services


@click.group(cls=Group)
def group() -> None:
    """Make, list, change and delete indexes."""


@group.command()
@click.argument("name", type=INDEX)
@index_settings
def create(name: IndexName, **given: Any) -> None:  # Any: each value has the type that its flag parses
    """Make an index; its URL is /NAME/simple/.

    A name comes from its own files, else from its bases in their order, else from its upstream.
    """
    from strongroom.cli.views import view_index

    flags = IndexFlags(**given)
    changes = replace(flags.changes(), rules=flags.rules())
    index = run(lambda services, caller: services.indexes.create(caller, name, changes=changes), makes_store=True)
    print_done(view_index(index), f"Created the index '{name}'; its URL is /{name}/simple/")
    warn_about(index)


@group.command(name="list")
def list_indexes() -> None:
    """List all indexes."""
    from strongroom.cli.views import view_index

    indexes = run(lambda services, caller: services.indexes.list(caller))
    columns = ("name", "accepts_uploads", "anonymous_read", "bases", "upstream", "created")
    print_list([view_index(index) for index in indexes], columns, empty="There are no indexes.")


@group.command()
@click.argument("name", type=INDEX)
def show(name: IndexName) -> None:
    """Show an index and how much it holds."""
    from strongroom.cli.views import view_index

    summary = run(lambda services, caller: services.indexes.show(caller, name))
    print_item({**view_index(summary.index), "projects": summary.projects, "files": summary.files})


@group.command(name="set")
@click.argument("name", type=INDEX)
@index_settings
@index_removals
def change(name: IndexName, **given: Any) -> None:  # Any: each value has the type that its flag parses
    """Change an index's settings; what is not named stays.

    The bases that are named replace the earlier ones. Another upstream forgets what is kept of the one before.
    """
    from strongroom.cli.views import view_index

    flags = IndexFlags(**given)
    changes = flags.changes()
    if changes == NO_CHANGES and flags.cooldown is None:
        raise click.UsageError("Name a setting; see `strongroom index set --help`.")

    async def work(services: Services, caller: Caller) -> Index:
        earlier = await services.indexes.show(caller, name)
        return await services.indexes.change(
            caller, name, changes=replace(changes, rules=flags.rules(earlier.index.rules))
        )

    index = run(work)
    print_done(view_index(index), f"Changed the index '{name}': {_sentence(index)}")
    if flags.url is not None:
        warn_about(index)


@group.command()
@click.argument("name", type=INDEX)
def delete(name: IndexName) -> None:
    """Delete an index that holds no files, the grants on it and the names that it holds."""
    run(lambda services, caller: services.indexes.delete(caller, name))
    print_done({"name": name, "deleted": True}, f"Deleted the index '{name}'.")


def _sentence(index: Index) -> str:
    parts = [
        "it takes uploads" if index.accepts_uploads else "it takes no uploads",
        "everybody may read it" if index.anonymous_read else "only those with the right may read it",
    ]
    if index.bases:
        parts.append(f"what it does not have comes from {', '.join(index.bases)}")
    if index.upstream is not None:
        parts.append(f"it mirrors {index.upstream.url}" + (", offline" if index.upstream.is_offline else ""))
    if index.rules != NO_RULES:
        parts.append(f"it has rules (strongroom rules show --index {index.name})")
    if index.forbids_reserved:
        parts.append("a reserved name without files is forbidden there")
    if index.needs_approval:
        parts.append("promotions into it wait for approval")
    if index.downloads is not Downloads.AUTO:
        way = "by a redirect to it" if index.downloads is Downloads.REDIRECT else "through the server"
        parts.append(f"files in a bucket come {way}")
    return f"{'; '.join(parts)}."
