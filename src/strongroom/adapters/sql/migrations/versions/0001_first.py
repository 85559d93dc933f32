"""All tables of the first release.

A revision is history: it repeats the column types instead of importing those of
today, so that it makes the same tables for ever.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")
ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.BigInteger
TEXT_LIST = sa.Text


def upgrade() -> None:
    """Make the tables, those first that others refer to."""
    _create_indexes()
    _create_projects()
    _create_files()
    _create_tombstones()
    _create_users()
    _create_grants()
    _create_tokens()
    _create_events()
    _create_leases()


def _create_indexes() -> None:
    op.create_table(
        "indexes",
        sa.Column("name", NAME, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("accepts_uploads", sa.Boolean, nullable=False),
        sa.Column("anonymous_read", sa.Boolean, nullable=False),
        sa.Column("upstream_url", sa.Text),
        sa.Column("bases", TEXT_LIST, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_indexes"),
    )


def _create_projects() -> None:
    op.create_table(
        "projects",
        sa.Column("index_name", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("serial", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("status_reason", sa.Text),
        sa.PrimaryKeyConstraint("index_name", "name", name="pk_projects"),
        sa.ForeignKeyConstraint(["index_name"], ["indexes.name"], name="fk_projects_index_name"),
    )


def _create_files() -> None:
    op.create_table(
        "files",
        sa.Column("row_number", ROW_NUMBER, nullable=False),
        sa.Column("index_name", NAME, nullable=False),
        sa.Column("project_name", NAME, nullable=False),
        sa.Column("filename", NAME, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("package_type", sa.Text, nullable=False),
        sa.Column("python_tag", sa.Text, nullable=False),
        sa.Column("sha256", NAME, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("uploaded_at", MOMENT, nullable=False),
        sa.Column("uploaded_by", sa.Text, nullable=False),
        sa.Column("serial", sa.BigInteger, nullable=False),
        sa.Column("md5", sa.Text),
        sa.Column("blake2b_256", sa.Text),
        sa.Column("requires_python", sa.Text),
        sa.Column("metadata_sha256", NAME),
        sa.Column("serves_metadata", sa.Boolean, nullable=False),
        sa.Column("provenance_sha256", NAME),
        sa.Column("yank_reason", sa.Text),
        sa.PrimaryKeyConstraint("row_number", name="pk_files"),
        sa.ForeignKeyConstraint(
            ["index_name", "project_name"],
            ["projects.index_name", "projects.name"],
            name="fk_files_index_name_project_name",
        ),
    )
    op.create_index("uq_files_index_name_filename", "files", ["index_name", "filename"], unique=True)
    op.create_index("ix_files_index_name_project_name", "files", ["index_name", "project_name", "row_number"])


def _create_tombstones() -> None:
    op.create_table(
        "tombstones",
        sa.Column("index_name", NAME, nullable=False),
        sa.Column("filename", NAME, nullable=False),
        sa.Column("project_name", NAME, nullable=False),
        sa.Column("sha256", NAME, nullable=False),
        sa.Column("deleted_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("index_name", "filename", name="pk_tombstones"),
    )


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("name", NAME, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("is_administrator", sa.Boolean, nullable=False),
        sa.Column("is_disabled", sa.Boolean, nullable=False),
        sa.Column("password_hash", sa.Text),
        sa.PrimaryKeyConstraint("name", name="pk_users"),
    )


def _create_grants() -> None:
    op.create_table(
        "grants",
        sa.Column("row_number", ROW_NUMBER, nullable=False),
        sa.Column("user_name", NAME, nullable=False),
        sa.Column("rights", TEXT_LIST, nullable=False),
        sa.Column("index_name", NAME),
        sa.Column("projects", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("row_number", name="pk_grants"),
        sa.ForeignKeyConstraint(["user_name"], ["users.name"], name="fk_grants_user_name"),
    )
    op.create_index("ix_grants_user_name", "grants", ["user_name"])


def _create_tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("token_id", NAME, nullable=False),
        sa.Column("owner", NAME, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("rights", TEXT_LIST, nullable=False),
        sa.Column("indexes", TEXT_LIST, nullable=False),
        sa.Column("projects", TEXT_LIST, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.Column("networks", TEXT_LIST, nullable=False),
        sa.Column("revoked_at", MOMENT),
        sa.Column("last_used_at", MOMENT),
        sa.Column("parent", NAME),
        sa.PrimaryKeyConstraint("token_id", name="pk_tokens"),
        sa.ForeignKeyConstraint(["owner"], ["users.name"], name="fk_tokens_owner"),
    )
    op.create_index("ix_tokens_owner", "tokens", ["owner"])
    op.create_index("ix_tokens_parent", "tokens", ["parent"])


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("serial", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor_name", sa.Text, nullable=False),
        sa.Column("actor_address", sa.Text, nullable=False),
        sa.Column("actor_client", sa.Text, nullable=False),
        sa.Column("project_name", NAME),
        sa.Column("event_json", sa.Text, nullable=False),
        sa.Column("chain_hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("serial", name="pk_events"),
    )
    op.create_index("ix_events_project_name", "events", ["project_name", "serial"])


def _create_leases() -> None:
    op.create_table(
        "leases",
        sa.Column("lease_id", NAME, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("sha256", TEXT_LIST, nullable=False),
        sa.PrimaryKeyConstraint("lease_id", name="pk_leases"),
    )
    op.create_table(
        "setup_link",
        sa.Column("only_row", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("only_row", name="pk_setup_link"),
    )
