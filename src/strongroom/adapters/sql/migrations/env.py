"""What Alembic runs for each command; the connection comes from `migrate.py`, already in a transaction."""

from __future__ import annotations

from alembic import context

from strongroom.adapters.sql.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
