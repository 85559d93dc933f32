"""What is kept of an upstream: its pages, copies of its files, the list of its names.

Frozen values. An upstream's file is offered beside own files, so it has what a page
says of a file (`Offered`). Does not decide which of them show (`screening.py`,
`pages.py`) nor when they are asked for again (`services/mirror/`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import msgspec
from packaging.version import Version

from strongroom.core.model import File, PackageType, ProjectStatus, Yank
from strongroom.core.names import Filename, IndexName, ProjectName, Sha256

_WHEEL = PackageType.WHEEL
"""A page asks thousands of files whether they are one, and the enum takes longer to answer than the rest."""


class UpstreamFile(msgspec.Struct, frozen=True, gc=False):
    """A file as the page of the upstream of `index` describes it, under a digest that it must have.

    A struct, not a dataclass, because a page has thousands: it is made, written and read in a tenth of the time.

    `url` is absolute. `metadata_sha256` is the digest of the METADATA that the upstream
    advertises, if it says one. `first_seen_at` is when this server first saw the file on the
    page, `vanished_at` since when it is no longer there: it stays for those who pinned it.
    """

    index: IndexName
    project: ProjectName
    filename: Filename
    version: Version
    package_type: PackageType
    python_tag: str
    url: str
    sha256: Sha256
    first_seen_at: datetime
    size_bytes: int | None = None
    uploaded_at: datetime | None = None
    requires_python: str | None = None
    yank: Yank | None = None
    has_upstream_metadata: bool = False
    metadata_sha256: Sha256 | None = None
    provenance_url: str | None = None
    vanished_at: datetime | None = None

    @property
    def serves_metadata(self) -> bool:
        """Return whether METADATA is advertised: for a wheel what lies in it, else what a digest was promised for.

        The upstream's METADATA of an sdist is not trusted without one: nothing here could compare it.
        """
        is_promised = self.has_upstream_metadata and self.metadata_sha256 is not None
        return is_promised or self.package_type is _WHEEL

    @property
    def has_provenance(self) -> bool:
        """Return whether PEP 740 provenance can be fetched."""
        return self.provenance_url is not None


Offered = File | UpstreamFile
"""A file on a project's page."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line of an upstream's page that is not offered, with the reason: `explain` shows it."""

    filename: str
    reason: str


class Packed(NamedTuple):
    """The stored form of what stands on a page, and the fields that it was made of."""

    content: bytes
    made_of: tuple[ProjectStatus, str | None, tuple[UpstreamFile, ...], tuple[Skipped, ...]]


@dataclass(frozen=True, slots=True)
class UpstreamPage:
    """The page of a project as an upstream gave it, or (`is_missing`) that it has none.

    `fetched_at` is when the upstream last confirmed it. `packed` is its stored form, where that was made already.
    """

    index: IndexName
    project: ProjectName
    fetched_at: datetime
    is_missing: bool = False
    etag: str | None = None
    status: ProjectStatus = ProjectStatus.ACTIVE
    status_reason: str | None = None
    files: tuple[UpstreamFile, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    packed: Packed | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Copy:
    """What is kept here of an upstream's file: its bytes (`stored_at`), its METADATA, its provenance.

    `size_bytes` is the size of the bytes once they are stored, else 0. `licence` is what its
    METADATA says: an SPDX expression; empty where it says none, None where nobody looked.
    """

    index: IndexName
    project: ProjectName
    filename: Filename
    sha256: Sha256
    size_bytes: int = 0
    stored_at: datetime | None = None
    last_used_at: datetime | None = None
    metadata_sha256: Sha256 | None = None
    provenance_sha256: Sha256 | None = None
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class NameList:
    """All names of an upstream as one blob: normalised, sorted, each followed by a line feed."""

    index: IndexName
    sha256: Sha256
    count: int
    fetched_at: datetime
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class AskedName:
    """A name that clients asked for and nobody owns."""

    index: IndexName
    project: ProjectName
    count: int
    last_asked_at: datetime
