"""An exemption: somebody asked that a rule lets something through, somebody with the right decided.

Says what an exemption is, what it covers and what may become of it. Who may decide is
judged in `services/exemptions.py`, what the rules say in `screening.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from strongroom.core.errors import Conflict, InvalidName, InvalidRequest
from strongroom.core.names import IndexName, ProjectName

USUAL_LIFETIME = timedelta(days=14)
LONGEST_LIFETIME = timedelta(days=365)
MOST_PENDING = 100
"""The most requests of one user that wait for a decision."""
EXEMPTION_ID_BYTES = 8
_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)


class Decision(StrEnum):
    """How far a request has come."""

    PENDING = "pending"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Exemption:
    """Versions of a project that one rule of an index (by its code; empty: every rule) lets through, until a time."""

    exemption_id: str
    index: IndexName
    project: ProjectName
    versions: SpecifierSet
    code: str
    reason: str
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    decision: Decision = Decision.PENDING
    decided_by: str = ""
    decided_at: datetime | None = None
    decision_reason: str = ""

    def covers(self, version: Version, code: str, *, now: datetime) -> bool:
        """Return whether it lets this version pass this rule now; it lapses by itself."""
        return (
            self.decision is Decision.APPROVED
            and now < self.expires_at
            and self.code in ("", code)
            and self.versions.contains(version, prereleases=True)
        )

    def waits(self, *, now: datetime) -> bool:
        """Return whether somebody still has to decide."""
        return self.decision is Decision.PENDING and now < self.expires_at

    def asks_like(self, other: Exemption) -> bool:
        """Return whether the same person asks for the same, however long and why."""
        return (self.requested_by, self.index, self.project, self.code, self.versions) == (
            other.requested_by,
            other.index,
            other.project,
            other.code,
            other.versions,
        )

    def __str__(self) -> str:
        """Name it as messages do."""
        return f"exemption {self.exemption_id} ({self.project}{self.versions} in '{self.index}')"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a request, why, and until when it holds (None: as long as was asked)."""

    decision: Decision
    decided_by: str
    reason: str = ""
    expires_in: timedelta | None = None


def parse_exemption_id(raw: str) -> str:
    """Return the id of an exemption; raises `InvalidName`."""
    if not _ID.fullmatch(raw):
        raise InvalidName(
            "exemption-id",
            f"{raw[:80]!a} is not an exemption's id",
            "An id is 16 hexadecimal digits; see `strongroom exemption list`.",
        )
    return raw


def expiry(lifetime: timedelta, *, now: datetime) -> datetime:
    """Return when an exemption of this lifetime lapses; raises `InvalidRequest`."""
    if not timedelta(0) < lifetime <= LONGEST_LIFETIME:
        raise InvalidRequest(
            "exemption-lifetime",
            "An exemption cannot last so long, or ends before it begins",
            f"Say up to {LONGEST_LIFETIME.days}d; what is to pass for ever belongs into the rules.",
        )
    return now + lifetime


def decide(exemption: Exemption, judgement: Judgement, *, now: datetime) -> Exemption:
    """Return the exemption after the decision; raises `Conflict` when there is nothing left to decide.

    What waits can be approved; what waits or holds can be refused (or ended early) and withdrawn.
    """
    approves = judgement.decision is Decision.APPROVED
    open_states = (Decision.PENDING,) if approves else (Decision.PENDING, Decision.APPROVED)
    if exemption.decision not in open_states:
        raise Conflict(
            "exemption-decided",
            f"The {exemption} is {exemption.decision} already",
            "Somebody who still needs it can ask for another one.",
        )
    expires_at = exemption.expires_at
    if judgement.expires_in is not None:
        expires_at = expiry(judgement.expires_in, now=now)
    if now >= expires_at:
        raise Conflict(
            "exemption-lapsed",
            f"The {exemption} has lapsed",
            "Say how long it is to hold from now on."
            if approves
            else "It does not hold any more; nothing is to be done.",
        )
    return replace(
        exemption,
        decision=judgement.decision,
        decided_by=judgement.decided_by,
        decided_at=now,
        decision_reason=judgement.reason,
        expires_at=expires_at,
    )
