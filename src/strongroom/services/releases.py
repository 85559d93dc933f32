"""What happens to files after they were published: yanked, deleted, a project's status.

Decides which files a request means. Whether a yanked or quarantined file is shown
is decided by `core/pages.py`; the bytes of deleted files are removed by `sweep.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from packaging.version import Version

from strongroom.core.access import ProjectTarget, Right
from strongroom.core.caller import Caller
from strongroom.core.errors import InvalidRequest, NotFound
from strongroom.core.events import Deleted, Event, StatusChanged, Unyanked, Yanked
from strongroom.core.model import File, Project, ProjectStatus, Tombstone, Yank
from strongroom.core.names import Filename, IndexName, ProjectName
from strongroom.core.remarks import parse_remark
from strongroom.ports import Catalog, Clock, Transaction


@dataclass(frozen=True, slots=True)
class Selection:
    """The files that a request means: a project's, those of one release, or one file."""

    index: IndexName
    project: ProjectName
    version: Version | None = None
    filename: Filename | None = None

    @property
    def target(self) -> ProjectTarget:
        """Return what a right is needed on."""
        return ProjectTarget(self.index, self.project)

    def __str__(self) -> str:
        """Name it as messages do."""
        return f"{self.filename or self.project}{'' if self.version is None else f'=={self.version}'}"


@dataclass(frozen=True, slots=True)
class Releases:
    """The use cases about published files."""

    catalog: Catalog
    clock: Clock

    async def yank(self, caller: Caller, selection: Selection, *, reason: str = "") -> tuple[File, ...]:
        """Yank the files of one release (PEP 592), or change the reason; returns those that changed.

        Raises `InvalidRequest` without a version or filename, `NotFound` when there are no such files.
        """
        yank = Yank(parse_remark(reason))

        def change(tx: Transaction) -> tuple[File, ...]:
            files = _load_release(tx, caller, selection=selection)
            changed = tuple(replace(file, yank=yank) for file in files if file.yank != yank)
            if not changed:
                return ()
            event = Yanked(
                index=selection.index,
                project=selection.project,
                version=str(changed[0].version),
                filenames=_names(changed),
                reason=yank.reason,
            )
            return self._store(tx, caller, files=changed, event=event)

        return await self.catalog.write(change)

    async def unyank(self, caller: Caller, selection: Selection) -> tuple[File, ...]:
        """Offer the files of one release again; returns those that changed. Raises like `yank`."""

        def change(tx: Transaction) -> tuple[File, ...]:
            files = _load_release(tx, caller, selection=selection)
            changed = tuple(replace(file, yank=None) for file in files if file.yank is not None)
            if not changed:
                return ()
            event = Unyanked(
                index=selection.index,
                project=selection.project,
                version=str(changed[0].version),
                filenames=_names(changed),
            )
            return self._store(tx, caller, files=changed, event=event)

        return await self.catalog.write(change)

    async def delete(self, caller: Caller, selection: Selection) -> tuple[File, ...]:
        """Delete a file, a release or a whole project for ever; returns the deleted files.

        Their names stay taken, and a status that was set stays. Raises `NotFound` when there are no such files.
        """

        def change(tx: Transaction) -> tuple[File, ...]:
            caller.demand(Right.DELETE, selection.target, indexes=tx.indexes.list())
            project = _get_project(tx, selection.target)
            files = _select(tx, selection)
            now = self.clock.now()
            for file in files:
                tx.files.bury(_tombstone(file, now))
            event = Deleted(
                index=project.index,
                project=project.name,
                filenames=_names(files),
                version=None if _is_whole(selection) else str(files[0].version),
            )
            _settle(tx, replace(project, serial=self._tell(tx, caller, event=event)))
            return files

        return await self.catalog.write(change)

    async def set_status(
        self, caller: Caller, target: ProjectTarget, *, status: ProjectStatus, reason: str = ""
    ) -> Project:
        """Set the project's status (PEP 792) with a reason; raises `NotFound`."""
        text = parse_remark(reason)

        def change(tx: Transaction) -> Project:
            caller.demand(Right.MANAGE, target, indexes=tx.indexes.list())
            project = _get_project(tx, target)
            changed = replace(project, status=status, status_reason=text or None)
            if changed == project:
                return project
            event = StatusChanged(index=target.index, project=target.project, status=status, reason=text)
            saved = replace(changed, serial=self._tell(tx, caller, event=event))
            _settle(tx, saved)
            return saved

        return await self.catalog.write(change)

    def _store(self, tx: Transaction, caller: Caller, *, files: tuple[File, ...], event: Event) -> tuple[File, ...]:
        serial = self._tell(tx, caller, event=event)
        stored = tuple(replace(file, serial=serial) for file in files)
        for file in stored:
            tx.files.replace(file)
        project = _get_project(tx, ProjectTarget(files[0].index, files[0].project))
        tx.projects.save(replace(project, serial=serial))
        return stored

    def _tell(self, tx: Transaction, caller: Caller, *, event: Event) -> int:
        return tx.events.append(event, at=self.clock.now(), actor=caller.actor)


def _load_release(tx: Transaction, caller: Caller, *, selection: Selection) -> tuple[File, ...]:
    caller.demand(Right.YANK, selection.target, indexes=tx.indexes.list())
    if _is_whole(selection):
        raise InvalidRequest(
            "selection-whole", "A project is yanked release by release", "Name a version, or a file of it."
        )
    _get_project(tx, selection.target)
    return _select(tx, selection)


def _is_whole(selection: Selection) -> bool:
    return selection.version is None and selection.filename is None


def _get_project(tx: Transaction, target: ProjectTarget) -> Project:
    project = tx.projects.find(target.index, target.project)
    if project is None:
        raise NotFound(
            "project-unknown",
            f"There is no project '{target.project}' in the index '{target.index}'",
            "Check the name and the index.",
        )
    return project


def _settle(tx: Transaction, project: Project) -> None:
    """Store the project. Without files only a status keeps it: deleting must not end a quarantine."""
    if project.status is not ProjectStatus.ACTIVE or tx.files.list(project.index, project.name):
        tx.projects.save(project)
    else:
        tx.projects.remove(project.index, project.name)


def _select(tx: Transaction, selection: Selection) -> tuple[File, ...]:
    found = tuple(
        file
        for file in tx.files.list(selection.index, selection.project)
        if selection.version in (None, file.version) and selection.filename in (None, file.filename)
    )
    if not found:
        raise NotFound(
            "file-unknown", f"There are no files of {selection} in the index '{selection.index}'", "Check the name."
        )
    return found


def _names(files: tuple[File, ...]) -> tuple[Filename, ...]:
    return tuple(file.filename for file in files)


def _tombstone(file: File, now: datetime) -> Tombstone:
    return Tombstone(index=file.index, project=file.project, filename=file.filename, sha256=file.sha256, deleted_at=now)
