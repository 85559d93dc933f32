"""The scenes of the proof, each on a server of its own; short and long runs differ only in numbers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.functional.server import Server
from tests.load.big_wheel import BigWheel, make_big_wheel
from tests.load.memory import MemoryWatch
from tests.load.pages import FORMS, measure_page, store_files
from tests.load.slow import Crowd, measure_good
from tests.load.transfer import Place, download_all, upload_all

MEMORY_LIMIT_MIB = 64
BUCKET_LIMIT_MIB = 128
"""Parts on their way to a bucket are in memory: of two files at once, however many are uploaded."""
PAGE_LIMIT_SECONDS = 0.050
GOOD_LIMIT_SECONDS = 0.5
STOP_LIMIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Large:
    """What large files cost: growth of the summed peaks in MiB, without and with the inspecting children."""

    faults: list[str]
    upload_seconds: float
    upload_mib: float
    upload_mib_with_inspectors: float
    download_seconds: float
    download_mib: float


@dataclass(frozen=True, slots=True)
class Slow:
    """What slow clients did: how many stayed open, how long each kind was left, and the good client's times."""

    left_open: int
    slowest: dict[str, float]
    good_p99_seconds: float
    good_requests: int


@contextmanager
def running(data: Path, *flags: str, settings: dict[str, str] | None = None) -> Iterator[tuple[Server, Place]]:
    """Yield a server and a token for it; assert that it stops cleanly."""
    server = Server(data, *flags, settings=settings)
    server.start()
    try:
        server.admin("user", "create", "load")
        yield server, Place(server.port, server.admin("token", "create", "--user", "load"))
        assert server.stop() == 0, server.log_text()
    finally:
        server.kill()


def move_large_files(data: Path, *, count: int, size_bytes: int) -> Large:
    """Upload and download so many wheels of that size at once, all through the server, also where there is a bucket."""
    with running(data) as (server, place):
        server.admin("index", "set", "main", "--downloads", "stream")
        warm = [make_big_wheel("warm", f"1.{number}", size_bytes=2**20) for number in range(2)]
        faults = upload_all(place, warm) + download_all(place, warm)
        wheels = [make_big_wheel("big", f"1.{number}", size_bytes=size_bytes) for number in range(count)]
        began = time.monotonic()
        with MemoryWatch(server.pid) as uploading:
            faults += upload_all(place, wheels)
        uploaded = time.monotonic()
        with MemoryWatch(server.pid) as downloading:
            faults += download_all(place, wheels)
        return Large(
            faults=faults,
            upload_seconds=uploaded - began,
            upload_mib=uploading.growth_mib(with_inspectors=False),
            upload_mib_with_inspectors=uploading.growth_mib(),
            download_seconds=time.monotonic() - uploaded,
            download_mib=downloading.growth_mib(),
        )


def list_many_files(data: Path, *, files: int) -> dict[str, tuple[float, float, int]]:
    """Return first and warm seconds, and bytes, of a long page in each form and coding."""
    asyncio.run(store_files(data, files))
    with running(data) as (_, place):
        return {
            f"{form} {coding}": measure_page(place, form=form, coding=coding)
            for form in FORMS
            for coding in ("identity", "gzip", "zstd")
        }


def suffer_slow_clients(data: Path, *, clients: int, settings: dict[str, str], within_seconds: float) -> Slow:
    """Let so many slow clients come, and a good one among them, until the server has closed the slow ones."""
    with running(data, settings=settings) as (_, place):
        return asyncio.run(_suffer(place, clients, within_seconds=within_seconds))


async def _suffer(place: Place, clients: int, *, within_seconds: float) -> Slow:
    crowd = Crowd(place)
    await crowd.gather(clients)
    good = await measure_good(place, "/simple/", seconds=min(within_seconds / 4, 10))
    left_open = await crowd.disperse(within_seconds)
    return Slow(left_open, crowd.slowest(), good[len(good) * 99 // 100], len(good))


def stop_among_slow_clients(data: Path, *, clients: int, settings: dict[str, str]) -> tuple[float, int]:
    """Return how long the server takes to end on SIGTERM with so many slow clients, and its exit code."""
    server = Server(data, settings=settings)
    server.start()
    try:
        server.admin("user", "create", "load")
        place = Place(server.port, server.admin("token", "create", "--user", "load"))
        return asyncio.run(_stop(server, place, clients=clients))
    finally:
        server.kill()


async def _stop(server: Server, place: Place, *, clients: int) -> tuple[float, int]:
    crowd = Crowd(place)
    await crowd.gather(clients)
    await asyncio.sleep(0.5)
    began = time.monotonic()
    server.terminate()
    status = await asyncio.to_thread(server.wait)
    seconds = time.monotonic() - began
    await crowd.disperse(5)
    return seconds, status


__all__ = ["BigWheel", "Large", "Slow", "list_many_files", "move_large_files", "stop_among_slow_clients"]
