"""What a writer publishes: wheels that anybody can make again from the trial's number, the writer's and their own.

So the process that checks needs nothing but names from the process that was killed.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

from tests.crash.wheel import Wheel, make_wheel

PROJECTS = tuple(f"proof-{number}" for number in range(4))
_SIZES_BYTES = (0, 300, 5_000, 40_000, 140_000)


@dataclass(frozen=True, slots=True)
class Work:
    """One writing process's job. Without a `limit` it publishes until it is killed."""

    data: Path
    trial: int
    writer: int
    tasks: int = 4
    limit: int | None = None
    is_hasty: bool = False
    """Publish through the store that breaks the order of writes: the control that must fail."""


def version_of(work: Work, number: int) -> str:
    """Return the version of the writer's wheel of that number."""
    return f"{work.trial}.{work.writer}.{number}"


def wheel_of(version: str) -> Wheel:
    """Make the wheel of that version again: the same bytes each time."""
    chance = random.Random(version)
    seed = hashlib.sha256(version.encode()).digest()
    payload = (seed * (_SIZES_BYTES[-1] // len(seed) + 1))[: chance.choice(_SIZES_BYTES)]
    return make_wheel(chance.choice(PROJECTS), version, payload=payload)
