"""A bucket beyond the contract of all stores: parts, wrong bytes in it, links, warm blobs."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from strongroom.adapters.blobs.bucket import BucketBlobs
from strongroom.adapters.blobs.bucket_memory import SMALL_BYTES
from strongroom.adapters.blobs.bucket_store import WINDOW_BYTES
from strongroom.core.errors import StorageFault
from strongroom.core.names import Sha256
from tests.contracts.bucket_place import LARGE, SMALL, Drive, key_of, objects, open_store, store
from tests.contracts.buckets import BucketServer
from tests.contracts.faulty_bucket import FaultyBucket, Kind
from tests.contracts.test_blobs import collect, digest_of, listed


def test_a_large_blob_goes_in_parts_and_once(drive: Drive, plain: S3Store) -> None:
    """It comes back byte for byte, in windows, and the same upload again sends nothing."""

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        sha256 = await store(blobs, LARGE)
        assert faulty.seen.count(Kind.PART) == 2
        assert faulty.seen.count(Kind.COMPLETE) == 1
        assert await collect(blobs, sha256, start=7, stop=len(LARGE)) == LARGE[7:]
        assert faulty.seen.count(Kind.GET) == -(-len(LARGE) // WINDOW_BYTES)
        assert await store(blobs, LARGE) == sha256
        assert faulty.seen.count(Kind.PART) == 2
        assert Kind.PUT not in faulty.seen

    drive(work)
    assert objects(plain) == {key_of(LARGE): len(LARGE)}


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("wrong", [b"other bytes", None], ids=["another size", "the same size"])
def test_wrong_bytes_are_replaced(drive: Drive, plain: S3Store, data: bytes, wrong: bytes | None) -> None:
    """What has the blob's name and not its digest is never taken for it."""
    obstore.put(plain, key_of(data), wrong or bytes(len(data)))

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        with pytest.raises(StorageFault) as caught:
            await blobs.get(digest_of(data))
        assert caught.value.code == "blob-damaged"
        await store(blobs, data)
        assert await blobs.get(digest_of(data)) == data

    drive(work)
    assert objects(plain) == {key_of(data): len(data)}


@pytest.mark.parametrize("size_bytes", [len(SMALL), SMALL_BYTES + 1])
def test_right_bytes_are_never_written_over(drive: Drive, plain: S3Store, size_bytes: int) -> None:
    """The object that is there stays the same one."""
    data = LARGE[:size_bytes]
    before = obstore.put(plain, key_of(data), data)

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        await store(blobs, data)
        await blobs.put(data)
        assert faulty.seen.count(Kind.PUT) == 2

    drive(work)
    assert obstore.head(plain, key_of(data))["e_tag"] == before["e_tag"]


def test_a_link_gives_the_bytes_to_whoever_has_it(bucket: BucketBlobs) -> None:
    """Without credentials, whole or in part; it is made without asking the store when it was asked lately."""

    async def work() -> str:
        await bucket.put(SMALL)
        link = await bucket.link(digest_of(SMALL), seconds=300)
        assert link is not None
        with pytest.raises(StorageFault) as caught:
            await bucket.link(Sha256("1" * 64), seconds=300)
        assert caught.value.code == "blob-missing"
        return link

    link = asyncio.run(work())
    with urllib.request.urlopen(link) as reply:
        assert reply.read() == SMALL
    with urllib.request.urlopen(urllib.request.Request(link, headers={"Range": "bytes=2-6"})) as reply:
        assert (reply.status, reply.read()) == (206, SMALL[2:7])
    for other in (link.replace(digest_of(SMALL), "1" * 64), link.replace("X-Amz-Expires=300", "X-Amz-Expires=9000")):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(other)
        assert refused.value.code in (403, 404)
        refused.value.close()


def test_credentials_that_sign_nothing_give_no_link(bucket_server: BucketServer, tmp_path: Path) -> None:
    """The bytes can still be passed on by the server."""

    async def work() -> None:
        named = open_store(bucket_server.endpoint, "unsigned")
        blobs = BucketBlobs(named, tmp_path, minimum_free_bytes=0)
        await blobs.put(SMALL)
        assert await blobs.link(digest_of(SMALL), seconds=300) is not None
        assert await blobs.link(digest_of(SMALL), seconds=-1) is None

    asyncio.run(work())


def test_a_warm_small_blob_costs_no_round_trip(drive: Drive, plain: S3Store) -> None:
    """After one read, or after its writing, all of it and any part come from memory; a removed one does not."""
    written, read = b"written", b"read"
    obstore.put(plain, key_of(read), read)

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        await blobs.put(written)
        assert await collect(blobs, digest_of(read), start=1, stop=3) == read[1:3]
        before = len(faulty.seen)
        for data in (written, read):
            assert await blobs.get(digest_of(data)) == data
            assert await collect(blobs, digest_of(data), start=0, stop=len(data)) == data
        assert len(faulty.seen) == before
        await blobs.remove(digest_of(read))
        with pytest.raises(StorageFault):
            await blobs.get(digest_of(read))

    drive(work)


def test_the_beginning_of_a_large_blob_is_not_all_of_it(drive: Drive, plain: S3Store) -> None:
    """Neither is it remembered."""
    data = LARGE[: SMALL_BYTES + 10]
    obstore.put(plain, key_of(data), data)

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        assert await collect(blobs, digest_of(data), start=0, stop=10) == data[:10]
        assert await blobs.get(digest_of(data)) == data
        assert faulty.seen.count(Kind.GET) == 2

    drive(work)


def test_an_empty_blob_ends_at_once(drive: Drive) -> None:
    """Stores refuse a range of nothing; whoever asks for a byte of it is told that there is none."""

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        sha256 = await blobs.put(b"")
        await blobs.remove(sha256)
        obstore_key = key_of(b"")
        await obstore.put_async(blobs._store, obstore_key, b"")
        with pytest.raises(StorageFault) as caught:
            await collect(blobs, sha256, start=0, stop=1)
        assert caught.value.code == "blob-short"
        assert await blobs.get(sha256) == b""

    drive(work)


def test_objects_of_other_names_stay_alone(bucket: BucketBlobs) -> None:
    """A bucket may hold what is not ours: it is not listed, so never swept."""

    async def work() -> None:
        await bucket.put(SMALL)
        await obstore.put_async(bucket._store, "sha256/readme.txt", b"hello")
        await obstore.put_async(bucket._store, "other/thing", b"hello")
        assert [info.sha256 for info in await listed(bucket)] == [digest_of(SMALL)]

    asyncio.run(work())


def test_a_bucket_that_answers_is_ready(bucket: BucketBlobs, tmp_path: Path) -> None:
    """The check leaves nothing behind."""
    asyncio.run(bucket.check())
    assert list((tmp_path / "incoming").iterdir()) == []
    assert asyncio.run(listed(bucket)) == []


def test_what_dead_uploads_left_is_purged(bucket: BucketBlobs, tmp_path: Path) -> None:
    """Temporary files are local ones here, too."""
    left = tmp_path / "incoming" / "left"
    left.write_bytes(b"half an upload")

    async def work() -> None:
        assert await bucket.purge_incoming(datetime.now(UTC) - timedelta(days=1)) == 0
        assert await bucket.purge_incoming(datetime.now(UTC) + timedelta(days=1)) == 1

    asyncio.run(work())
    assert not left.exists()
