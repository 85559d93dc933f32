"""The way to the bucket that a URL names: which kind of store, and the time limits of each call.

Credentials, endpoint and region come from the environment variables that each store's
own tools use (`AWS_*`, `GOOGLE_*`, `AZURE_*`), read by obstore; nothing here sees them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from strongroom.adapters.blobs.bucket_faults import raising_port_errors
from strongroom.core.errors import ConfigurationFault

if TYPE_CHECKING:  # there is no such name while the program runs
    from obstore import ObjectMeta
    from obstore.store import BackoffConfig, ClientConfig, RetryConfig, S3Config

T = TypeVar("T")

BucketStore = S3Store | GCSStore | AzureStore

CALL_SECONDS = 45
"""How long anything but a write may take; a write is bounded part by part."""
PART_BYTES = 8 * 1024 * 1024
"""Above this size an object is sent in parts of at least this size, some at a time."""
PARTS_AT_ONCE = 2
LARGE_AT_ONCE = 2
"""So many objects are sent in parts at once: each part on its way is in memory."""
WINDOW_BYTES = 4 * 1024 * 1024
"""How much of a large object is asked for at once: a slow client holds no connection to the store."""
_MOST_PARTS = 9_000
_LISTED_AT_ONCE = 1000
_ENDPOINTS = (
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT",
    "GOOGLE_BASE_URL",
    "AZURE_STORAGE_ENDPOINT",
    "AZURE_ENDPOINT",
)


def open_bucket(url: str, environment: Mapping[str, str] = os.environ) -> BucketStore:
    """Return the store of `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`; asks it nothing.

    Raises `ConfigurationFault` when the environment does not say enough.
    """
    parts = urlsplit(url)
    prefix = parts.path.strip("/") or None
    client, retry = client_limits(allows_http=_has_plain_endpoint(environment)), retry_limits()
    try:
        match parts.scheme:
            case "s3":
                config: S3Config = {}
                if "AWS_CHECKSUM_ALGORITHM" not in environment:
                    config["checksum_algorithm"] = "sha256"  # the store compares it with what arrived
                return S3Store(parts.netloc, prefix=prefix, config=config, client_options=client, retry_config=retry)
            case "gs":
                return GCSStore(parts.netloc, prefix=prefix, client_options=client, retry_config=retry)
            case _:
                return AzureStore(parts.netloc, prefix=prefix, client_options=client, retry_config=retry)
    except (BaseError, ValueError):  # their text may quote what is in the variables
        raise ConfigurationFault(
            "bucket-settings",
            f"The bucket {url} cannot be used with what the environment says of its store",
            "Check its variables (AWS_*, GOOGLE_*, AZURE_*); docs/buckets.md names them.",
        ) from None


async def in_time(call: Awaitable[T]) -> T:
    """Return what the call returns; raises `TimeoutError` when it takes too long with all its repetitions."""
    return await asyncio.wait_for(call, CALL_SECONDS)


async def list_objects(store: BucketStore, prefix: str, *, doing: str) -> AsyncIterator[ObjectMeta]:
    """Yield what is below the prefix, a thousand at a time; raises errors of the port that begin with `doing`."""
    pages = obstore.list(store, prefix=prefix, chunk_size=_LISTED_AT_ONCE)
    while True:
        with raising_port_errors(doing):
            page = await in_time(anext(pages, None))
        if page is None:
            return
        for found in page:
            yield found


def part_bytes(size_bytes: int) -> int:
    """Return in parts of which size an object of that size is sent: stores take some thousands of them at most."""
    return max(PART_BYTES, -(-size_bytes // _MOST_PARTS))


def windows(start: int, *, stop: int) -> Iterator[tuple[int, int]]:
    """Yield start and length of each part of a range that is asked for at once."""
    for first in range(start, stop, WINDOW_BYTES):
        yield first, min(WINDOW_BYTES, stop - first)


def client_limits(*, allows_http: bool) -> ClientConfig:
    """Return the time limits of one request; `timeout` includes the body, which is a few megabytes at most."""
    return {
        "allow_http": allows_http,
        "connect_timeout": timedelta(seconds=3),
        "timeout": timedelta(seconds=30),
        "default_content_type": "application/octet-stream",
    }


def retry_limits() -> RetryConfig:
    """Return how often a request is made again: after a 5xx, and, where it only reads, a lost connection."""
    backoff: BackoffConfig = {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=2),
        "base": 2,
    }
    return {"max_retries": 3, "retry_timeout": timedelta(seconds=30), "backoff": backoff}


def _has_plain_endpoint(environment: Mapping[str, str]) -> bool:
    """Return whether somebody wrote down an endpoint without TLS: then he wants it."""
    return any(environment.get(name, "").lower().startswith("http:") for name in _ENDPOINTS)
