"""A bucket beyond the contract of all stores: faults of the store, wrong bytes in it, links, warm blobs."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import urllib.request
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from strongroom.adapters.blobs.bucket import PART_BYTES, WINDOW_BYTES, BucketBlobs
from strongroom.adapters.blobs.bucket_memory import SMALL_BYTES
from strongroom.core.errors import StorageFault, StrongroomError, Unavailable
from strongroom.core.names import Sha256
from tests.contracts.buckets import ACCESS_KEY, BUCKET, READER_KEY, READER_SECRET, SECRET_KEY, BucketServer
from tests.contracts.faulty_bucket import HANG, FaultyBucket, Kind, Spoilt, always, answer, faulty_bucket, once
from tests.contracts.test_blobs import collect, digest_of, listed

SMALL = b"a small blob"
LARGE = random.Random(1).randbytes(2 * PART_BYTES + 12_345)
UNAVAILABLE = Spoilt(answer("503 Slow Down", "<Error><Code>SlowDown</Code><Message>a-detail</Message></Error>"))
ERROR_IN_200 = answer("200 OK", "<Error><Code>InternalError</Code><Message>a-detail</Message></Error>")
Work = Callable[[BucketBlobs, FaultyBucket], Awaitable[None]]


def open_store(
    endpoint: str, prefix: str, *, keys: tuple[str, str] = (ACCESS_KEY, SECRET_KEY), bucket: str = BUCKET
) -> S3Store:
    """Open the store with less patience than a server has."""
    return S3Store(
        bucket,
        prefix=prefix,
        endpoint=endpoint,
        region="us-east-1",
        access_key_id=keys[0],
        secret_access_key=keys[1],
        client_options={"allow_http": True, "timeout": timedelta(seconds=0.8)},
        retry_config={
            "max_retries": 2,
            "backoff": {
                "init_backoff": timedelta(milliseconds=10),
                "max_backoff": timedelta(milliseconds=20),
                "base": 2,
            },
        },
    )


@pytest.fixture
def prefix() -> str:
    """Choose a place that nobody uses yet."""
    return f"faulty-{os.urandom(8).hex()}"


@pytest.fixture
def drive(bucket_server: BucketServer, prefix: str, tmp_path: Path) -> Callable[[Work], None]:
    """Run a test's work on a bucket behind the spoiling proxy."""

    def run(work: Work) -> None:
        async def main() -> None:
            async with faulty_bucket(bucket_server.endpoint) as faulty:
                await work(BucketBlobs(open_store(faulty.endpoint, prefix), tmp_path, minimum_free_bytes=0), faulty)

        asyncio.run(main())

    return run


def key_of(data: bytes) -> str:
    """Return the name of the object that holds the bytes."""
    sha256 = digest_of(data)
    return f"sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}"


async def store(blobs: BucketBlobs, data: bytes) -> Sha256:
    """Keep the bytes as an upload does."""
    incoming = await blobs.receive()
    try:
        await incoming.write(data)
        return await blobs.keep(incoming)
    finally:
        await incoming.discard()


@pytest.fixture
def plain(bucket_server: BucketServer, prefix: str) -> S3Store:
    """Open the same place without the proxy."""
    return open_store(bucket_server.endpoint, prefix)


def objects(plain: S3Store) -> dict[str, int]:
    """Return the objects that are really there, with their sizes."""
    return {found["path"]: found["size"] for page in obstore.list(plain) for found in page}


