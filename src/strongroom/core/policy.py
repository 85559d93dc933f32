"""A verdict: may it happen, and if not, why and what to do.

Every decision in the core ends in one of these values. Does not decide anything
itself; the rules live in `access.py`, `upload.py` and `policies/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Allow:
    """Nothing speaks against it."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """It may not happen: a stable code, one sentence, and what to do about it.

    `until` is when the refusal ends by itself, where it does.
    """

    code: str
    reason: str
    hint: str = ""
    until: datetime | None = None

    @property
    def sentence(self) -> str:
        """Return reason and hint as one line of text."""
        return f"{self.reason}. {self.hint}".strip() if self.hint else self.reason


Verdict = Allow | Refuse
ALLOW = Allow()
