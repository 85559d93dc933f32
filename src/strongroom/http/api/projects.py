"""Projects over REST: list, show, delete, status."""

from __future__ import annotations

from itertools import groupby

from pydantic import ConfigDict, Field

from strongroom.core.access import Right
from strongroom.core.mirrored import Offered
from strongroom.core.model import Project, ProjectStatus
from strongroom.core.pages import ProjectPage, narrow_project_list
from strongroom.http.api.endpoint import CurrentCaller, Endpoint
from strongroom.http.api.fields import Body, Time, View
from strongroom.http.api.files import ChangedFiles, changed
from strongroom.http.api.paging import WantedPage, cut
from strongroom.http.api.places import IndexPlace, ProjectPlace
from strongroom.http.api.problems import UPSTREAM_PROBLEMS
from strongroom.http.api.releases import is_yanked
from strongroom.http.cache import Cache
from strongroom.http.routes import Needs, Subject
from strongroom.services.browse import Browse
from strongroom.services.releases import Releases, Selection

TAG = "projects"
_PATH = "/indexes/{index}/projects/{project}"


class ProjectEntryView(View):
    """A line of the project list."""

    name: str = Field(examples=["acme-billing"])
    display_name: str = Field(description="The name as the newest upload spells it.", examples=["Acme_Billing"])
    serial: int = Field(description="The number of the last change to it.")


class ProjectListPage(View):
    """A page of the projects that the caller may read, by name; those in quarantine are left out."""

    items: list[ProjectEntryView]
    next_cursor: str | None


class ReleaseEntryView(View):
    """A line of a project's releases."""

    version: str
    files: int = Field(description="How many files it has.")
    is_yanked: bool = Field(description="Whether all of its files are yanked.")
    uploaded_at: Time | None = Field(description="When its last file was published; null where that is not known.")


class ProjectView(View):
    """A project and its releases, oldest version first; in quarantine none is shown."""

    index: str
    name: str
    display_name: str
    status: ProjectStatus
    status_reason: str | None
    serial: int
    releases: list[ReleaseEntryView]


class StatusBody(Body):
    """PEP 792's status, and why."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": "deprecated", "reason": "use acme-invoices instead"}]}
    )

    status: ProjectStatus
    reason: str = Field(default="", max_length=500)


class StatusView(View):
    """A project's status."""

    index: str
    project: str
    status: ProjectStatus
    status_reason: str | None
    serial: int


class ProjectEndpoints:
    """The endpoints about projects."""

    def __init__(self, releases: Releases, browse: Browse, *, cache: Cache) -> None:
        self._releases = releases
        self._browse = browse
        self._cache = cache

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints of this family."""
        return [
            Endpoint("GET", "/indexes/{index}/projects", self.list_projects, Needs(Right.READ, Subject.INDEX)),
            Endpoint("GET", _PATH, self.show_project, Needs(Right.READ, Subject.PROJECT), problems=UPSTREAM_PROBLEMS),
            Endpoint("DELETE", _PATH, self.delete_project, Needs(Right.DELETE, Subject.PROJECT)),
            Endpoint("PUT", f"{_PATH}/status", self.set_project_status, Needs(Right.MANAGE, Subject.PROJECT)),
        ]

    async def list_projects(self, caller: CurrentCaller, index: IndexPlace, *, page: WantedPage) -> ProjectListPage:
        """List the projects of an index that the caller may read."""
        whole = await self._browse.get_project_list(index)
        seen = narrow_project_list(whole, caller.principal, open_indexes=self._cache.open_indexes)
        items, next_cursor = cut(seen.entries, page, key=lambda entry: entry.name)
        return ProjectListPage(
            items=[
                ProjectEntryView(name=entry.name, display_name=entry.display_name, serial=entry.serial)
                for entry in items
            ],
            next_cursor=next_cursor,
        )

    async def show_project(self, place: ProjectPlace) -> ProjectView:
        """Show a project and its releases."""
        return _show(await self._browse.get_project_page(place))

    async def delete_project(self, caller: CurrentCaller, place: ProjectPlace) -> ChangedFiles:
        """Delete a project with all its files for ever; the filenames stay taken."""
        selection = Selection(place.index, place.project)
        return changed(selection, await self._releases.delete(caller, selection))

    async def set_project_status(self, caller: CurrentCaller, place: ProjectPlace, *, body: StatusBody) -> StatusView:
        """Set a project's status (PEP 792).

        Archived: no more uploads. Quarantined: no uploads, and no file is served.
        Deprecated: told to everybody, changes nothing.
        """
        project = await self._releases.set_status(caller, place, status=body.status, reason=body.reason)
        return _show_status(project)


def _show(page: ProjectPage) -> ProjectView:
    return ProjectView(
        index=page.index,
        name=page.project,
        display_name=page.display_name,
        status=page.status,
        status_reason=page.status_reason,
        serial=page.serial,
        releases=[_show_release(list(files)) for _, files in groupby(page.files, key=lambda file: file.version)],
    )


def _show_release(files: list[Offered]) -> ReleaseEntryView:
    newest = max((file.uploaded_at for file in files if file.uploaded_at is not None), default=None)
    return ReleaseEntryView(
        version=str(files[0].version), files=len(files), is_yanked=is_yanked(files), uploaded_at=newest
    )


def _show_status(project: Project) -> StatusView:
    return StatusView(
        index=project.index,
        project=project.name,
        status=project.status,
        status_reason=project.status_reason,
        serial=project.serial,
    )
