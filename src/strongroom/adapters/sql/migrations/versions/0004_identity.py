"""Which store of blobs belongs to this catalog; digests are found without reading a whole table."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of the store's identity, and the indexes."""
    op.create_table(
        "store",
        sa.Column("only_row", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("store_id", sa.Text, nullable=False),
        sa.Column("is_marked", sa.Boolean, nullable=False),
    )
    for table in ("files", "copies"):
        for column in ("sha256", "metadata_sha256", "provenance_sha256"):
            op.create_index(f"ix_{table}_{column}", table, [column])
