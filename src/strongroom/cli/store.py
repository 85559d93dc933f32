"""The store of the chosen data directory, opened for one command.

Decides that only a command which makes things makes a store: a mistyped --data is
an error to all others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from strongroom.core.errors import NotFound

if TYPE_CHECKING:  # these take long to import, and `--help` needs none of them
    from strongroom.config import Settings
    from strongroom.core.caller import Caller
    from strongroom.services import Services

T = TypeVar("T")


def chosen_settings() -> Settings:
    """Return the settings with the flags of this command line; raises `ConfigurationFault`."""
    from strongroom.config import load_settings

    return load_settings(click.get_current_context().obj or {})


def has_store(settings: Settings) -> bool:
    """Return whether somebody has made the store; one in a database is asked for by opening it."""
    from strongroom.adapters.secrets import KEY_FILE_NAME

    if settings.key_path is None:
        return (settings.directory / KEY_FILE_NAME).exists()
    return bool(settings.database) or settings.directory.exists()


def demand_store(settings: Settings) -> None:
    """Raise `NotFound` when there is no store."""
    if not has_store(settings):
        raise NotFound(
            "store-missing",
            f"There is no store in {settings.directory}",
            "Name its directory with --data, or make one: `strongroom serve` or `strongroom user create`.",
        )


def run(
    use_case: Callable[[Services, Caller], Awaitable[T]], *, makes_store: bool = False, is_taking_over: bool = False
) -> T:
    """Open the store, run the use case as the operator and close the store.

    Raises `NotFound` when there is no store, unless the command may make one; then an
    empty one gets its first index. All others leave an empty store as empty as it is.
    """
    from strongroom.bootstrap import fill_store, local_operator, open_store

    settings = chosen_settings()
    if not makes_store:
        demand_store(settings)

    async def within_store() -> T:
        async with open_store(settings, is_taking_over=is_taking_over) as services:
            caller = local_operator()
            if makes_store and await services.replica.find_followed() is None:
                await fill_store(services, caller, settings=settings)
            return await use_case(services, caller)

    return asyncio.run(within_store())
