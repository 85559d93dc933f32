"""A place in a bucket behind the spoiling proxy: what its tests share."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol

import obstore
from obstore.store import S3Store

from strongroom.adapters.blobs.bucket import BucketBlobs
from strongroom.adapters.blobs.bucket_store import PART_BYTES
from strongroom.core.names import Sha256
from tests.contracts.buckets import ACCESS_KEY, BUCKET, SECRET_KEY
from tests.contracts.faulty_bucket import FaultyBucket
from tests.contracts.test_blobs import digest_of

SMALL = b"a small blob"
LARGE = random.Random(1).randbytes(PART_BYTES + 12_345)
Work = Callable[[BucketBlobs, FaultyBucket], Awaitable[None]]


class Drive(Protocol):
    """Runs a test's work on a bucket behind the proxy; a request may take so many seconds."""

    def __call__(self, work: Work, *, seconds: float = 20) -> None:
        """Run it to its end."""
        ...


def open_store(
    endpoint: str, prefix: str, *, keys: tuple[str, str] = (ACCESS_KEY, SECRET_KEY), seconds: float = 20
) -> S3Store:
    """Open the store; with few seconds for a silent one, and many for one that is only busy."""
    return S3Store(
        BUCKET,
        prefix=prefix,
        endpoint=endpoint,
        region="us-east-1",
        access_key_id=keys[0],
        secret_access_key=keys[1],
        client_options={"allow_http": True, "timeout": timedelta(seconds=seconds)},
        retry_config={
            "max_retries": 2,
            "backoff": {
                "init_backoff": timedelta(milliseconds=10),
                "max_backoff": timedelta(milliseconds=20),
                "base": 2,
            },
        },
    )


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


def objects(plain: S3Store) -> dict[str, int]:
    """Return the objects that are really there, with their sizes."""
    return {found["path"]: found["size"] for page in obstore.list(plain) for found in page}
