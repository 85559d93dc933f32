"""The rules of an index about what comes through it from upstreams: the settings, not the judging.

`screening.py` brings the rules together, `policies/` holds each of them. An index's
own files are not judged by these.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

COOLDOWN = timedelta(days=3)
"""The default for public files: the malicious releases of recent years were mostly found within that time."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a file must be to come through; an empty tuple or None means that the rule is off.

    `allowed` and `denied` are requirements without extras or markers, whose name may be a
    pattern: `django`, `acme-*`, `requests>=2.31,<3`. `platforms` are patterns over wheel
    platform tags, to which `any` always belongs. `licences` are SPDX identifiers.
    """

    cooldown: timedelta | None = None
    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    takes_sdists: bool = True
    takes_yanked: bool = True
    platforms: tuple[str, ...] = ()
    max_size_bytes: int | None = None
    licences: tuple[str, ...] = ()
    takes_unknown_licences: bool = True


NO_RULES = Rules()
