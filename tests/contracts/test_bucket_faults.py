"""A bucket whose store fails, says nothing, or says something else than it did."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from strongroom.adapters.blobs.bucket import BucketBlobs
from strongroom.adapters.blobs.bucket_memory import SMALL_BYTES
from strongroom.core.errors import StorageFault, StrongroomError, Unavailable
from tests.contracts.bucket_place import LARGE, SMALL, Drive, key_of, objects, open_store, store
from tests.contracts.buckets import ACCESS_KEY, READER_KEY, READER_SECRET, SECRET_KEY, BucketServer
from tests.contracts.faulty_bucket import HANG, FaultyBucket, Kind, Spoilt, always, answer, once
from tests.contracts.test_blobs import collect, digest_of, listed

UNAVAILABLE = Spoilt(answer("503 Slow Down", "<Error><Code>SlowDown</Code><Message>a-detail</Message></Error>"))
ERROR_IN_200 = answer("200 OK", "<Error><Code>InternalError</Code><Message>a-detail</Message></Error>")


def test_a_blob_that_vanishes_while_it_is_compared_is_written(drive: Drive, plain: S3Store) -> None:
    """The sweep of another node may come between."""
    obstore.put(plain, key_of(SMALL), SMALL)

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        faulty.spoiling = once(Kind.GET, Spoilt(answer("404 Not Found")))
        await store(blobs, SMALL)
        assert faulty.seen.count(Kind.PUT) == 2

    drive(work)
    assert objects(plain) == {key_of(SMALL): len(SMALL)}


@pytest.mark.parametrize("status", ["500 Internal Server Error", "503 Slow Down", "502 Bad Gateway"])
@pytest.mark.parametrize("is_done", [False, True])
def test_a_passing_fault_is_not_noticed(drive: Drive, plain: S3Store, status: str, *, is_done: bool) -> None:
    """A 5xx is tried again, whether the store did what it was asked or not."""

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        faulty.spoiling = once(Kind.PUT, Spoilt(answer(status), is_done=is_done))
        assert await store(blobs, SMALL) == digest_of(SMALL)
        assert faulty.seen.count(Kind.PUT) == 2

    drive(work)
    assert objects(plain) == {key_of(SMALL): len(SMALL)}


def test_a_write_whose_answer_is_lost_is_found(drive: Drive, plain: S3Store) -> None:
    """The store has the bytes and says nothing: they are looked for, and the upload succeeds."""

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        faulty.spoiling = once(Kind.PUT, Spoilt(HANG, is_done=True))
        assert await store(blobs, SMALL) == digest_of(SMALL)
        assert faulty.seen.count(Kind.PUT) == 1

    drive(work, seconds=0.8)
    assert objects(plain) == {key_of(SMALL): len(SMALL)}


def test_a_write_that_was_not_made_is_not_said_to_be(drive: Drive, plain: S3Store) -> None:
    """The store says nothing and has nothing: 503, and the same bytes may be kept again."""

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        faulty.spoiling = once(Kind.PUT, Spoilt(HANG))
        incoming = await blobs.receive()
        await incoming.write(SMALL)
        with pytest.raises(Unavailable) as caught:
            await blobs.keep(incoming)
        assert caught.value.message == "Storing a blob failed: the object store did not answer in time"
        assert objects(plain) == {}
        assert await blobs.keep(incoming) == digest_of(SMALL)
        assert not incoming.path.exists()

    drive(work, seconds=0.8)
    assert objects(plain) == {key_of(SMALL): len(SMALL)}


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("kind", [Kind.BEGIN, Kind.PART, Kind.COMPLETE])
def test_parts_survive_a_passing_fault(drive: Drive, plain: S3Store, kind: Kind, *, is_done: bool) -> None:
    """Each step of a large write is tried again, and the whole is there once."""

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        faulty.spoiling = once(kind, Spoilt(answer("500 Internal Server Error"), is_done=is_done))
        assert await store(blobs, LARGE) == digest_of(LARGE)

    drive(work)
    assert objects(plain) == {key_of(LARGE): len(LARGE)}


@pytest.mark.parametrize("is_done", [False, True])
def test_an_error_inside_a_200_is_no_success(drive: Drive, plain: S3Store, *, is_done: bool) -> None:
    """S3 answers the end of a large write with 200 before it knows: only the body tells, or a look at the object."""

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        faulty.spoiling = always({Kind.COMPLETE}, Spoilt(ERROR_IN_200, is_done=is_done))
        if is_done:
            assert await store(blobs, LARGE) == digest_of(LARGE)
        else:
            with pytest.raises(Unavailable):
                await store(blobs, LARGE)

    drive(work)
    assert objects(plain) == ({key_of(LARGE): len(LARGE)} if is_done else {})


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("first", [b"HTTP/1.1 2", answer("500 Internal Server Error")], ids=["cut off", "500"])
def test_an_upload_that_is_no_longer_known_may_be_complete(
    drive: Drive, plain: S3Store, first: bytes, *, is_done: bool
) -> None:
    """The end of a large write is asked for again, and many stores have forgotten it by then: no missing bucket."""

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        forgotten = Spoilt(answer("404 Not Found", "<Error><Code>NoSuchUpload</Code></Error>"))
        lost = Spoilt(first, is_done=is_done)
        faulty.spoiling = lambda kind, number: (forgotten if number else lost) if kind is Kind.COMPLETE else None
        if is_done:
            assert await store(blobs, LARGE) == digest_of(LARGE)
        else:
            with pytest.raises(Unavailable):
                await store(blobs, LARGE)

    drive(work)
    assert objects(plain) == ({key_of(LARGE): len(LARGE)} if is_done else {})


@pytest.mark.parametrize("spoilt", [UNAVAILABLE, Spoilt(HANG)], ids=["503", "silent"])
def test_a_store_that_is_away_is_a_503_for_all(drive: Drive, spoilt: Spoilt) -> None:
    """Each method says so within its time, and repeats nothing of the store's own text."""

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        faulty.spoiling = always(set(Kind), spoilt)
        sha256 = digest_of(SMALL)
        calls: list[Awaitable[object]] = [
            blobs.put(SMALL),
            store(blobs, LARGE),
            blobs.get(sha256),
            collect(blobs, sha256, start=0, stop=5),
            collect(blobs, sha256, start=0, stop=SMALL_BYTES + 1),
            blobs.link(sha256, seconds=300),
            blobs.remove(sha256),
            blobs.check(),
            listed(blobs),
        ]
        for caught in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(caught, Unavailable)
            assert caught.code == "bucket-unavailable"
            assert "a-detail" not in caught.sentence

    drive(work, seconds=0.8)


