"""What a promotion does to its target: files that become visible there, or a refusal.

Decides which release is meant, that a filename keeps its bytes, that the shield holds
in the target as for an upload (a claim of the source index is none of the target), and
what an undo takes back. A target that takes no uploads takes
promotions all the same: that is how an index of releases is made which nobody uploads
to; only a mirror takes none. Does not decide who may promote (`access.py`), and loads
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from packaging.version import Version

from strongroom.core.errors import NotFound
from strongroom.core.model import File, Index, Project, Tombstone
from strongroom.core.names import Filename, IndexName, ProjectName
from strongroom.core.policies.immutability import judge_filename
from strongroom.core.policies.project_status import judge_status
from strongroom.core.policies.upstream_name import Namesakes, judge_upstream_name, remark_namesakes
from strongroom.core.policy import ALLOW, Refuse, Verdict
from strongroom.core.promotions import PromotedRelease, Promotion, Stage


@dataclass(frozen=True, slots=True)
class Selected:
    """The release that is wanted; without a version the latest one, with `filenames` just these of its files."""

    project: ProjectName
    version: Version | None = None
    filenames: tuple[Filename, ...] | None = None

    def __str__(self) -> str:
        """Name it as messages do."""
        return self.project if self.version is None else f"{self.project}=={self.version}"


@dataclass(frozen=True, slots=True)
class Offer:
    """The project in the source index, with all its files."""

    project: Project
    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """What the target holds under the project's name and under the filenames of the offer.

    `namesakes` is None unless the name is new to the target and somebody looked it up.
    """

    index: Index
    project: Project | None = None
    files: Mapping[Filename, File] = field(default_factory=dict)
    tombstones: Mapping[Filename, Tombstone] = field(default_factory=dict)
    namesakes: Namesakes | None = None


@dataclass(frozen=True, slots=True)
class ReleasePlan:
    """What becomes of one release: `new` files, already those of the target, and those that are `present` there.

    `was_chosen`: nobody named the version. `display_name` is for a project that begins with this.
    `remarks` are sentences for whoever promotes it.
    """

    project: ProjectName
    version: Version
    display_name: str
    was_chosen: bool
    new: tuple[File, ...]
    present: tuple[Filename, ...]
    remarks: tuple[str, ...] = ()

    @property
    def carried(self) -> PromotedRelease:
        """Return the release with the files that become visible, as the promotion keeps it."""
        return PromotedRelease(self.project, str(self.version), tuple(file.filename for file in self.new))


def judge_way(source: Index, target: Index) -> Verdict:
    """Refuse a promotion that leads nowhere, or into a mirror."""
    if source.name == target.name:
        return Refuse(
            "promotion-same-index",
            f"Source and target are the same index, '{source.name}'",
            "Name two indexes, such as --from staging --to main.",
        )
    if target.upstream is not None and not target.accepts_uploads:
        return Refuse(
            "promotion-into-mirror",
            f"The index '{target.name}' mirrors an upstream, and holds no files of its own",
            f"Promote into an index that is based on '{target.name}'.",
        )
    return ALLOW


def plan_release(selected: Selected, offer: Offer, *, place: Place) -> ReleasePlan | Refuse:
    """Decide what promoting this release does; raises `NotFound` when the source does not have it."""
    version = choose_version(offer.files) if selected.version is None else selected.version
    files = _select(selected, offer, version=version)
    namesakes = place.namesakes or Namesakes()
    verdicts = (
        _judge_source(offer.project),
        judge_status(place.project),
        judge_upstream_name(selected.project, place.index.name, namesakes=namesakes),
        *(_judge_file(file, place) for file in files),
    )
    for verdict in verdicts:
        if isinstance(verdict, Refuse):
            return verdict
    new = [file for file in files if file.filename not in place.files]
    return ReleasePlan(
        project=selected.project,
        version=files[0].version,
        display_name=offer.project.display_name,
        was_chosen=selected.version is None,
        new=tuple(replace(file, index=place.index.name, serial=0) for file in new),
        present=tuple(file.filename for file in files if file.filename in place.files),
        remarks=remark_namesakes(selected.project, namesakes=namesakes),
    )


def choose_version(files: Iterable[File]) -> Version | None:
    """Return the latest final release that is not yanked, else the latest one there is; None without files.

    Not the latest that the target lacks: asking twice must not bring older and older ones.
    """
    found = tuple(files)
    offered = {file.version for file in found if file.yank is None}
    final = {version for version in offered if not version.is_prerelease}
    return max(final or offered or {file.version for file in found}, default=None)


def choose_undone(
    promotion: Promotion, later: Iterable[Promotion], *, present: Mapping[Filename, File]
) -> dict[PromotedRelease, tuple[File, ...]]:
    """Return the files that undoing takes out of the target, by release.

    Those that are gone already stay gone; those that another promotion brought in again
    since then belong to that one. `later` are promotions into the same target.
    """
    kept = {
        filename
        for other in later
        if _is_later(other, promotion)
        for release in other.releases
        for filename in release.filenames
    }
    return {
        release: tuple(present[name] for name in release.filenames if name in present and name not in kept)
        for release in promotion.releases
    }


def _is_later(other: Promotion, promotion: Promotion) -> bool:
    return (
        other.promotion_id != promotion.promotion_id
        and other.target == promotion.target
        and other.stage is Stage.DONE
        and other.decided_at is not None
        and promotion.decided_at is not None
        and other.decided_at >= promotion.decided_at
    )


def _select(selected: Selected, offer: Offer, *, version: Version | None) -> tuple[File, ...]:
    """Return the files of the release, at least one; raises `NotFound`."""
    source = offer.project.index
    release = tuple(file for file in offer.files if file.version == version)
    if selected.filenames is None:
        wanted = release
    else:
        wanted = tuple(file for file in release if file.filename in selected.filenames)
        for filename in selected.filenames:
            if filename not in {file.filename for file in wanted}:
                raise _missing(filename, source, hint="Refuse this promotion, and ask for a new one.")
    if not wanted:
        raise _missing(f"release {selected}", source, hint="Check the name and the version.")
    return wanted


def _missing(what: str, source: IndexName, *, hint: str) -> NotFound:
    return NotFound("release-unknown", f"The index '{source}' has no {what}", hint)


def _judge_source(project: Project) -> Verdict:
    """PEP 792: an index MUST NOT offer the files of a quarantined project; so it does not pass them on either."""
    if project.status.offers_files:
        return ALLOW
    because = f" ({project.status_reason})" if project.status_reason else ""
    return Refuse(
        "project-quarantined",
        f"The project '{project.name}' is in quarantine in '{project.index}'{because}, so it is not promoted",
        "Somebody who manages the project can set its status back to active.",
    )


def _judge_file(file: File, place: Place) -> Verdict:
    """Judge as for an upload; but bytes that were taken out of the target may come back under their name."""
    buried = place.tombstones.get(file.filename)
    tombstone = None if buried is not None and buried.sha256 == file.sha256 else buried
    return judge_filename(file.filename, file.sha256, existing=place.files.get(file.filename), tombstone=tombstone)
