"""What an upload does to the index: nothing, a new file, or a refusal.

Brings the rules of `policies/` together in the order in which their answers help
most. Does not decide who may upload (`access.py`) and does not look into the archive
(`archive/`, `distfile.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from strongroom.core.access import Principal, Signed, describe
from strongroom.core.distfile import Distribution
from strongroom.core.errors import FileExists, UploadRefused
from strongroom.core.events import Uploaded
from strongroom.core.model import File, Index, Project, Tombstone
from strongroom.core.names import Filename, Sha256
from strongroom.core.policies.declaration import NOTHING_DECLARED, Declaration, Digests, judge_digests, judge_identity
from strongroom.core.policies.immutability import FILE_EXISTS, FILENAME_DELETED, judge_filename
from strongroom.core.policies.open_index import judge_index
from strongroom.core.policies.project_status import judge_status
from strongroom.core.policies.upstream_name import Namesakes, judge_upstream_name, remark_namesakes
from strongroom.core.policy import ALLOW, Allow, Refuse


@dataclass(frozen=True, slots=True)
class UploadForm:
    """What the uploader says besides the bytes."""

    filename: Filename
    declared: Declaration = NOTHING_DECLARED
    attestations: str | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """The bytes that arrived and what was said about them."""

    filename: Filename
    declared: Declaration
    digests: Digests
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Sidecars:
    """The blobs that belong to the file."""

    metadata_sha256: Sha256
    provenance_sha256: Sha256 | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """All that is known about the file once its archive was read."""

    distribution: Distribution
    arrival: Arrival
    sidecars: Sidecars


@dataclass(frozen=True, slots=True)
class Facts:
    """What the index holds under the names in question.

    `namesakes` is None unless the name is new to the index and somebody looked it up.
    """

    index: Index
    project: Project | None
    file: File | None
    tombstone: Tombstone | None
    namesakes: Namesakes | None = None


@dataclass(frozen=True, slots=True)
class Publication:
    """Who publishes, and when the file counts as uploaded. `imported`: that time comes from elsewhere."""

    uploaded_by: str
    uploaded_at: datetime
    imported: bool = False


@dataclass(frozen=True, slots=True)
class AlreadyThere:
    """The very same bytes are published under this name: nothing changes."""

    file: File


@dataclass(frozen=True, slots=True)
class Plan:
    """What the transaction writes, once the event has given it a serial. `remarks` are for the uploader."""

    event: Uploaded
    _file: File
    _project: Project
    remarks: tuple[str, ...] = ()

    def file(self, serial: int) -> File:
        """Return the new file."""
        return replace(self._file, serial=serial)

    def project(self, serial: int) -> Project:
        """Return the project, new or changed."""
        return replace(self._project, serial=serial)


class Outcome(StrEnum):
    """What became of an accepted upload."""

    CREATED = "created"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Published:
    """The answer to an accepted upload. `remarks` are sentences that its sender should read."""

    outcome: Outcome
    file: File
    remarks: tuple[str, ...] = ()


def judge_arrival(arrival: Arrival, facts: Facts) -> Allow | AlreadyThere | Refuse:
    """Decide what can be decided before anybody looks into the archive."""
    verdicts = (
        judge_digests(arrival.declared, arrival.digests),
        judge_filename(arrival.filename, arrival.digests.sha256, existing=facts.file, tombstone=facts.tombstone),
    )
    for verdict in verdicts:
        if isinstance(verdict, Refuse):
            return verdict
    return ALLOW if facts.file is None else AlreadyThere(facts.file)


def plan_upload(draft: Draft, facts: Facts, *, publication: Publication) -> Plan | AlreadyThere | Refuse:
    """Decide what the upload of this file does."""
    early = judge_arrival(draft.arrival, facts)
    if not isinstance(early, Allow):
        return early
    distribution, namesakes = draft.distribution, facts.namesakes or Namesakes()
    verdicts = (
        judge_index(facts.index),
        judge_status(facts.project),
        judge_identity(
            draft.arrival.declared,
            project=distribution.project,
            version=distribution.version,
            package_type=distribution.package_type,
        ),
        judge_upstream_name(distribution.project, facts.index.name, namesakes=namesakes),
    )
    for verdict in verdicts:
        if isinstance(verdict, Refuse):
            return verdict
    return Plan(
        event=_event(draft, facts.index, imported=publication.imported),
        _file=_file(draft, facts.index, publication=publication),
        _project=_project(distribution, facts, at=publication.uploaded_at),
        remarks=remark_namesakes(distribution.project, namesakes=namesakes),
    )


def refusal_error(refusal: Refuse) -> UploadRefused | FileExists:
    """Return the error that ends a refused upload."""
    error = FileExists if refusal.code in (FILE_EXISTS, FILENAME_DELETED) else UploadRefused
    return error(refusal.code, refusal.reason, refusal.hint)


def describe_uploader(principal: Principal) -> str:
    """Name the uploader without the token that he used: the file outlives it."""
    return describe(replace(principal, token_id=None) if isinstance(principal, Signed) else principal)


def _event(draft: Draft, index: Index, *, imported: bool) -> Uploaded:
    return Uploaded(
        index=index.name,
        project=draft.distribution.project,
        version=str(draft.distribution.version),
        filename=draft.arrival.filename,
        sha256=draft.arrival.digests.sha256,
        size_bytes=draft.arrival.size_bytes,
        imported=imported,
    )


def _file(draft: Draft, index: Index, *, publication: Publication) -> File:
    distribution, digests = draft.distribution, draft.arrival.digests
    return File(
        index=index.name,
        project=distribution.project,
        filename=draft.arrival.filename,
        version=distribution.version,
        package_type=distribution.package_type,
        python_tag=distribution.python_tag,
        sha256=digests.sha256,
        size_bytes=draft.arrival.size_bytes,
        uploaded_at=publication.uploaded_at,
        uploaded_by=publication.uploaded_by,
        serial=0,
        md5=digests.md5,
        blake2b_256=digests.blake2b_256,
        requires_python=distribution.requires_python,
        metadata_sha256=draft.sidecars.metadata_sha256,
        serves_metadata=distribution.has_static_metadata,
        provenance_sha256=draft.sidecars.provenance_sha256,
    )


def _project(distribution: Distribution, facts: Facts, *, at: datetime) -> Project:
    """Return the project as the newest upload spells its name; a new one begins with it."""
    if facts.project is not None:
        return replace(facts.project, display_name=distribution.display_name)
    return Project(
        index=facts.index.name,
        name=distribution.project,
        display_name=distribution.display_name,
        created_at=at,
        serial=0,
    )
