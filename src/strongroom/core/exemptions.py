"""An exemption: somebody asked that a rule lets something through, somebody with the right decided.

Says what an exemption is and what it covers. Who may decide is judged in
`services/exemptions.py`, what the rules say in `screening.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from strongroom.core.names import IndexName, ProjectName


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
