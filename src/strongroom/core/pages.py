"""Which projects and files an index shows, and in which order.

Decides what quarantine hides, what an archived project still offers, and which part
of the project list a principal sees. Does not render anything (`simpleapi/render.py`)
and does not load anything (`services/browse.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from strongroom.core.access import Anonymous, Grant, Operator, Principal, ProjectTarget, Right, Signed, allows
from strongroom.core.errors import Forbidden
from strongroom.core.mirrored import Copy, Offered, UpstreamPage
from strongroom.core.model import File, Project, ProjectStatus
from strongroom.core.names import EVERY_PROJECT, Filename, IndexName, ProjectName
from strongroom.core.policy import Allow, Refuse
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
    shown = sort_files(files) if project.status.offers_files else ()
    return ProjectPage(
        index=asked or project.index,
        project=project.name,
        display_name=project.display_name,
        status=project.status,
        status_reason=project.status_reason,
        files=shown,
        versions=list_versions(shown),
        serial=project.serial,
    )


def make_upstream_page(
    page: UpstreamPage, gates: tuple[Gate, ...], *, copies: Mapping[Filename, Copy], asked: IndexName, now: datetime
) -> ProjectPage:
    """Return an upstream's page less what the rules on the way hide; a quarantined project's files do not show.

    Its `valid_until` is when a rule or an exemption decides otherwise by itself.
    """
    shown: list[Offered] = []
    changes = [next_change(gates, now=now)]
    screen = Screen(gates, page.project, now=now)
    for file in page.files if page.status.offers_files else ():
        verdict = screen.judge(file, copies.get(file.filename))
        if isinstance(verdict, Refuse):
            changes.append(verdict.until)
        else:
            shown.append(file)
    files = sort_files(shown)
    return ProjectPage(
        index=asked,
        project=page.project,
        display_name=page.project,
        status=page.status,
        status_reason=page.status_reason,
        files=files,
        versions=list_versions(files),
        serial=0,
        valid_until=min((change for change in changes if change is not None), default=None),
    )


def overlay_page(own: ProjectPage, below: ProjectPage) -> ProjectPage:
    """Return one page of both; where both have a filename, the own file stands."""
    taken = {file.filename for file in own.files}
    files = sort_files([*own.files, *(file for file in below.files if file.filename not in taken)])
    return replace(own, files=files, versions=list_versions(files), valid_until=below.valid_until)


def list_versions(files: Iterable[Offered]) -> tuple[str, ...]:
    """Return the versions of the files in their order; 1.0 and 1.0.0 are one version."""
    return tuple(map(str, dict.fromkeys(file.version for file in files)))


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


def sort_files(files: Iterable[Offered]) -> tuple[Offered, ...]:
    """Return the files by version, then by name."""
    listed = tuple(files)
    # Versions are compared once each, since that is slow: a release has many files.
    place = {version: number for number, version in enumerate(sorted({file.version for file in listed}))}
    return tuple(sorted(listed, key=lambda file: (place[file.version], file.filename)))


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
