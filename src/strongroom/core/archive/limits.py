"""How large the content of an archive may be before reading it is not worth it.

Decides the numbers only. Time and memory are limited by whoever runs the gate.
"""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what an archive unpacks to. The defaults let CUDA wheels of several GiB through.

    An archive is a bomb when it unpacks to more than `bomb_floor_bytes` and more
    than `bomb_ratio` times its own size: both, so that small text files are free.
    """

    entries: int = 100_000
    unpacked_bytes: int = 16 * 1024 * MIB
    bomb_floor_bytes: int = 64 * MIB
    bomb_ratio: int = 50
    metadata_bytes: int = 8 * MIB
    record_bytes: int = 32 * MIB
    entry_points_bytes: int = 1 * MIB
    pax_bytes: int = 1 * MIB
    path_bytes: int = 4096