def test_a_large_blob_goes_in_parts_and_once(drive: Callable[[Work], None], plain: S3Store) -> None:
    """It comes back byte for byte, in windows, and the same upload again sends nothing."""

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        sha256 = await store(blobs, LARGE)
        assert faulty.seen.count(Kind.PART) == 3
        assert faulty.seen.count(Kind.COMPLETE) == 1
        assert await collect(blobs, sha256, start=7, stop=len(LARGE)) == LARGE[7:]
        assert faulty.seen.count(Kind.GET) == -(-len(LARGE) // WINDOW_BYTES)
        assert await store(blobs, LARGE) == sha256
        assert faulty.seen.count(Kind.PART) == 3
        assert Kind.PUT not in faulty.seen

    drive(work)
    assert objects(plain) == {key_of(LARGE): len(LARGE)}


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("wrong", [b"other bytes", None], ids=["another size", "the same size"])
def test_wrong_bytes_are_replaced(
    drive: Callable[[Work], None], plain: S3Store, data: bytes, wrong: bytes | None
) -> None:
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
def test_right_bytes_are_never_written_over(drive: Callable[[Work], None], plain: S3Store, size_bytes: int) -> None:
    """The object that is there stays the same one."""
    data = LARGE[:size_bytes]
    before = obstore.put(plain, key_of(data), data)

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        await store(blobs, data)
        await blobs.put(data)
        assert faulty.seen.count(Kind.PUT) == 2

    drive(work)
    assert obstore.head(plain, key_of(data))["e_tag"] == before["e_tag"]


def test_a_blob_that_vanishes_while_it_is_compared_is_written(drive: Callable[[Work], None], plain: S3Store) -> None:
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
def test_a_passing_fault_is_not_noticed(
    drive: Callable[[Work], None], plain: S3Store, status: str, *, is_done: bool
) -> None:
    """A 5xx is tried again, whether the store did what it was asked or not."""

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        faulty.spoiling = once(Kind.PUT, Spoilt(answer(status), is_done=is_done))
        assert await store(blobs, SMALL) == digest_of(SMALL)
        assert faulty.seen.count(Kind.PUT) == 2

    drive(work)
    assert objects(plain) == {key_of(SMALL): len(SMALL)}


def test_a_write_whose_answer_is_lost_is_found(drive: Callable[[Work], None], plain: S3Store) -> None:
    """The store has the bytes and says nothing: they are looked for, and the upload succeeds."""

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        faulty.spoiling = once(Kind.PUT, Spoilt(HANG, is_done=True))
        assert await store(blobs, SMALL) == digest_of(SMALL)
        assert faulty.seen.count(Kind.PUT) == 1

    drive(work)
    assert objects(plain) == {key_of(SMALL): len(SMALL)}


def test_a_write_that_was_not_made_is_not_said_to_be(drive: Callable[[Work], None], plain: S3Store) -> None:
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

    drive(work)
    assert objects(plain) == {key_of(SMALL): len(SMALL)}


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("kind", [Kind.BEGIN, Kind.PART, Kind.COMPLETE])
def test_parts_survive_a_passing_fault(
    drive: Callable[[Work], None], plain: S3Store, kind: Kind, *, is_done: bool
) -> None:
    """Each step of a large write is tried again, and the whole is there once."""

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        faulty.spoiling = once(kind, Spoilt(answer("500 Internal Server Error"), is_done=is_done))
        assert await store(blobs, LARGE) == digest_of(LARGE)

    drive(work)
    assert objects(plain) == {key_of(LARGE): len(LARGE)}


@pytest.mark.parametrize("is_done", [False, True])
def test_an_error_inside_a_200_is_no_success(drive: Callable[[Work], None], plain: S3Store, *, is_done: bool) -> None:
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


@pytest.mark.parametrize("spoilt", [UNAVAILABLE, Spoilt(HANG)], ids=["503", "silent"])
def test_a_store_that_is_away_is_a_503_for_all(drive: Callable[[Work], None], spoilt: Spoilt) -> None:
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

    drive(work)


def test_a_store_that_nobody_reaches(tmp_path: Path) -> None:
    """Nothing listens: 503, and the cause in words."""
    blobs = BucketBlobs(open_store("http://127.0.0.1:9", "x"), tmp_path, minimum_free_bytes=0)
    with pytest.raises(Unavailable, match="the object store cannot be reached"):
        asyncio.run(blobs.put(SMALL))


def test_a_body_that_breaks_off_is_never_taken_for_whole(drive: Callable[[Work], None], plain: S3Store) -> None:
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
def test_a_store_that_refuses_is_a_fault_with_its_fix(
    drive: Callable[[Work], None], spoilt: Spoilt, code: str, hint: str
) -> None:
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


def test_a_warm_small_blob_costs_no_round_trip(drive: Callable[[Work], None], plain: S3Store) -> None:
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


def test_the_beginning_of_a_large_blob_is_not_all_of_it(drive: Callable[[Work], None], plain: S3Store) -> None:
    """Neither is it remembered."""
    data = LARGE[: SMALL_BYTES + 10]
    obstore.put(plain, key_of(data), data)

    async def work(blobs: BucketBlobs, faulty: FaultyBucket) -> None:
        assert await collect(blobs, digest_of(data), start=0, stop=10) == data[:10]
        assert await blobs.get(digest_of(data)) == data
        assert faulty.seen.count(Kind.GET) == 2

    drive(work)


def test_an_empty_blob_ends_at_once(drive: Callable[[Work], None]) -> None:
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


def test_half_written_uploads_are_never_seen(drive: Callable[[Work], None], plain: S3Store) -> None:
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
