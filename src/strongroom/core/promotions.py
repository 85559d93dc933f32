"""A promotion: releases of one index made visible in another, all at once and by reference.

Says what a promotion is, and who gets to see one. What it does to the target is
decided in `promote.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from strongroom.core.access import Principal, ProjectTarget, Right, allows
from strongroom.core.errors import InvalidName
from strongroom.core.names import Filename, IndexName, ProjectName
from strongroom.core.policy import Allow

PROMOTION_ID_BYTES = 8
_PARTS = (Right.READ, Right.UPLOAD, Right.MANAGE)
_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)


class Stage(StrEnum):
    """How far a promotion has come."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class PromotedRelease:
    """The files of one release that a promotion carries.

    While it is pending those that shall become visible, once it is done those that it
    made visible: what was in the target before is not among them.
    """

    project: ProjectName
    version: str
    filenames: tuple[Filename, ...]


@dataclass(frozen=True, slots=True)
class Promotion:
    """Releases on their way from one index to another."""

    promotion_id: str
    source: IndexName
    target: IndexName
    releases: tuple[PromotedRelease, ...]
    stage: Stage
    requested_by: str
    requested_at: datetime
    decided_by: str = ""
    decided_at: datetime | None = None
    reason: str = ""


def parse_promotion_id(raw: str) -> str:
    """Return the id of a promotion; raises `InvalidName`."""
    if not _ID.fullmatch(raw):
        raise InvalidName(
            "promotion-id",
            f"{raw[:80]!a} is not a promotion's id",
            "An id is 16 hexadecimal digits; see `strongroom promotion list`.",
        )
    return raw


def may_see(principal: Principal, promotion: Promotion, *, open_indexes: frozenset[IndexName]) -> bool:
    """Return whether the principal reads every release in the source, and has something to do with it in the target.

    A promotion names an index and releases that readers of the target need not know of, its managers included.
    """

    def holds(right: Right, index: IndexName, *, project: ProjectName) -> bool:
        target = ProjectTarget(index, project)
        return isinstance(allows(principal, right, target=target, open_indexes=open_indexes), Allow)

    def sees(project: ProjectName) -> bool:
        takes_part = any(holds(right, promotion.target, project=project) for right in _PARTS)
        return takes_part and holds(Right.READ, promotion.source, project=project)

    return all(sees(release.project) for release in promotion.releases)
