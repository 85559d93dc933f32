"""Files over REST: show, yank, unyank, delete.

A file's bytes are not here: clients fetch them from the index's own URLs.
"""

from __future__ import annotations

from pydantic import ConfigDict, Field

from strongroom.core.access import Anonymous, Right
from strongroom.core.caller import Caller
from strongroom.core.mirrored import Offered
from strongroom.core.model import File
from strongroom.http.api.endpoint import CurrentCaller, Endpoint
from strongroom.http.api.fields import Body, Time, View
from strongroom.http.api.places import FilenamePlace, FilePlace, ProjectPlace
from strongroom.http.api.problems import UPSTREAM_PROBLEMS
from strongroom.http.routes import Needs, Subject
from strongroom.services.download import Download
from strongroom.services.releases import Releases, Selection

TAG = "files"
_PATH = "/indexes/{index}/projects/{project}/files/{filename}"


class FileView(View):
    """A distribution of a release."""

    index: str
    project: str
    version: str
    filename: str = Field(examples=["acme_billing-1.2.0-py3-none-any.whl"])
    package_type: str = Field(examples=["bdist_wheel"])
    python_tag: str = Field(examples=["py3"])
    size_bytes: int | None = Field(description="Null where an upstream does not say it.")
    sha256: str
    uploaded_at: Time | None = Field(description="Null where an upstream does not say it.")
    uploaded_by: str | None = Field(
        description="Who published it; null for a file of an upstream, and for a caller without credentials."
    )
    requires_python: str | None
    has_metadata: bool = Field(description="Whether its METADATA can be fetched beside it (PEP 658).")
    has_provenance: bool = Field(description="Whether it came with attestations (PEP 740).")
    is_yanked: bool
    yank_reason: str | None = Field(description="Why it was yanked; null while it is not, empty without a reason.")
    serial: int = Field(description="The number of the last change to it; 0 for a file of an upstream.")


class ChangedFiles(View):
    """The files that a request changed; none when all was so already."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"index": "main", "project": "acme-billing", "filenames": ["acme_billing-1.2.0-py3-none-any.whl"]}
            ]
        }
    )

    index: str
    project: str
    filenames: list[str]


class YankBody(Body):
    """Why installers should skip the files."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "loses data on Windows"}]})

    reason: str = Field(default="", max_length=500)


class FileEndpoints:
    """The endpoints about single files."""

    def __init__(self, releases: Releases, download: Download) -> None:
        self._releases = releases
        self._download = download

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints of this family."""
        return [
            Endpoint("GET", _PATH, self.show_file, Needs(Right.READ, Subject.PROJECT), problems=UPSTREAM_PROBLEMS),
            Endpoint("DELETE", _PATH, self.delete_file, Needs(Right.DELETE, Subject.PROJECT)),
            Endpoint("PUT", f"{_PATH}/yank", self.yank_file, Needs(Right.YANK, Subject.PROJECT)),
            Endpoint("DELETE", f"{_PATH}/yank", self.unyank_file, Needs(Right.YANK, Subject.PROJECT)),
        ]

    async def show_file(self, caller: CurrentCaller, project: ProjectPlace, *, filename: FilenamePlace) -> FileView:
        """Show a file.

        403 while its project is in quarantine.
        """
        return show((await self._download.get_file(project, filename)).file, caller)

    async def delete_file(self, caller: CurrentCaller, place: FilePlace) -> ChangedFiles:
        """Delete a file for ever; its name stays taken."""
        return changed(place, await self._releases.delete(caller, place))

    async def yank_file(self, caller: CurrentCaller, place: FilePlace, *, body: YankBody) -> ChangedFiles:
        """Yank a file: installers skip it unless it is pinned (PEP 592).

        Repeating it changes nothing; another reason replaces the first.
        """
        return changed(place, await self._releases.yank(caller, place, reason=body.reason))

    async def unyank_file(self, caller: CurrentCaller, place: FilePlace) -> ChangedFiles:
        """Offer a yanked file again."""
        return changed(place, await self._releases.unyank(caller, place))


def show(file: Offered, caller: Caller) -> FileView:
    """Return the file as the API writes it."""
    own = file if isinstance(file, File) else None
    return FileView(
        index=file.index,
        project=file.project,
        version=str(file.version),
        filename=file.filename,
        package_type=file.package_type,
        python_tag=file.python_tag,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        uploaded_at=file.uploaded_at,
        uploaded_by=None if own is None or isinstance(caller.principal, Anonymous) else own.uploaded_by,
        requires_python=file.requires_python,
        has_metadata=file.serves_metadata,
        has_provenance=file.has_provenance,
        is_yanked=file.yank is not None,
        yank_reason=None if file.yank is None else file.yank.reason,
        serial=0 if own is None else own.serial,
    )


def changed(selection: Selection, files: tuple[File, ...]) -> ChangedFiles:
    """Return which files of the selection changed."""
    return ChangedFiles(index=selection.index, project=selection.project, filenames=[file.filename for file in files])
