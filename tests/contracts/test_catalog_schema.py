"""The schema: made by the migrations, equal to what the program expects, never newer than it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from strongroom.adapters.sql.catalog import open_catalog, open_database
from strongroom.adapters.sql.database import Database
from strongroom.adapters.sql.migrate import HEAD, migrate, schema_version
from strongroom.adapters.sql.schema import metadata
from strongroom.core.errors import ConfigurationFault, StorageFault
from strongroom.core.rules import NO_RULES
from strongroom.core.upstream import Upstream
from tests.contracts.driven import CHAIN_KEY, driven
from tests.factories import DEMO, MAIN, PUBLIC


def soon() -> float:
    """Return a deadline."""
    return time.monotonic() + 30


def upgrade(connection: Connection, revision: str) -> None:
    """Bring the schema to a revision that is not the newest."""
    config = Config()
    config.set_main_option("script_location", "strongroom.adapters.sql:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


@pytest.fixture
def database(empty_url: str) -> Iterator[Database]:
    """Open a database without tables."""
    made = open_database(empty_url, readers=1)
    yield made
    made.close()


def test_the_migrations_make_the_schema(database: Database) -> None:
    """After all migrations the tables are those of `schema.py`, and nothing is left to do."""
    migrate(database, deadline=soon())
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert schema_version(connection) == HEAD


def test_the_head_is_the_newest_revision() -> None:
    """The constant that lets a start skip Alembic names the last file."""
    config = Config()
    config.set_main_option("script_location", "strongroom.adapters.sql:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


OLD_ROWS = (
    "INSERT INTO indexes (name, created_at, accepts_uploads, anonymous_read, upstream_url, bases) VALUES"
    """ ('main', 1, true, false, NULL, '["public"]'), ('public', 2, false, true, 'https://upstream.example/', '[]')""",
    "INSERT INTO projects VALUES ('main', 'demo', 'Demo', 3, 1, 'active', NULL)",
    "INSERT INTO tombstones VALUES ('old', 'demo-1.0.tar.gz', 'demo', 'abc', 4)",
    "INSERT INTO users VALUES ('bob', 5, true, false, NULL)",
    "INSERT INTO leases VALUES ('a', 6, '[]')",
)


def test_a_catalog_of_the_first_release_is_kept(database: Database, empty_url: str) -> None:
    """Each row is as it was before, and an index gets the settings that did not exist yet."""
    with database.migrating(soon()) as connection:
        upgrade(connection, "0001")
        for statement in OLD_ROWS:
            connection.exec_driver_sql(statement)
    with driven(open_catalog(empty_url, chain_key=CHAIN_KEY)) as catalog:
        main, public = catalog.read(lambda tx: tx.indexes.list())
        project = catalog.read(lambda tx: tx.projects.find(MAIN, DEMO))
        assert (main.bases, main.upstream, main.rules) == ((PUBLIC,), None, NO_RULES)
        assert public.upstream == Upstream("https://upstream.example/")
        assert (public.accepts_uploads, public.anonymous_read) == (False, True)
        assert not any((main.forbids_reserved, main.needs_approval, public.forbids_reserved, public.needs_approval))
        assert project is not None
        assert project.display_name == "Demo"
        assert catalog.read(lambda tx: tx.projects.find_owners(DEMO)) == {"main", "old"}
        assert [user.name for user in catalog.read(lambda tx: tx.users.list())] == ["bob"]
        assert [lease.lease_id for lease in catalog.read(lambda tx: tx.leases.list())] == ["a"]
        assert catalog.read(lambda tx: (tx.reservations.list(), list(tx.copies.scan()))) == ((), [])


def test_a_migrated_database_is_left_alone(database: Database) -> None:
    """The second start does not wait for whoever is writing."""
    migrate(database, deadline=soon())
    with database.writing(soon()):
        migrate(database, deadline=time.monotonic())
    with database.reading() as connection:
        assert schema_version(connection) == HEAD


def test_a_newer_schema_is_refused(database: Database, empty_url: str) -> None:
    """A catalog written by a newer program is refused in plain words, and not touched."""
    migrate(database, deadline=soon())
    with database.writing(soon()) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationFault, match="9999, which is newer") as refusal:
        open_catalog(empty_url, chain_key=CHAIN_KEY)
    assert "newer version of Strongroom" in refusal.value.hint
    with database.reading() as connection:
        assert schema_version(connection) == "9999"


def test_a_migration_that_fails_leaves_nothing(database: Database) -> None:
    """All revisions are one transaction: after a failure the database is as it was before."""
    with database.writing(soon()) as connection:
        connection.execute(text("CREATE TABLE users (in_the_way INTEGER)"))
    with pytest.raises(StorageFault, match="already exists"):
        migrate(database, deadline=soon())
    with database.reading() as connection:
        assert schema_version(connection) is None
        assert inspect(connection).get_table_names() == ["users"]
    with database.writing(soon()) as connection:
        connection.execute(text("DROP TABLE users"))
    migrate(database, deadline=soon())
