"""Whether the server says in time that it cannot work."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.requests import Request

from strongroom.adapters.blobs.local import LocalBlobs
from strongroom.adapters.blobs.memory import MemoryBlobs
from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.core.access import ANONYMOUS
from strongroom.core.caller import Caller
from strongroom.core.errors import StorageFault, Unavailable
from strongroom.core.replica import Lag
from strongroom.http.metrics import Meters
from strongroom.http.operation import Operation
from strongroom.http.readiness import Finding, Look, Readiness, store_looks
from strongroom.ports import CatalogHealth


class Looks:
    """A check that the test breaks and mends, and that counts how often it ran."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.runs = 0

    async def look(self) -> None:
        """Count, wait where the test wants it, and fail where it wants that."""
        self.runs += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.fault is not None:
            raise self.fault


class Keeping(logging.Handler):
    """Keeps the records."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.seen.append(record)


@contextmanager
def logged() -> Iterator[list[logging.LogRecord]]:
    """Yield what the program logs meanwhile."""
    handler = Keeping()
    logger = logging.getLogger("strongroom")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield handler.seen
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def no_meters() -> Meters:
    """Fail: readiness counts nothing."""
    raise AssertionError("nobody asked for numbers")


def answer(readiness: Readiness, lag: Lag | None = None) -> tuple[int, dict[str, object]]:
    """Return status and body of /readyz."""

    async def ask() -> tuple[int, dict[str, object]]:
        request = Request({"type": "http", "method": "GET", "path": "/readyz", "headers": []})
        response = await Operation(readiness, no_meters, lag=lambda: lag).ready(request, Caller(ANONYMOUS))
        assert response.headers["cache-control"] == "no-store"
        await readiness.close()
        return response.status_code, json.loads(bytes(response.body))

    return asyncio.run(ask())


def test_all_is_well() -> None:
    """With both stores in order, 200 and a word for each."""
    status, body = answer(Readiness(store_looks(MemoryCatalog(), MemoryBlobs())))

    assert status == 200
    assert body == {
        "status": "ready",
        "checks": [{"check": "catalog", "status": "ok"}, {"check": "blobs", "status": "ok"}],
    }


@pytest.mark.parametrize(
    ("lag", "told"),
    [
        (None, None),
        (Lag(None), {"behind_seconds": None, "missing_files": 0}),
        (Lag(timedelta(seconds=2.04), lacking=3), {"behind_seconds": 2.0, "missing_files": 3}),
    ],
)
def test_a_replica_tells_how_far_behind_it_is(lag: Lag | None, told: object) -> None:
    """From its first moment on, when that is not known yet; other servers tell nothing of it."""
    status, body = answer(Readiness({"catalog": Looks().look}), lag)
    assert (status, body.get("replica")) == (200, told)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda health: replace(health, is_writable=False), "read-only"),
        (lambda health: replace(health, is_migrated=False), "not-migrated"),
    ],
)
def test_a_catalog_that_takes_no_writes_is_not_ready(
    change: Callable[[CatalogHealth], CatalogHealth], code: str
) -> None:
    """A standby and an old schema answer reads, and still no upload can be taken."""

    class Ailing(MemoryCatalog):
        async def check(self) -> CatalogHealth:
            return change(await super().check())

    status, body = answer(Readiness(store_looks(Ailing(), MemoryBlobs())))

    assert status == 503
    assert body["status"] == "not ready"
    assert body["checks"] == [
        {"check": "catalog", "status": "failed", "code": code},
        {"check": "blobs", "status": "ok"},
    ]


def test_a_full_disk_is_not_ready(tmp_path: Path) -> None:
    """Less free space than the minimum: no upload would be taken, and no temporary file stays behind."""
    full, roomy = LocalBlobs(tmp_path, 2**62), LocalBlobs(tmp_path, 0)

    assert answer(Readiness({"blobs": full.check}))[1]["checks"] == [
        {"check": "blobs", "status": "failed", "code": "disk-full"}
    ]
    assert answer(Readiness({"blobs": roomy.check}))[0] == 200
    assert list((tmp_path / "incoming").iterdir()) == []


def test_strangers_are_told_a_code_and_no_more() -> None:
    """Sentence and hint of a fault may name paths and hosts: they stay inside."""
    looks, odd = Looks(), Looks()
    looks.fault = StorageFault("blob-fault", "Writing /srv/secret failed", "Ask ops.internal.example.")
    odd.fault = ValueError("password=hunter2")

    with logged() as lines:
        _, body = answer(Readiness({"blobs": looks.look, "odd": odd.look}))

    assert [check["code"] for check in body["checks"]] == ["blob-fault", "server-fault"]  # type: ignore[attr-defined]  # JSON
    assert "secret" not in json.dumps(body)
    assert "hunter2" not in json.dumps(body)
    assert [line.levelname for line in lines] == ["ERROR", "WARNING"]


def run_looks(looks: dict[str, Look], **seconds: float) -> tuple[Finding, ...]:
    """Look once."""

    async def look() -> tuple[Finding, ...]:
        readiness = Readiness(looks, **seconds)
        found = await readiness.look()
        await readiness.close()
        return found

    return asyncio.run(look())


def test_a_check_that_hangs_is_red_in_time() -> None:
    """A blackholed store answers nothing at all: the answer comes all the same, and the other check's with it."""
    hanging, good = Looks(), Looks()

    async def look() -> tuple[Finding, ...]:
        hanging.gate = asyncio.Event()
        readiness = Readiness({"catalog": hanging.look, "blobs": good.look})
        found = await readiness.look()
        await readiness.close()
        return found

    began = time.monotonic()
    found = asyncio.run(look())

    assert time.monotonic() - began < 1.5
    assert found == (Finding("catalog", "too-slow"), Finding("blobs"))


