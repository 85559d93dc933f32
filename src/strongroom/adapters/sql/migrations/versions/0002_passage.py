"""What comes through: upstreams and rules of indexes, reservations, the cache, exemptions, promotions.

An index that had an upstream's address gets the settings that were in force then.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")
MOMENT = sa.BigInteger
SPAN = sa.BigInteger
JSON = sa.Text

TEN_MINUTES_IN_MICROSECONDS = 600_000_000


def upgrade() -> None:
    """Widen the table of indexes, index what is searched by name, and make the new tables."""
    _widen_indexes()
    op.create_index("ix_projects_name", "projects", ["name"])
    op.create_index("ix_tombstones_project_name", "tombstones", ["project_name"])
    _create_reservations()
    _create_upstream_pages()
    _create_copies()
    _create_names()
    _create_exemptions()
    _create_promotions()


def _widen_indexes() -> None:
    for column in (
        sa.Column("upstream_credentials", sa.LargeBinary),
        sa.Column("upstream_freshness", SPAN),
        sa.Column("upstream_delivery", sa.Text),
        sa.Column("upstream_is_offline", sa.Boolean),
        sa.Column("rules", JSON, nullable=False, server_default="{}"),
        sa.Column("forbids_reserved", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("needs_approval", sa.Boolean, nullable=False, server_default=sa.false()),
    ):
        op.add_column("indexes", column)
    indexes = sa.table(
        "indexes",
        sa.column("upstream_url"),
        sa.column("upstream_freshness", SPAN),
        sa.column("upstream_delivery", sa.Text),
        sa.column("upstream_is_offline", sa.Boolean),
    )
    op.execute(
        sa.update(indexes)
        .where(indexes.c.upstream_url.is_not(None))
        .values(
            upstream_freshness=TEN_MINUTES_IN_MICROSECONDS, upstream_delivery="cache", upstream_is_offline=sa.false()
        )
    )


def _create_reservations() -> None:
    op.create_table(
        "reservations",
        sa.Column("index_name", NAME, nullable=False),
        sa.Column("pattern", NAME, nullable=False),
        sa.Column("hold", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("index_name", "pattern", name="pk_reservations"),
    )


def _create_upstream_pages() -> None:
    op.create_table(
        "upstream_pages",
        sa.Column("index_name", NAME, nullable=False),
        sa.Column("project_name", NAME, nullable=False),
        sa.Column("fetched_at", MOMENT, nullable=False),
        sa.Column("is_missing", sa.Boolean, nullable=False),
        sa.Column("etag", sa.Text),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("index_name", "project_name", name="pk_upstream_pages"),
    )
    op.create_index("ix_upstream_pages_index_name", "upstream_pages", ["index_name", "is_missing", "project_name"])
    op.create_index("ix_upstream_pages_project_name", "upstream_pages", ["project_name", "is_missing", "index_name"])


def _create_copies() -> None:
    op.create_table(
        "copies",
        sa.Column("index_name", NAME, nullable=False),
        sa.Column("filename", NAME, nullable=False),
        sa.Column("project_name", NAME, nullable=False),
        sa.Column("sha256", NAME, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("stored_at", MOMENT),
        sa.Column("last_used_at", MOMENT),
        sa.Column("used_at", MOMENT),
        sa.Column("metadata_sha256", NAME),
        sa.Column("provenance_sha256", NAME),
        sa.Column("licence", sa.Text),
        sa.PrimaryKeyConstraint("index_name", "filename", name="pk_copies"),
    )
    op.create_index("ix_copies_index_name_project_name", "copies", ["index_name", "project_name", "filename"])
    op.create_index("ix_copies_used_at", "copies", ["used_at", "filename", "index_name"])


def _create_names() -> None:
    op.create_table(
        "name_lists",
        sa.Column("index_name", NAME, nullable=False),
        sa.Column("sha256", NAME, nullable=False),
        sa.Column("name_count", sa.BigInteger, nullable=False),
        sa.Column("fetched_at", MOMENT, nullable=False),
        sa.Column("etag", sa.Text),
        sa.PrimaryKeyConstraint("index_name", name="pk_name_lists"),
    )
    op.create_table(
        "asked_names",
        sa.Column("index_name", NAME, nullable=False),
        sa.Column("project_name", NAME, nullable=False),
        sa.Column("times_asked", sa.BigInteger, nullable=False),
        sa.Column("last_asked_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("index_name", "project_name", name="pk_asked_names"),
    )


def _create_exemptions() -> None:
    op.create_table(
        "exemptions",
        sa.Column("exemption_id", NAME, nullable=False),
        sa.Column("index_name", NAME, nullable=False),
        sa.Column("project_name", NAME, nullable=False),
        sa.Column("versions", sa.Text, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("requested_by", sa.Text, nullable=False),
        sa.Column("requested_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("decided_at", MOMENT),
        sa.Column("decision_reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("exemption_id", name="pk_exemptions"),
    )
    op.create_index("ix_exemptions_index_name_project_name", "exemptions", ["index_name", "project_name"])


def _create_promotions() -> None:
    op.create_table(
        "promotions",
        sa.Column("promotion_id", NAME, nullable=False),
        sa.Column("source", NAME, nullable=False),
        sa.Column("target", NAME, nullable=False),
        sa.Column("releases", JSON, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("requested_by", sa.Text, nullable=False),
        sa.Column("requested_at", MOMENT, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("decided_at", MOMENT),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("promotion_id", name="pk_promotions"),
    )
    op.create_index("ix_promotions_source", "promotions", ["source"])
    op.create_index("ix_promotions_target", "promotions", ["target"])
