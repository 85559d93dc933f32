"""Names that an index keeps for itself, and how it deals with their namesakes upstream.

Says what such an entry is and which names it means. Which source answers for a name
is decided in `sources.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase

from strongroom.core.errors import InvalidRequest
from strongroom.core.names import IndexName, ProjectName, ProjectPattern


class Hold(StrEnum):
    """What an index does with a name."""

    RESERVED = "reserved"
    """The name is the index's own, with or without files; nobody asks an upstream for it."""
    CLAIMED = "claimed"
    """The same, knowing that the name exists upstream too: the index's own files stand for it here."""
    OVERLAY = "overlay"
    """Own files and the next source's files stand together: a patched fork."""


HOLD_WORDS = {Hold.RESERVED: "reserved", Hold.CLAIMED: "claimed", Hold.OVERLAY: "overlaid"}
"""What such a name is, in a sentence."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """One index's hold on a name, or on all names that match a pattern; one for each index and pattern."""

    index: IndexName
    pattern: ProjectPattern
    hold: Hold
    created_at: datetime
    created_by: str
    reason: str = ""

    def covers(self, project: ProjectName) -> bool:
        """Return whether the name is meant."""
        return fnmatchcase(project, self.pattern)

    @property
    def is_exact(self) -> bool:
        """Return whether it means a single name."""
        return is_exact(self.pattern)


def is_exact(pattern: ProjectPattern) -> bool:
    """Return whether the pattern means a single name."""
    return not set(pattern) & set("*?")


def demand_sensible(pattern: ProjectPattern, hold: Hold) -> None:
    """Raise `InvalidRequest` unless the pattern can be held so: a name, or for reservations a prefix too."""
    if is_exact(pattern):
        return
    if hold is not Hold.RESERVED:
        raise InvalidRequest(
            "hold-pattern",
            f"'{pattern}' is a pattern, and only a single name can be {HOLD_WORDS[hold]}",
            "Name the project itself; repeat it for each.",
        )
    stem = pattern.removesuffix("*").removesuffix("-")
    if not stem or set(stem) & set("*?"):
        raise InvalidRequest(
            "reservation-pattern",
            f"'{pattern}' is neither a name nor a prefix",
            "Reserve a name such as 'billing', or a prefix such as 'acme-*'.",
        )
