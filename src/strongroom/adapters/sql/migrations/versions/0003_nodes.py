"""Several nodes: whose turn a regular job is, how an index gives out a bucket's files, whom a replica follows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")
MOMENT = sa.BigInteger


def upgrade() -> None:
    """Make the tables of turns and of the followed server, and widen the one of indexes."""
    op.add_column("indexes", sa.Column("downloads", sa.Text, nullable=False, server_default="auto"))
    op.create_table(
        "turns",
        sa.Column("job", NAME, primary_key=True),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("done_at", MOMENT),
    )
    op.create_table(
        "followed",
        sa.Column("only_row", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("credentials", sa.LargeBinary, nullable=False),
        sa.Column("serial", sa.BigInteger, nullable=False),
        sa.Column("heard_at", MOMENT, nullable=False),
    )
