"""What is counted, and in which cell of a worker's board each number stands.

A closed set, so that counting is adding to a cell and nothing is ever made at request
time: no label comes from outside. Does not count (`watch.py`), keep (`metrics_board.py`)
or show (`metrics.py`).
"""

from __future__ import annotations

KINDS = ("list", "page", "file", "metadata", "upload", "json", "integrity", "api", "operation", "other")
"""The families of requests, as the numbers tell them apart; a kind is its place here."""
LIST, PAGE, FILE, METADATA, UPLOAD, JSON, INTEGRITY, API, OPERATION, OTHER = range(len(KINDS))
KIND_KEY = "strongroom.kind"
"""Where the lane leaves a request's kind in its scope: it knows what it is asked for."""

STATUSES = (
    *(200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308),
    *(400, 401, 403, 404, 405, 406, 408, 409, 410, 413, 416, 422, 429),
    *(500, 502, 503, 504, 507),
    0,  # any other
)
BUCKETS_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
OUTCOMES = ("found", "unchanged", "missing", "timeout", "failed")
"""What came of asking an upstream."""

STATUS_CELL = {status: number for number, status in enumerate(STATUSES)}
OTHER_STATUS = len(STATUSES) - 1
BUCKETS = len(STATUSES)
SECONDS = BUCKETS + len(BUCKETS_SECONDS) + 1
WIDTH = SECONDS + 1
"""A kind has so many cells: one a status, one a duration (the last without a limit), one for all seconds."""

_AFTER_KINDS = len(KINDS) * WIDTH
DOWNLOADS, DOWNLOADED_BYTES, UPLOADS, UPLOADED_BYTES, CACHE_HITS, CACHE_MISSES = range(_AFTER_KINDS, _AFTER_KINDS + 6)
_UPSTREAM = _AFTER_KINDS + 6
_AFTER_UPSTREAM = _UPSTREAM + len(OUTCOMES)
SAMPLED_AT, WAITING_WRITES, SERIAL = range(_AFTER_UPSTREAM, _AFTER_UPSTREAM + 3)
CELLS = _AFTER_UPSTREAM + 3
"""How many numbers a board has."""


def upstream_cell(outcome: str) -> int:
    """Return the cell of what came of asking an upstream."""
    return _UPSTREAM + OUTCOMES.index(outcome)


def kind_of(path: str) -> int:
    """Return the kind of a request that is not the lane's, which says it itself."""
    parts = path.split("/")
    match parts[1:]:
        case ["api", *_]:
            return API
        case ["healthz" | "readyz" | "metrics"]:
            return OPERATION
        case ["legacy"] | ["legacy", ""] | [_, "legacy"] | [_, "legacy", ""]:
            return UPLOAD
        case ["pypi", *_] | [_, "pypi", *_]:
            return JSON
        case ["integrity", *_] | [_, "integrity", *_]:
            return INTEGRITY
        case _:
            return OTHER
