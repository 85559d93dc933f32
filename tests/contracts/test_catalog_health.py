"""What every catalog says of itself."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from strongroom.adapters.sql.catalog import open_catalog
from strongroom.core.errors import Unavailable
from strongroom.ports import Transaction
from tests.contracts.driven import CHAIN_KEY, Driven


def test_a_catalog_that_works_says_so(catalog: Driven) -> None:
    """It takes writes, has this program's schema, and its clock is near ours."""
    health = catalog.runner.run(catalog.catalog.check())

    assert health.is_writable
    assert health.is_migrated
    assert abs(health.at - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_busy_writer_is_no_fault(url: str) -> None:
    """The check waits for nobody's transaction; who waits is counted instead."""
    catalog = open_catalog(url, chain_key=CHAIN_KEY)
    begun, end = threading.Event(), threading.Event()

    def hold(_tx: Transaction) -> None:
        begun.set()
        end.wait(30)

    async def look() -> tuple[bool, int, int]:
        writing = asyncio.create_task(catalog.write(hold))
        waiting = asyncio.create_task(catalog.write(lambda tx: tx.events.serial()))
        await asyncio.to_thread(begun.wait, 30)
        try:
            async with asyncio.timeout(5):
                health = await catalog.check()
            busy = catalog.waiting_writes()
        finally:
            end.set()
        await asyncio.gather(writing, waiting)
        quiet = catalog.waiting_writes()
        await catalog.close()
        return health.is_writable, busy, quiet

    assert asyncio.run(look()) == (True, 2, 0)


def test_a_closed_catalog_is_away(catalog: Driven) -> None:
    """While the server stops, the check fails as everything else does."""
    catalog.runner.run(catalog.catalog.close())

    with pytest.raises(Unavailable):
        catalog.runner.run(catalog.catalog.check())


@pytest.mark.parametrize(("revision", "is_migrated"), [("0001", False), ("9999", True)])
def test_another_schema_is_told(tmp_path: Path, revision: str, is_migrated: bool) -> None:  # noqa: FBT001 - a case
    """An older schema than this program's is a fault; during a rolling upgrade a newer one is none."""
    path = tmp_path / "catalog.db"
    catalog = open_catalog(f"sqlite:///{path}", chain_key=CHAIN_KEY)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    connection.close()

    health = asyncio.run(catalog.check())
    asyncio.run(catalog.close())

    assert health.is_migrated is is_migrated
    assert health.is_writable
