"""Which projects and files an index shows, and in which order.

Decides what quarantine hides, what an archived project still offers, and which part
of the project list a principal sees. Does not render anything (`simpleapi/render.py`)
and does not load anything (`services/browse.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from packaging.version import Version

from strongroom.core.access import Anonymous, Grant, Operator, Principal, ProjectTarget, Right, Signed, allows
from strongroom.core.errors import Forbidden
from strongroom.core.mirrored import Copy, Offered, UpstreamPage
from strongroom.core.model import File, Project, ProjectStatus
from strongroom.core.names import EVERY_PROJECT, Filename, IndexName, ProjectName
from strongroom.core.policy import Allow
from strongroom.core.screening import Gate, Screen, Way, next_change


@dataclass(frozen=True, slots=True)
class ProjectPage:
    """What the page of a project says. `files` are the ones that show, by version and name.

    `valid_until`: what comes from an upstream may look different from then on. `ways`: where all
    files come from upstreams, the ways on which they do.
    """

    index: IndexName
    project: ProjectName
    display_name: str
    status: ProjectStatus
    status_reason: str | None
    files: tuple[Offered, ...]
    versions: tuple[str, ...]
    serial: int
    valid_until: datetime | None = None
    ways: tuple[Way, ...] = ()


class SortedFiles(NamedTuple):
    """Files by version and name, and their versions in that order."""

    files: tuple[Offered, ...]
    versions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProjectEntry:
    """One line of the project list."""

    name: ProjectName
    display_name: str
    serial: int


@dataclass(frozen=True, slots=True)
class ProjectList:
    """The projects of an index that show, by name.

    `serial` is the latest of its entries, not the catalog's: it must not tell a
    reader of few projects when others change, and two workers must render the same bytes.
    `valid_until`: names of upstreams may have come by from then on.
    """

    index: IndexName
    entries: tuple[ProjectEntry, ...]
    valid_until: datetime | None = None

    @property
    def serial(self) -> int:
        """Return the serial of the latest change to a listed project; 0 when there is none."""
        return max((entry.serial for entry in self.entries), default=0)


def make_project_page(project: Project, files: Iterable[File], *, asked: IndexName | None = None) -> ProjectPage:
    """Return the page of a project; a yanked file shows (PEP 592), a quarantined project's do not.

    `asked` is the index under whose URL it is shown, when that gets it from another.
    """
    shown = sort_files(files if project.status.offers_files else ())
    return ProjectPage(
        index=asked or project.index,
        project=project.name,
        display_name=project.display_name,
        status=project.status,
        status_reason=project.status_reason,
        files=shown.files,
        versions=shown.versions,
        serial=project.serial,
    )


def make_upstream_page(
    page: UpstreamPage, gates: tuple[Gate, ...], *, copies: Mapping[Filename, Copy], asked: IndexName, now: datetime
) -> ProjectPage:
    """Return an upstream's page less what the rules on the way hide; a quarantined project's files do not show.

    Its `valid_until` is when a rule or an exemption decides otherwise by itself.
    """
    offered = page.files if page.status.offers_files else ()
    allowed, refusals = Screen(gates, page.project, now=now).split(offered, copies)
    changes = next_change(gates, now=now), *(refusal.until for refusal in refusals)
    shown = sort_files(allowed)
    return ProjectPage(
        index=asked,
        project=page.project,
        display_name=page.project,
        status=page.status,
        status_reason=page.status_reason,
        files=shown.files,
        versions=shown.versions,
        serial=0,
        valid_until=min((change for change in changes if change is not None), default=None),
    )


def overlay_page(own: ProjectPage, below: ProjectPage) -> ProjectPage:
    """Return one page of both; where both have a filename, the own file stands."""
    taken = {file.filename for file in own.files}
    shown = sort_files([*own.files, *(file for file in below.files if file.filename not in taken)])
    return replace(own, files=shown.files, versions=shown.versions, valid_until=below.valid_until)


def make_project_list(
    index: IndexName, projects: Iterable[Project], *, names: Iterable[ProjectName] = ()
) -> ProjectList:
    """Return the list of an index's projects: own ones, of which the first of a name counts, and names of upstreams.

    A quarantined project is not offered at all.
    """
    own: dict[ProjectName, Project] = {}
    for project in projects:
        own.setdefault(project.name, project)
    entries = {name: ProjectEntry(name, name, 0) for name in names if name not in own}
    entries |= {
        project.name: ProjectEntry(project.name, project.display_name, project.serial)
        for project in own.values()
        if project.status.offers_files
    }
    return ProjectList(index, tuple(entries[name] for name in sorted(entries)))


def sort_files(files: Iterable[Offered]) -> SortedFiles:
    """Return the files by version, then by name; 1.0 and 1.0.0 are one version, spelled as its first file does."""
    releases = _group_by_version(files)
    listed: list[Offered] = []
    versions: list[str] = []
    for version in sorted(releases):
        release = releases[version]
        release.sort(key=attrgetter("filename"))
        listed += release
        versions.append(str(release[0].version))
    return SortedFiles(tuple(listed), tuple(versions))


def _group_by_version(files: Iterable[Offered]) -> dict[Version, list[Offered]]:
    releases: dict[Version, list[Offered]] = {}
    release: list[Offered] = []
    latest: Version | None = None
    for file in files:
        # To hash and compare a version is slow, and neighbours mostly share theirs.
        if file.version is not latest:
            latest = file.version
            release = releases.setdefault(latest, [])
        release.append(file)
    return releases


def demand_offered(project: Project) -> None:
    """Raise `Forbidden` when the project's files are withheld."""
    demand_status(project.name, project.status, reason=project.status_reason)


def demand_status(name: ProjectName, status: ProjectStatus, *, reason: str | None) -> None:
    """Raise `Forbidden` for a status with which no files are offered.

    PEP 792: an index MUST NOT offer the files of a quarantined project. Only who may
    read the project gets here, so he is told why instead of "not found".
    """
    if not status.offers_files:
        because = f": {reason}" if reason else ""
        raise Forbidden(
            "project-quarantined",
            f"The project '{name}' is in quarantine, so its files are not served{because}",
            "Ask an administrator of this index.",
        )


def narrow_project_list(
    projects: ProjectList, principal: Principal, *, open_indexes: frozenset[IndexName]
) -> ProjectList:
    """Return the part of the list that the principal may read."""
    return ProjectList(
        projects.index,
        tuple(
            entry
            for entry in projects.entries
            if isinstance(
                allows(
                    principal, Right.READ, target=ProjectTarget(projects.index, entry.name), open_indexes=open_indexes
                ),
                Allow,
            )
        ),
        projects.valid_until,
    )


def reads_every_project(principal: Principal, index: IndexName, *, open_indexes: frozenset[IndexName]) -> bool:
    """Return whether no project of the index is hidden from the principal.

    May say no where grants for patterns happen to cover all names; never yes too often.
    """
    if index in open_indexes:
        return True
    match principal:
        case Operator():
            return True
        case Anonymous():
            return False
        case Signed(grants=grants, scope=scope):
            return _covers_index(grants, index) and (scope is None or _covers_index(scope, index))


def _covers_index(grants: tuple[Grant, ...], index: IndexName) -> bool:
    return any(
        grant.projects == EVERY_PROJECT
        and (grant.index is None or grant.index == index)
        and (Right.READ in grant.rights or Right.ADMINISTER in grant.rights)
        for grant in grants
    )
