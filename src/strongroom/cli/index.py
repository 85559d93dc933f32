"""`strongroom index`: indexes."""

from __future__ import annotations

import click

from strongroom.cli.command import Group
from strongroom.cli.output import print_done, print_item, print_list
from strongroom.cli.parameters import INDEX
from strongroom.cli.store import run
from strongroom.core.index_settings import IndexChanges
from strongroom.core.names import IndexName


@click.group(cls=Group)
def group() -> None:
    """Make, list, change and delete indexes."""


@group.command()
@click.argument("name", type=INDEX)
@click.option("--anonymous-read", is_flag=True, help="Let everybody read it, without credentials.")
@click.option("--no-uploads", is_flag=True, help="Take no uploads.")
def create(name: IndexName, *, anonymous_read: bool, no_uploads: bool) -> None:
    """Make an index; its URL is /NAME/simple/."""
    from strongroom.cli.views import view_index

    index = run(
        lambda services, caller: services.indexes.create(
            caller, name, IndexChanges(accepts_uploads=not no_uploads, anonymous_read=anonymous_read)
        ),
        makes_store=True,
    )
    print_done(view_index(index), f"Created the index '{name}'; its URL is /{name}/simple/")


@group.command(name="list")
def list_indexes() -> None:
    """List all indexes."""
    from strongroom.cli.views import view_index

    indexes = run(lambda services, caller: services.indexes.list(caller))
    columns = ("name", "accepts_uploads", "anonymous_read", "created")
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
@click.option("--anonymous-read/--no-anonymous-read", default=None, help="Whether everybody may read it.")
@click.option("--uploads/--no-uploads", default=None, help="Whether it takes uploads.")
def change(name: IndexName, *, anonymous_read: bool | None, uploads: bool | None) -> None:
    """Change an index's settings; what is not named stays."""
    from strongroom.cli.views import view_index

    if anonymous_read is None and uploads is None:
        raise click.UsageError("Name a setting: --[no-]anonymous-read or --[no-]uploads.")
    index = run(
        lambda services, caller: services.indexes.change(
            caller, name, IndexChanges(accepts_uploads=uploads, anonymous_read=anonymous_read)
        )
    )
    takes = "takes uploads" if index.accepts_uploads else "takes no uploads"
    reads = "everybody may read it" if index.anonymous_read else "only those with the right may read it"
    print_done(view_index(index), f"The index '{name}' {takes}; {reads}.")


@group.command()
@click.argument("name", type=INDEX)
def delete(name: IndexName) -> None:
    """Delete an index that holds no files, and the grants on it."""
    run(lambda services, caller: services.indexes.delete(caller, name))
    print_done({"name": name, "deleted": True}, f"Deleted the index '{name}'.")
