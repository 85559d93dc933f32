"""What a promotion writes: rows that name the same bytes, tombstones, one event for each release.

Each function runs inside the one transaction of its use case, so that an installer
sees all of it or nothing. Judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from strongroom.core.events import Actor, Event, Promoted, PromotionRefused, PromotionRequested, PromotionUndone
from strongroom.core.model import File, Project, ProjectStatus, Tombstone
from strongroom.core.names import IndexName, ProjectName
from strongroom.core.promote import ReleasePlan, choose_undone
from strongroom.core.promotions import Promotion, Stage
from strongroom.ports import Transaction


@dataclass(frozen=True, slots=True)
class Pen:
    """A transaction to write in, with who writes and when."""

    tx: Transaction
    actor: Actor
    now: datetime

    def tell(self, event: Event) -> int:
        """Append the event and return its serial."""
        return self.tx.events.append(event, at=self.now, actor=self.actor)


def carry_out(pen: Pen, promotion: Promotion, *, plans: Iterable[ReleasePlan], reason: str) -> Promotion:
    """Make the files visible in the target, and store the promotion with just those; a request keeps its releases."""
    is_request = pen.tx.promotions.find(promotion.promotion_id) is not None
    carried = tuple(plan for plan in plans if plan.new or is_request)
    releases = tuple(plan.carried for plan in carried)
    done = replace(promotion, stage=Stage.DONE, releases=releases, decided_at=pen.now)
    _write_files(pen, done, plans=carried, reason=reason)
    (pen.tx.promotions.replace if is_request else pen.tx.promotions.add)(done)
    return done


def store_request(pen: Pen, promotion: Promotion) -> Promotion:
    """Store that the releases wait for approval."""
    pen.tx.promotions.add(promotion)
    for release in promotion.releases:
        pen.tell(
            PromotionRequested(
                index=promotion.target,
                project=release.project,
                version=release.version,
                filenames=release.filenames,
                source=promotion.source,
                promotion=promotion.promotion_id,
                reason=promotion.reason,
            )
        )
    return promotion


def tell_refusal(pen: Pen, promotion: Promotion, *, reason: str) -> None:
    """Record that the releases do not come."""
    for release in promotion.releases:
        pen.tell(
            PromotionRefused(
                index=promotion.target,
                project=release.project,
                version=release.version,
                promotion=promotion.promotion_id,
                reason=reason,
            )
        )


def take_back(pen: Pen, promotion: Promotion, *, reason: str) -> tuple[File, ...]:
    """Take the promoted files out of the target; their names stay taken, for these bytes only. Returns the files."""
    target, tx = promotion.target, pen.tx
    names = [filename for release in promotion.releases for filename in release.filenames]
    found = {name: tx.files.find(target, name) for name in names}
    undone = choose_undone(
        promotion,
        tx.promotions.list(target),
        present={name: file for name, file in found.items() if file is not None},
    )
    for release, files in undone.items():
        for file in files:
            tx.files.bury(Tombstone(target, file.project, file.filename, file.sha256, pen.now))
        serial = pen.tell(
            PromotionUndone(
                index=target,
                project=release.project,
                version=release.version,
                filenames=tuple(file.filename for file in files),
                promotion=promotion.promotion_id,
                reason=reason,
            )
        )
        _settle(tx, target, project=release.project, serial=serial)
    return tuple(file for files in undone.values() for file in files)


def _write_files(pen: Pen, promotion: Promotion, *, plans: Iterable[ReleasePlan], reason: str) -> None:
    """Add rows that name the same blobs, METADATA and provenance, uploaded by whom and when they were."""
    for plan in plans:
        carried = plan.carried
        serial = pen.tell(
            Promoted(
                index=promotion.target,
                project=carried.project,
                version=carried.version,
                filenames=carried.filenames,
                source=promotion.source,
                promotion=promotion.promotion_id,
                reason=reason,
            )
        )
        if plan.new:
            project = _find_or_make(pen, promotion.target, plan=plan)
            pen.tx.projects.save(replace(project, serial=serial))
        for file in plan.new:
            pen.tx.files.add(replace(file, serial=serial))


def _find_or_make(pen: Pen, index: IndexName, *, plan: ReleasePlan) -> Project:
    found = pen.tx.projects.find(index, plan.project)
    return found or Project(index, plan.project, plan.display_name, created_at=pen.now, serial=0)


def _settle(tx: Transaction, index: IndexName, *, project: ProjectName, serial: int) -> None:
    """Store the project, or remove it. Without files only a status keeps it: an undo must not end a quarantine."""
    found = tx.projects.find(index, project)
    if found is None:
        return
    if found.status is not ProjectStatus.ACTIVE or tx.files.list(index, project):
        tx.projects.save(replace(found, serial=serial))
    else:
        tx.projects.remove(index, project)
