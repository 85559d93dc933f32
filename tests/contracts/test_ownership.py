"""The id that a catalog and its blobs carry, on every store."""

from __future__ import annotations

import asyncio
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from strongroom.adapters.blobs.bucket import BucketBlobs
from strongroom.adapters.blobs.bucket_store import open_bucket
from strongroom.adapters.blobs.local import LocalBlobs
from strongroom.core.errors import StorageFault, Unavailable
from strongroom.core.ownership import StoreId
from strongroom.ports import Blobs
from tests.contracts.bucket_place import Drive
from tests.contracts.driven import Driven, do_all
from tests.contracts.faulty_bucket import FaultyBucket
from tests.contracts.test_blobs import listed


def test_a_mark_is_written_once_unless_it_is_replaced(blobs: Blobs) -> None:
    """Whoever comes second is told the first one's; it is no blob."""

    async def work() -> None:
        assert await blobs.read_mark() is None
        assert await blobs.write_mark("one") == "one"
        assert await blobs.write_mark("two") == "one"
        assert await blobs.read_mark() == "one"
        assert await blobs.write_mark("three", replaces=True) == "three"
        assert await blobs.read_mark() == "three"
        assert await listed(blobs) == []

    asyncio.run(work())


def test_of_many_marks_at_once_one_is_written(blobs: Blobs) -> None:
    """And all are told the same."""

    async def work() -> None:
        told = set(await asyncio.gather(*(blobs.write_mark(f"mark-{number}") for number in range(3))))
        assert told == {await blobs.read_mark()}

    asyncio.run(work())


def test_a_catalog_keeps_one_id(catalog: Driven) -> None:
    """One row; saving makes no event."""
    assert catalog.read(lambda tx: tx.store.find()) is None
    for store_id in (StoreId("one"), StoreId("one", is_marked=True), StoreId("two")):
        do_all(catalog, lambda tx, saved: tx.store.save(saved), store_id)
        assert catalog.read(lambda tx: tx.store.find()) == store_id
    assert catalog.read(lambda tx: tx.events.serial()) == 0


def test_the_mark_of_a_directory_is_a_file_beside_the_blobs(tmp_path: Path) -> None:
    """Whoever copies `blobs/` copies it; nothing else is left."""
    asyncio.run(LocalBlobs(tmp_path, minimum_free_bytes=0).write_mark("one"))
    mark = tmp_path / "blobs" / "store-id"
    assert (mark.read_text(), mark.stat().st_mode & 0o777) == ("one\n", 0o400)
    assert list((tmp_path / "incoming").iterdir()) == []


def test_a_directory_that_cannot_be_read_or_written_says_so(tmp_path: Path) -> None:
    """It is not taken for one without a mark."""
    blobs = LocalBlobs(tmp_path, minimum_free_bytes=0)
    (tmp_path / "blobs" / "store-id").mkdir()
    with pytest.raises(StorageFault, match="Reading whose files these are failed"):
        asyncio.run(blobs.read_mark())
    (tmp_path / "incoming").rmdir()
    with pytest.raises(StorageFault, match="Marking whose files these are failed"):
        asyncio.run(blobs.write_mark("one"))


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there_is_not_one_without_a_mark(tmp_path: Path) -> None:
    """It is named for what it is."""
    missing = BucketBlobs(open_bucket("s3://no-such-bucket/place"), tmp_path, minimum_free_bytes=0)
    with pytest.raises(StorageFault) as caught:
        asyncio.run(missing.read_mark())
    assert caught.value.code == "bucket-missing"


def test_a_bucket_that_is_away_is_not_one_without_a_mark(drive: Drive, plain: S3Store) -> None:
    """Nobody waits for it long."""

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        await blobs.write_mark("one")
        faulty.upstream = "http://127.0.0.1:9"
        with pytest.raises(Unavailable):
            await blobs.read_mark()

    drive(work)
    assert bytes(obstore.get(plain, "store-id").bytes()) == b"one"
