"""Brings the schema of a database up to this program's, at the start and under the write lock.

Decides which schemas can be used. The steps themselves are in `migrations/versions/`.
Alembic is loaded only when there is something to do: the command line starts often.
"""

from __future__ import annotations

import time

from sqlalchemy import Connection, inspect, text

from strongroom.adapters.sql.database import Database
from strongroom.core.errors import ConfigurationFault, Unavailable, Unreachable

HEAD = "0004"
"""The newest revision in `migrations/versions/`; a test compares the two."""

_PAUSE_SECONDS = 1.0
"""Between two tries, for all who waited behind the first one."""


def migrate(database: Database, *, deadline: float) -> None:
    """Run the missing revisions in one transaction; raises `ConfigurationFault` for a newer schema.

    Is tried again until the deadline where somebody has the tables; then it raises `Unavailable`.
    """
    with database.reading() as connection:
        if schema_version(connection) == HEAD:
            return
    while not _try_to_migrate(database, deadline):
        time.sleep(_PAUSE_SECONDS)


def _try_to_migrate(database: Database, deadline: float) -> bool:
    try:
        with database.migrating(deadline) as connection:
            found = schema_version(connection)
            if found != HEAD:
                _upgrade(connection, found)
    except Unreachable:
        raise
    except Unavailable:
        if time.monotonic() + _PAUSE_SECONDS >= deadline:
            raise
        return False
    return True


def schema_version(connection: Connection) -> str | None:
    """Return the revision that the database is at, or None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return found


def _upgrade(connection: Connection, found: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "strongroom.adapters.sql:migrations")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise ConfigurationFault(
            "schema-newer",
            f"The catalog has schema {found}, which is newer than this program's ({HEAD})",
            "Start the newer version of Strongroom again; a catalog cannot go back.",
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
