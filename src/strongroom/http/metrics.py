"""`/metrics`: what all workers of this server have counted, in Prometheus' text format 0.0.4.

Written by hand: where several processes count, prometheus-client took 11 microseconds a
request on the machine where `watch.py` took 3, and a page takes some 50. Names no
project, user or host. Who may read it is the route's business (`operation.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from strongroom.core.errors import StrongroomError
from strongroom.http import metrics_layout as layout
from strongroom.http.cache import Cache
from strongroom.http.lane import Lane
from strongroom.http.metrics_board import Board
from strongroom.ports import Catalog

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FRESH_SECONDS = 10.0
"""A worker that has not written for so long has ended: what it has counted stays, its state does not count."""
_PATIENCE_SECONDS = 1.0

Line = str
Sample = tuple[str, float]


@dataclass(frozen=True, slots=True)
class Meters:
    """Everything in a worker that has numbers. `sample` keeps its board up to date, `render` shows all boards."""

    board: Board
    catalog: Catalog
    cache: Cache
    lane: Lane
    outcomes: Mapping[str, int]
    """How often asking an upstream came to what."""
    version: str = ""
    free_bytes: Callable[[], int] | None = None
    now: Callable[[], float] = time.time

    async def sample(self) -> None:
        """Write down what is counted elsewhere, and catch up with the catalog, so that a lag is a lag."""
        if not self.cache.is_current():
            with suppress(StrongroomError):  # readiness tells it; the serial that stands is the lag
                await self.cache.refresh()
        self._write()

    async def render(self) -> bytes:
        """Return the whole text; what cannot be known now is left out."""
        self._write()
        serial = await self._find_serial()
        boards = await asyncio.to_thread(self.board.totals)
        totals = [sum(column) for column in zip(*boards, strict=True)]
        lines = [*_requests(totals), *_counters(totals), *self._states(boards, serial=serial)]
        return "\n".join([*lines, ""]).encode()

    def _write(self) -> None:
        cells = self.board.cells
        cells[layout.CACHE_HITS], cells[layout.CACHE_MISSES] = self.lane.hits, self.lane.misses
        for outcome in layout.OUTCOMES:
            cells[layout.upstream_cell(outcome)] = self.outcomes.get(outcome, 0)
        cells[layout.WAITING_WRITES] = self.catalog.waiting_writes()
        cells[layout.SERIAL] = self.cache.serial
        cells[layout.SAMPLED_AT] = self.now()
        self.board.write()

    async def _find_serial(self) -> int | None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self.catalog.read(lambda tx: tx.events.serial())
        except (StrongroomError, TimeoutError):
            return None

    def _states(self, boards: list[Sequence[float]], *, serial: int | None) -> Iterable[Line]:
        living = [board for board in boards if self.now() - board[layout.SAMPLED_AT] < _FRESH_SECONDS]
        waiting = sum(board[layout.WAITING_WRITES] for board in living)
        yield from _metric("workers", "gauge", text="Worker processes that are alive.", samples=[("", len(living))])
        yield from _metric(
            "waiting_writes", "gauge", text="Transactions that write or wait to.", samples=[("", waiting)]
        )
        if serial is not None:
            lag = max(0.0, serial - min(board[layout.SERIAL] for board in living))
            yield from _metric("serial", "gauge", text="The number of the last change.", samples=[("", serial)])
            yield from _metric(
                "serial_lag", "gauge", text="Changes that some worker has not seen yet.", samples=[("", lag)]
            )
        if self.free_bytes is not None:
            free = self.free_bytes()
            yield from _metric(
                "disk_free_bytes", "gauge", text="Free space of the data directory's disk.", samples=[("", free)]
            )
        yield from _metric(
            "build_info", "gauge", text="The version that runs.", samples=[(f'{{version="{self.version}"}}', 1)]
        )


def _requests(totals: Sequence[float]) -> Iterable[Line]:
    kinds = [(name, totals[kind * layout.WIDTH : (kind + 1) * layout.WIDTH]) for kind, name in enumerate(layout.KINDS)]
    yield from _metric(
        "requests_total",
        "counter",
        text="Answers by kind of request and status; status 0 is any other.",
        samples=[
            (f'{{kind="{name}",status="{status}"}}', count)
            for name, cells in kinds
            for status, count in zip(layout.STATUSES, cells, strict=False)
            if count
        ],
    )
    yield from _metric(
        "request_seconds",
        "histogram",
        text="From a request's headers to the beginning of its answer; an upload's body is in between.",
        samples=[sample for name, cells in kinds for sample in _histogram(cells, name)],
    )


def _histogram(cells: Sequence[float], name: str) -> Iterable[Sample]:
    counts = cells[layout.BUCKETS : layout.SECONDS]
    if not any(counts):
        return
    so_far = 0.0
    for limit, count in zip((*map(_number, layout.BUCKETS_SECONDS), "+Inf"), counts, strict=True):
        so_far += count
        yield f'_bucket{{kind="{name}",le="{limit}"}}', so_far
    yield f'_sum{{kind="{name}"}}', cells[layout.SECONDS]
    yield f'_count{{kind="{name}"}}', so_far


def _counters(totals: Sequence[float]) -> Iterable[Line]:
    plain = (
        ("downloads_total", "Files that were given out whole, or by a link.", layout.DOWNLOADS),
        ("downloaded_bytes_total", "Bytes of the files that were given out whole.", layout.DOWNLOADED_BYTES),
        ("uploads_total", "Uploads that were acknowledged, repeated ones too.", layout.UPLOADS),
        ("uploaded_bytes_total", "Bytes of the requests that brought them.", layout.UPLOADED_BYTES),
        ("cache_hits_total", "Pages and files that were ready in memory.", layout.CACHE_HITS),
        ("cache_misses_total", "Pages and files that were not.", layout.CACHE_MISSES),
    )
    for name, text, cell in plain:
        yield from _metric(name, "counter", text=text, samples=[("", totals[cell])])
    asked = [(f'{{outcome="{outcome}"}}', totals[layout.upstream_cell(outcome)]) for outcome in layout.OUTCOMES]
    yield from _metric(
        "upstream_requests_total", "counter", text="Requests to upstreams by what came of them.", samples=asked
    )


def _metric(name: str, kind: str, *, text: str, samples: Iterable[Sample]) -> Iterable[Line]:
    """Yield the lines of one metric: its words once, then each of its samples."""
    yield f"# HELP strongroom_{name} {text}"
    yield f"# TYPE strongroom_{name} {kind}"
    for suffix, value in samples:
        yield f"strongroom_{name}{suffix} {_number(value)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
