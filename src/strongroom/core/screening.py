"""Whether an upstream's file comes through: the rules of `policies/`, brought together.

Judges by the rules of each index on the way, less the exemptions. The listing, the file
and its METADATA ask here alike, so that an old lock file cannot walk around a rule. Own
files are never judged here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from strongroom.core.exemptions import Exemption
from strongroom.core.mirrored import Copy, UpstreamFile
from strongroom.core.names import IndexName
from strongroom.core.policies.cooldown import judge_age
from strongroom.core.policy import ALLOW, Refuse, Verdict
from strongroom.core.rules import Rules


@dataclass(frozen=True, slots=True)
class Gate:
    """The rules of one index on the way, and the exemptions from them for the project in question."""

    index: IndexName
    rules: Rules
    exemptions: tuple[Exemption, ...] = ()


def screen(file: UpstreamFile, gates: tuple[Gate, ...], *, now: datetime, copy: Copy | None = None) -> Verdict:
    """Return the first refusal on the way, or `ALLOW`.

    `copy` is what is kept of the file, where that is known: some rules need its METADATA.
    """
    for gate in gates:
        for refusal in _refusals(file, gate, now=now, copy=copy):
            if not any(item.covers(file.version, refusal.code, now=now) for item in gate.exemptions):
                return refusal
    return ALLOW


def _refusals(file: UpstreamFile, gate: Gate, *, now: datetime, copy: Copy | None) -> Iterator[Refuse]:
    for verdict in (judge_age(file, gate.rules, now=now),):
        if isinstance(verdict, Refuse):
            yield verdict


def next_change(gates: tuple[Gate, ...], *, now: datetime) -> datetime | None:
    """Return when an exemption lapses next, so that a page made now is not shown longer."""
    ends = [item.expires_at for gate in gates for item in gate.exemptions if item.expires_at > now]
    return min(ends, default=None)
