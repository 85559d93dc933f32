"""How readiness finds out what is wrong with a bucket: one that says nothing, fails, only reads, or is slow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from strongroom.adapters.blobs import bucket_probe
from strongroom.adapters.blobs.bucket import BucketBlobs
from strongroom.adapters.blobs.bucket_probe import WRITE_SECONDS, BucketProbe
from strongroom.core.errors import StorageFault, Unavailable
from tests.contracts.bucket_place import open_store
from tests.contracts.faulty_bucket import HANG, FaultyBucket, Kind, Spoiling, Spoilt, answer, faulty_bucket

TAKEN = Spoilt(answer("200 OK").replace(b"Content-Length", b'ETag: "1"\r\nContent-Length'))
GIVEN = Spoilt(
    answer("206 Partial Content", "S").replace(
        b"Content-Length",
        b'ETag: "1"\r\nLast-Modified: Sun, 22 Nov 2026 00:00:00 GMT\r\nContent-Range: bytes 0-0/9\r\nContent-Length',
    )
)
DENIED = Spoilt(answer("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>"))
FAILED = Spoilt(answer("503 Slow Down"))
NO_OBJECT = Spoilt(answer("404 Not Found", "<Error><Code>NoSuchKey</Code></Error>"))
NO_BUCKET = Spoilt(answer("404 Not Found", "<Error><Code>NoSuchBucket</Code></Error>"))


def store_that(*, writes: Spoilt = TAKEN, reads: Spoilt = GIVEN) -> Spoiling:
    """Return a store of two answers."""
    return lambda kind, number: writes if kind is Kind.PUT else reads


def look_at(work: Callable[[BucketBlobs, FaultyBucket], Awaitable[None]], folder: Path) -> None:
    """Run the work on a bucket that is nothing but the proxy's answers."""

    async def main() -> None:
        async with faulty_bucket("") as faulty:
            faulty.spoiling = store_that()
            await work(BucketBlobs(open_store(faulty.endpoint, "x"), folder, minimum_free_bytes=0), faulty)

    asyncio.run(main())


def test_a_bucket_that_only_reads_is_found_out(tmp_path: Path) -> None:
    """Each look tries to write until that succeeds; reads alone would never tell."""

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        faulty.spoiling = store_that(writes=DENIED)
        for _ in range(2):
            with pytest.raises(StorageFault) as caught:
                await blobs.check()
            assert caught.value.code == "bucket-denied"
        assert faulty.seen == [Kind.PUT, Kind.PUT]
        faulty.spoiling = store_that()
        await blobs.check()

    look_at(work, tmp_path)


def test_a_good_bucket_is_written_to_now_and_then(tmp_path: Path) -> None:
    """Every look reads; only the first of ten seconds writes, and always over the same object."""

    async def main() -> None:
        now = 100.0
        async with faulty_bucket("") as faulty:
            faulty.spoiling = store_that()
            probe = BucketProbe(open_store(faulty.endpoint, "x"), lambda: now)
            for now in (100.0, 100.5, 99.9 + WRITE_SECONDS):  # noqa: B007 -- the clock reads it
                await probe.look()
            assert faulty.seen == [Kind.PUT, Kind.GET, Kind.GET, Kind.GET]
            now = 100.0 + WRITE_SECONDS
            await probe.look()
            assert faulty.seen[4:] == [Kind.PUT, Kind.GET]

    asyncio.run(main())


def test_a_write_that_fails_is_no_longer_proof_of_an_earlier_one(tmp_path: Path) -> None:
    """After a failure the next look writes, whatever was proven before."""

    async def main() -> None:
        now = 100.0
        async with faulty_bucket("") as faulty:
            faulty.spoiling = store_that()
            probe = BucketProbe(open_store(faulty.endpoint, "x"), lambda: now)
            await probe.look()
            now += WRITE_SECONDS
            faulty.spoiling = store_that(writes=DENIED)
            for _ in range(2):
                with pytest.raises(StorageFault):
                    await probe.look()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("writes", "reads"), [(FAILED, FAILED), (TAKEN, FAILED), (FAILED, GIVEN)], ids=["both", "reads", "writes"]
)
def test_a_bucket_that_fails_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: Spoilt, reads: Spoilt
) -> None:
    """Whichever of the two fails, and it is good again at the first look after that."""
    monkeypatch.setattr(bucket_probe, "WRITE_SECONDS", 0)

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        await blobs.check()
        for _ in range(2):
            faulty.spoiling = store_that(writes=writes, reads=reads)
            with pytest.raises(Unavailable, match="Looking at the bucket failed: the object store answered with"):
                await blobs.check()
        faulty.spoiling = store_that()
        await blobs.check()

    look_at(work, tmp_path)


def test_a_look_at_a_silent_bucket_ends_long_before_a_request_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else readiness would stay red for half a minute after the bucket is back."""
    monkeypatch.setattr(bucket_probe, "LOOK_SECONDS", 0.2)

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        faulty.spoiling = store_that(writes=Spoilt(HANG))
        began = time.monotonic()
        with pytest.raises(Unavailable, match="the object store did not answer in time"):
            await blobs.check()
        assert time.monotonic() - began < 5
        faulty.spoiling = store_that()
        monkeypatch.setattr(bucket_probe, "LOOK_SECONDS", 20)
        await blobs.check()

    look_at(work, tmp_path)


def test_a_slow_bucket_is_a_good_one(tmp_path: Path) -> None:
    """Late answers are answers."""

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        faulty.delay_seconds = 0.2
        await blobs.check()
        assert faulty.seen == [Kind.PUT, Kind.GET]

    look_at(work, tmp_path)


def test_somebody_may_remove_the_object_but_not_the_bucket(tmp_path: Path) -> None:
    """What is written to see whether it can be is needed by nobody."""

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        faulty.spoiling = store_that(reads=NO_OBJECT)
        await blobs.check()
        faulty.spoiling = store_that(reads=NO_BUCKET)
        with pytest.raises(StorageFault) as caught:
            await blobs.check()
        assert caught.value.code == "bucket-missing"

    look_at(work, tmp_path)
