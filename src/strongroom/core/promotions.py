"""A promotion: releases of one index made visible in another, all at once and by reference.

Says what a promotion is. What it does to the target is decided in `promote.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from strongroom.core.names import Filename, IndexName, ProjectName


class Stage(StrEnum):
    """How far a promotion has come."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class PromotedRelease:
    """The files of one release that a promotion carries."""

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
