"""The tables of the catalog as the newest migration leaves them.

`migrations/` makes them; a test compares the two. Does not say how rows become
values of `core`: that is in `tables/`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

from strongroom.adapters.sql.column_types import NAME, ROW_NUMBER, Moment, TextList

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

indexes = Table(
    "indexes",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("created_at", Moment, nullable=False),
    Column("accepts_uploads", Boolean, nullable=False),
    Column("anonymous_read", Boolean, nullable=False),
    Column("upstream_url", Text),
    Column("bases", TextList, nullable=False),
)

projects = Table(
    "projects",
    metadata,
    Column("index_name", NAME, ForeignKey("indexes.name"), primary_key=True),
    Column("name", NAME, primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("serial", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("status_reason", Text),
)

files = Table(
    "files",
    metadata,
    Column("row_number", ROW_NUMBER, primary_key=True),
    Column("index_name", NAME, nullable=False),
    Column("project_name", NAME, nullable=False),
    Column("filename", NAME, nullable=False),
    Column("version", Text, nullable=False),
    Column("package_type", Text, nullable=False),
    Column("python_tag", Text, nullable=False),
    Column("sha256", NAME, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("uploaded_at", Moment, nullable=False),
    Column("uploaded_by", Text, nullable=False),
    Column("serial", BigInteger, nullable=False),
    Column("md5", Text),
    Column("blake2b_256", Text),
    Column("requires_python", Text),
    Column("metadata_sha256", NAME),
    Column("serves_metadata", Boolean, nullable=False),
    Column("provenance_sha256", NAME),
    Column("yank_reason", Text),
    ForeignKeyConstraint(["index_name", "project_name"], ["projects.index_name", "projects.name"]),
    Index("uq_files_index_name_filename", "index_name", "filename", unique=True),
    Index("ix_files_index_name_project_name", "index_name", "project_name", "row_number"),
)
"""`yank_reason` is null for a file that is not yanked, and empty for a yank without a reason."""

tombstones = Table(
    "tombstones",
    metadata,
    Column("index_name", NAME, primary_key=True),
    Column("filename", NAME, primary_key=True),
    Column("project_name", NAME, nullable=False),
    Column("sha256", NAME, nullable=False),
    Column("deleted_at", Moment, nullable=False),
)
"""Without foreign keys: a deleted name stays taken when its project and index are gone too."""

users = Table(
    "users",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("created_at", Moment, nullable=False),
    Column("is_administrator", Boolean, nullable=False),
    Column("is_disabled", Boolean, nullable=False),
    Column("password_hash", Text),
)

grants = Table(
    "grants",
    metadata,
    Column("row_number", ROW_NUMBER, primary_key=True),
    Column("user_name", NAME, ForeignKey("users.name"), nullable=False, index=True),
    Column("rights", TextList, nullable=False),
    Column("index_name", NAME),
    Column("projects", Text, nullable=False),
)
"""`index_name` is null for a grant on every index."""

tokens = Table(
    "tokens",
    metadata,
    Column("token_id", NAME, primary_key=True),
    Column("owner", NAME, ForeignKey("users.name"), nullable=False, index=True),
    Column("label", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("rights", TextList, nullable=False),
    Column("indexes", TextList, nullable=False),
    Column("projects", TextList, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("networks", TextList, nullable=False),
    Column("revoked_at", Moment),
    Column("last_used_at", Moment),
    Column("parent", NAME, index=True),
)
"""`parent` has no foreign key, so that rows can be copied in any order: rotation puts older tokens below newer ones."""

events = Table(
    "events",
    metadata,
    Column("serial", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("actor_name", Text, nullable=False),
    Column("actor_address", Text, nullable=False),
    Column("actor_client", Text, nullable=False),
    Column("project_name", NAME),
    Column("event_json", Text, nullable=False),
    Column("chain_hash", LargeBinary, nullable=False),
    Index("ix_events_project_name", "project_name", "serial"),
)
"""`project_name` repeats what `event_json` says, to be searched."""

leases = Table(
    "leases",
    metadata,
    Column("lease_id", NAME, primary_key=True),
    Column("expires_at", Moment, nullable=False),
    Column("sha256", TextList, nullable=False),
)

setup_link = Table(
    "setup_link",
    metadata,
    Column("only_row", Integer, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False),
    Column("expires_at", Moment, nullable=False),
)
