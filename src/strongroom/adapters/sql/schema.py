"""The tables of the catalog as the newest migration leaves them.

`migrations/` makes them; a test compares the two. Does not say how rows become
values of `core`: that is in `tables/`.

What comes through from upstreams and other indexes has no foreign keys: a cache may
outlive its index, and a decision is kept when its index is gone.
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
    false,
)

from strongroom.adapters.sql.column_types import NAME, ROW_NUMBER, Moment, RulesText, Span, TextList

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
    Column("upstream_credentials", LargeBinary),
    Column("upstream_freshness", Span),
    Column("upstream_delivery", Text),
    Column("upstream_is_offline", Boolean),
    Column("rules", RulesText, nullable=False, server_default="{}"),
    Column("forbids_reserved", Boolean, nullable=False, server_default=false()),
    Column("downloads", Text, nullable=False, server_default="auto"),
    Column("needs_approval", Boolean, nullable=False, server_default=false()),
)
"""All `upstream_` columns are null for an index without an upstream; `upstream_credentials` are sealed."""

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
    Index("ix_projects_name", "name"),
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
    Index("ix_files_sha256", "sha256"),
    Index("ix_files_metadata_sha256", "metadata_sha256"),
    Index("ix_files_provenance_sha256", "provenance_sha256"),
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
    Index("ix_tombstones_project_name", "project_name"),
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

reservations = Table(
    "reservations",
    metadata,
    Column("index_name", NAME, primary_key=True),
    Column("pattern", NAME, primary_key=True),
    Column("hold", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

upstream_pages = Table(
    "upstream_pages",
    metadata,
    Column("index_name", NAME, primary_key=True),
    Column("project_name", NAME, primary_key=True),
    Column("fetched_at", Moment, nullable=False),
    Column("is_missing", Boolean, nullable=False),
    Column("etag", Text),
    Column("content", LargeBinary, nullable=False),
    Index("ix_upstream_pages_index_name", "index_name", "is_missing", "project_name"),
    Index("ix_upstream_pages_project_name", "project_name", "is_missing", "index_name"),
)
"""`content` is what `page_content.py` makes; it stands last, and the others are asked without reading it."""

copies = Table(
    "copies",
    metadata,
    Column("index_name", NAME, primary_key=True),
    Column("filename", NAME, primary_key=True),
    Column("project_name", NAME, nullable=False),
    Column("sha256", NAME, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("stored_at", Moment),
    Column("last_used_at", Moment),
    Column("used_at", Moment),
    Column("metadata_sha256", NAME),
    Column("provenance_sha256", NAME),
    Column("licence", Text),
    Index("ix_copies_index_name_project_name", "index_name", "project_name", "filename"),
    Index("ix_copies_used_at", "used_at", "filename", "index_name"),
    Index("ix_copies_sha256", "sha256"),
    Index("ix_copies_metadata_sha256", "metadata_sha256"),
    Index("ix_copies_provenance_sha256", "provenance_sha256"),
)
"""`used_at` is the last use of stored bytes, else their storing, to be searched; null where none are stored."""

name_lists = Table(
    "name_lists",
    metadata,
    Column("index_name", NAME, primary_key=True),
    Column("sha256", NAME, nullable=False),
    Column("name_count", BigInteger, nullable=False),
    Column("fetched_at", Moment, nullable=False),
    Column("etag", Text),
)

asked_names = Table(
    "asked_names",
    metadata,
    Column("index_name", NAME, primary_key=True),
    Column("project_name", NAME, primary_key=True),
    Column("times_asked", BigInteger, nullable=False),
    Column("last_asked_at", Moment, nullable=False),
)

exemptions = Table(
    "exemptions",
    metadata,
    Column("exemption_id", NAME, primary_key=True),
    Column("index_name", NAME, nullable=False),
    Column("project_name", NAME, nullable=False),
    Column("versions", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("requested_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("decision", Text, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("decided_at", Moment),
    Column("decision_reason", Text, nullable=False),
    Index("ix_exemptions_index_name_project_name", "index_name", "project_name"),
)
"""`code` is empty for an exemption from every rule."""

promotions = Table(
    "promotions",
    metadata,
    Column("promotion_id", NAME, primary_key=True),
    Column("source", NAME, nullable=False, index=True),
    Column("target", NAME, nullable=False, index=True),
    Column("releases", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("requested_at", Moment, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("decided_at", Moment),
    Column("reason", Text, nullable=False),
)
"""`releases` is a JSON array of `PromotedRelease`."""

turns = Table(
    "turns",
    metadata,
    Column("job", NAME, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("done_at", Moment),
)
"""Which process runs a regular job now, and when it was last done."""

followed = Table(
    "followed",
    metadata,
    Column("only_row", Integer, primary_key=True, autoincrement=False),
    Column("url", Text, nullable=False),
    Column("credentials", LargeBinary, nullable=False),
    Column("serial", BigInteger, nullable=False),
    Column("heard_at", Moment, nullable=False),
)
"""The server that this one is a replica of, and up to which of its serials."""

store = Table(
    "store",
    metadata,
    Column("only_row", Integer, primary_key=True, autoincrement=False),
    Column("store_id", Text, nullable=False),
    Column("is_marked", Boolean, nullable=False),
)
"""Which store of blobs is this catalog's: the blobs carry the same id, once `is_marked` says so."""
