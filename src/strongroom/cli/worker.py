"""`strongroom worker`: the jobs that one process does for all, without serving anything.

For installations of several nodes that serve with `--no-jobs`. Any number of workers may
run: they take turns, so that each job is done once. Makes no store.
"""

from __future__ import annotations

import asyncio
from typing import Any

import click

from strongroom.cli.command import Command
from strongroom.cli.output import remark
from strongroom.cli.store import demand_store


@click.command(name="worker", cls=Command)
@click.option("--database", help="The catalog's URL; SQLite in the data directory by default.")
@click.option("--blobs", help="The bucket that keeps the files, as the servers have it; a directory by default.")
@click.option("--key-file", help="The file with the server's key, the same on all nodes.")
@click.pass_context
def command(context: click.Context, /, **flags: Any) -> None:  # Any: values as click parsed them
    """Do the regular jobs: the sweep, the names of upstreams, making room; until SIGTERM."""
    from strongroom.bootstrap import run_worker
    from strongroom.config import load_settings

    settings = load_settings({**(context.obj or {}), **flags})
    demand_store(settings)
    remark(f"Doing the regular jobs of the store in {settings.directory}.")
    asyncio.run(run_worker(settings))