def test_a_store_that_nobody_reaches(tmp_path: Path) -> None:
    """Nothing listens: 503, and the cause in words."""
    blobs = BucketBlobs(open_store("http://127.0.0.1:9", "x"), tmp_path, minimum_free_bytes=0)
    with pytest.raises(Unavailable, match="the object store cannot be reached"):
        asyncio.run(blobs.put(SMALL))


def test_a_body_that_breaks_off_is_never_taken_for_whole(drive: Drive, plain: S3Store) -> None:
    """The connection ends early each time: an error, not fewer bytes."""
    obstore.put(plain, key_of(LARGE), LARGE)
    cut = b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1000\r\nContent-Range: bytes 0-999/2000\r\n"
    cut += b'ETag: "x"\r\nLast-Modified: Sun, 22 Nov 2026 00:00:00 GMT\r\nConnection: close\r\n\r\n' + bytes(10)

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        faulty.spoiling = always({Kind.GET}, Spoilt(cut))
        with pytest.raises(StrongroomError):
            await collect(blobs, digest_of(LARGE), start=0, stop=1000)
        with pytest.raises(StrongroomError):
            await collect(blobs, digest_of(LARGE), start=0, stop=SMALL_BYTES + 1)

    drive(work)


@pytest.mark.parametrize(
    ("spoilt", "code", "hint"),
    [
        (Spoilt(answer("403 Forbidden", "<Error>a-detail</Error>")), "bucket-denied", "credentials"),
        (Spoilt(answer("401 Unauthorized", "<Error>a-detail</Error>")), "bucket-denied", "credentials"),
        (Spoilt(answer("404 Not Found", "<Error><Code>NoSuchBucket</Code>a-detail</Error>")), "bucket-missing", "name"),
        (Spoilt(answer("301 Moved Permanently")), "bucket-region", "AWS_REGION"),
        (Spoilt(answer("400 Bad Request", "<Error>a-detail</Error>")), "bucket-refused", "endpoint"),
    ],
    ids=["403", "401", "no bucket", "region", "400"],
)
def test_a_store_that_refuses_is_a_fault_with_its_fix(drive: Drive, spoilt: Spoilt, code: str, hint: str) -> None:
    """It is no passing trouble: each method says what to mend, without the store's own text."""

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        faulty.spoiling = always(set(Kind), spoilt)
        sha256 = digest_of(SMALL)
        for call in (
            blobs.put(SMALL),
            store(blobs, LARGE),
            blobs.get(sha256),
            collect(blobs, sha256, start=0, stop=5),
            blobs.remove(sha256),
            blobs.check(),
            listed(blobs),
        ):
            with pytest.raises(StorageFault) as caught:
                await call
            assert caught.value.code == code
            assert hint in caught.value.hint
            assert "a-detail" not in caught.value.sentence

    if code in ("bucket-missing", "bucket-region"):
        # A HEAD has no body, so that it cannot tell these from a missing object.
        spoilt_kinds = set(Kind) - {Kind.HEAD}

        async def without_head(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
            faulty.spoiling = always(spoilt_kinds, spoilt)
            with pytest.raises(StorageFault) as caught:
                await blobs.put(SMALL)
            assert caught.value.code == code

        drive(without_head)
    drive(work)


@pytest.mark.parametrize("keys", [(ACCESS_KEY, "wrong-secret"), (READER_KEY, READER_SECRET), ("nobody", SECRET_KEY)])
def test_credentials_are_never_in_the_words(
    bucket_server: BucketServer, tmp_path: Path, keys: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Wrong ones, too weak ones, unknown ones: refused, without being repeated, nor logged."""
    blobs = BucketBlobs(open_store(bucket_server.endpoint, "x", keys=keys), tmp_path, minimum_free_bytes=0)
    with pytest.raises(StorageFault) as caught:
        asyncio.run(blobs.put(SMALL))
    assert caught.value.code == "bucket-denied"
    assert caught.value.__cause__ is None
    for secret in keys:
        assert secret not in caught.value.sentence
        assert secret not in caplog.text
    assert SECRET_KEY not in caught.value.sentence


def test_half_written_uploads_are_never_seen(drive: Drive, plain: S3Store) -> None:
    """A large write that is given up in the middle leaves no object, and its temporary file to its owner."""

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        faulty.spoiling = lambda kind, number: Spoilt(HANG) if kind is Kind.PART and number == 1 else None
        incoming = await blobs.receive()
        await incoming.write(LARGE)
        task = asyncio.ensure_future(blobs.keep(incoming))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert objects(plain) == {}
        assert hashlib.sha256(incoming.path.read_bytes()).hexdigest() == digest_of(LARGE)
        await incoming.discard()

    drive(work)


def test_a_fault_while_bytes_are_compared_is_the_answer(drive: Drive, plain: S3Store) -> None:
    """Nothing is written over before it is known what is there."""
    obstore.put(plain, key_of(SMALL), bytes(len(SMALL)))

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        faulty.spoiling = always({Kind.GET}, Spoilt(answer("403 Forbidden")))
        with pytest.raises(StorageFault) as caught:
            await blobs.put(SMALL)
        assert caught.value.code == "bucket-denied"
        assert faulty.seen.count(Kind.PUT) == 1

    drive(work)


def test_a_missing_object_is_no_missing_bucket(drive: Drive) -> None:
    """Some stores answer the removal of a missing object with 404; that the bucket is missing is never passed over."""

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        faulty.spoiling = always(set(Kind), Spoilt(answer("404 Not Found", "<Code>NoSuchKey</Code>")))
        await blobs.remove(digest_of(SMALL))
        with pytest.raises(StorageFault) as caught:
            await blobs.get(digest_of(SMALL))
        assert caught.value.code == "blob-missing"
        faulty.spoiling = always(set(Kind), Spoilt(answer("404 Not Found", "<Code>NoSuchBucket</Code>")))
        with pytest.raises(StorageFault) as caught:
            await blobs.remove(digest_of(SMALL))
        assert caught.value.code == "bucket-missing"

    drive(work)