def test_a_check_that_hangs_is_not_started_again_until_it_comes_back() -> None:
    """However often a load balancer asks, one probe hangs; when it returns, the next answer is green by itself."""
    hanging = Looks()

    async def look() -> None:
        hanging.gate = asyncio.Event()
        readiness = Readiness({"catalog": hanging.look}, kept_seconds=0, patience_seconds=0.01)
        for _ in range(5):
            assert not (await readiness.look())[0].is_good
        assert hanging.runs == 1
        hanging.gate.set()
        assert (await readiness.look())[0].is_good
        await readiness.close()

    asyncio.run(look())


def test_strangers_cannot_load_the_server() -> None:
    """A hundred askers at once and a hundred in a row cost one look."""
    looks = Looks()

    async def ask() -> None:
        readiness = Readiness({"catalog": looks.look}, kept_seconds=60)
        await asyncio.gather(*(readiness.look() for _ in range(100)))
        for _ in range(100):
            await readiness.look()
        await readiness.close()

    asyncio.run(ask())

    assert looks.runs == 1


def test_a_client_that_goes_away_spoils_no_answer() -> None:
    """Whoever asked first may be gone before the answer; the others still get it."""
    looks = Looks()

    async def ask() -> tuple[Finding, ...]:
        looks.gate = asyncio.Event()
        readiness = Readiness({"catalog": looks.look})
        first = asyncio.create_task(readiness.look())
        second = asyncio.create_task(readiness.look())
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        looks.gate.set()
        found = await second
        await readiness.close()
        return found

    assert asyncio.run(ask()) == (Finding("catalog"),)
    assert looks.runs == 1


def test_a_change_is_logged_once() -> None:
    """One line when it turns red, one when it is green again, none for each asking."""
    looks = Looks()

    async def ask() -> None:
        readiness = Readiness({"catalog": looks.look}, kept_seconds=0)
        await readiness.look()
        looks.fault = Unavailable("catalog-away", "The database is away")
        for _ in range(3):
            await readiness.look()
        looks.fault = None
        for _ in range(3):
            await readiness.look()
        await readiness.close()

    with logged() as lines:
        asyncio.run(ask())

    assert [(line.levelname, line.getMessage()) for line in lines] == [
        ("WARNING", "not ready"),
        ("INFO", "ready again"),
    ]
    assert getattr(lines[0], "fields", None) == {"catalog": "catalog-away"}


def test_a_closed_catalog_is_not_ready() -> None:
    """While the server stops, it says so."""
    catalog = MemoryCatalog()
    asyncio.run(catalog.close())

    assert run_looks(store_looks(catalog, MemoryBlobs()))[0] == Finding("catalog", "catalog-closed")
