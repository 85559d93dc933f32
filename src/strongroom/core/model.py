"""The things of an index: frozen values, without behaviour that needs a store.

Times are aware datetimes in UTC, sizes are bytes. Rights and tokens are in
`access.py`, what happened is in `events.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from packaging.version import Version

from strongroom.core.names import Filename, IndexName, ProjectName, Sha256, UserName
from strongroom.core.rules import NO_RULES, Rules
from strongroom.core.upstream import Upstream


class PackageType(StrEnum):
    """The upload form's `filetype`."""

    SDIST = "sdist"
    WHEEL = "bdist_wheel"


class ProjectStatus(StrEnum):
    """PEP 792's project status markers."""

    ACTIVE = "active"
    ARCHIVED = "archived"
    DEPRECATED = "deprecated"
    QUARANTINED = "quarantined"

    @property
    def takes_uploads(self) -> bool:
        """PEP 792: archived and quarantined projects MUST NOT accept uploads."""
        return self in (ProjectStatus.ACTIVE, ProjectStatus.DEPRECATED)

    @property
    def offers_files(self) -> bool:
        """PEP 792: an index MUST NOT offer the files of a quarantined project."""
        return self is not ProjectStatus.QUARANTINED


class Downloads(StrEnum):
    """How clients of an index get the bytes of files that lie in a bucket; a directory's always come from the server.

    `auto`: small files and parts from the server, large ones by a redirect to the bucket.
    """

    AUTO = "auto"
    REDIRECT = "redirect"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Index:
    """A named set of projects with its own URL.

    A name comes from its own files, else from its `bases` in their order, else from its
    `upstream` (`sources.py`). `rules` judge what comes through from upstreams.
    `forbids_reserved`: a reserved name without files is answered 403 instead of 404, so
    that uv does not ask the next index. `needs_approval`: what is promoted into it waits
    for somebody who manages it.
    """

    name: IndexName
    created_at: datetime
    accepts_uploads: bool = True
    anonymous_read: bool = False
    bases: tuple[IndexName, ...] = ()
    upstream: Upstream | None = None
    rules: Rules = NO_RULES
    forbids_reserved: bool = False
    needs_approval: bool = False
    downloads: Downloads = Downloads.AUTO


@dataclass(frozen=True, slots=True)
class Project:
    """A name in an index. `serial` is the number of the last change to it."""

    index: IndexName
    name: ProjectName
    display_name: str
    created_at: datetime
    serial: int
    status: ProjectStatus = ProjectStatus.ACTIVE
    status_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Yank:
    """PEP 592: the file is kept for those who pinned it and skipped by all others."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A distribution of a release. Its bytes are the blob `sha256`.

    `metadata_sha256` is the blob with METADATA or PKG-INFO, byte for byte;
    `serves_metadata` says whether it is advertised (PEP 658): for every wheel, and
    for sdists with metadata 2.2 or newer, where it can be trusted.
    `provenance_sha256` is the blob with the PEP 740 provenance object.
    """

    index: IndexName
    project: ProjectName
    filename: Filename
    version: Version
    package_type: PackageType
    python_tag: str
    sha256: Sha256
    size_bytes: int
    uploaded_at: datetime
    uploaded_by: str
    serial: int
    md5: str | None = None
    blake2b_256: str | None = None
    requires_python: str | None = None
    metadata_sha256: Sha256 | None = None
    serves_metadata: bool = False
    provenance_sha256: Sha256 | None = None
    yank: Yank | None = None

    @property
    def has_provenance(self) -> bool:
        """Return whether PEP 740 provenance can be fetched."""
        return self.provenance_sha256 is not None


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A filename whose file was deleted; it stays taken for ever."""

    index: IndexName
    project: ProjectName
    filename: Filename
    sha256: Sha256
    deleted_at: datetime


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with an account. Without a password hash only tokens sign in."""

    name: UserName
    created_at: datetime
    is_administrator: bool = False
    is_disabled: bool = False
    password_hash: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SetupLink:
    """The one-time link for the first administrator; only its digest is kept."""

    digest: bytes
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """An upload in flight: the sweep leaves the blobs alone that it names."""

    lease_id: str
    expires_at: datetime
    sha256: tuple[Sha256, ...] = ()
