"""Releases over REST: show, yank, unyank, delete. A release is all files of one version."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from strongroom.core.access import Right, not_found
from strongroom.core.mirrored import Offered
from strongroom.http.api.endpoint import CurrentCaller, Endpoint
from strongroom.http.api.fields import View
from strongroom.http.api.files import ChangedFiles, FileView, YankBody, changed, show
from strongroom.http.api.places import ReleasePlace
from strongroom.http.api.problems import UPSTREAM_PROBLEMS
from strongroom.http.routes import Needs, Subject
from strongroom.services.browse import Browse
from strongroom.services.releases import Releases

TAG = "releases"
_PATH = "/indexes/{index}/projects/{project}/releases/{version}"


class ReleaseView(View):
    """A release and its files, by name."""

    index: str
    project: str
    version: str = Field(examples=["1.2.0"])
    is_yanked: bool = Field(description="Whether all of its files are yanked.")
    files: list[FileView]


class ReleaseEndpoints:
    """The endpoints about releases."""

    def __init__(self, releases: Releases, browse: Browse) -> None:
        self._releases = releases
        self._browse = browse

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints of this family."""
        return [
            Endpoint("GET", _PATH, self.show_release, Needs(Right.READ, Subject.PROJECT), problems=UPSTREAM_PROBLEMS),
            Endpoint("DELETE", _PATH, self.delete_release, Needs(Right.DELETE, Subject.PROJECT)),
            Endpoint("PUT", f"{_PATH}/yank", self.yank_release, Needs(Right.YANK, Subject.PROJECT)),
            Endpoint("DELETE", f"{_PATH}/yank", self.unyank_release, Needs(Right.YANK, Subject.PROJECT)),
        ]

    async def show_release(self, caller: CurrentCaller, place: ReleasePlace) -> ReleaseView:
        """Show a release and its files.

        404 while its project is in quarantine, which withholds all files.
        """
        page = await self._browse.get_project_page(place.target)
        files = [file for file in page.files if file.version == place.version]
        if not files:
            raise not_found()
        return ReleaseView(
            index=place.index,
            project=place.project,
            version=str(files[0].version),
            is_yanked=is_yanked(files),
            files=[show(file, caller) for file in files],
        )

    async def delete_release(self, caller: CurrentCaller, place: ReleasePlace) -> ChangedFiles:
        """Delete all files of a release for ever; their names stay taken."""
        return changed(place, await self._releases.delete(caller, place))

    async def yank_release(self, caller: CurrentCaller, place: ReleasePlace, *, body: YankBody) -> ChangedFiles:
        """Yank a release: installers skip it unless it is pinned (PEP 592).

        Repeating it changes nothing; another reason replaces the first.
        """
        return changed(place, await self._releases.yank(caller, place, reason=body.reason))

    async def unyank_release(self, caller: CurrentCaller, place: ReleasePlace) -> ChangedFiles:
        """Offer the files of a yanked release again."""
        return changed(place, await self._releases.unyank(caller, place))


def is_yanked(files: Sequence[Offered]) -> bool:
    """Return whether installers skip the release."""
    return all(file.yank is not None for file in files)
