"""The small parts of the bucket adapter: what is remembered, which store a URL means, what a failure means."""

from __future__ import annotations

import asyncio
import errno
import sys
from pathlib import Path

import pytest
from obstore.exceptions import GenericError
from obstore.store import AzureStore, GCSStore, S3Store

from strongroom.adapters.blobs.bucket import BucketBlobs
from strongroom.adapters.blobs.bucket_faults import raising_port_errors, translate
from strongroom.adapters.blobs.bucket_links import KNOWN_SECONDS, KnownDigests
from strongroom.adapters.blobs.bucket_memory import SMALL_BYTES, SmallBlobs
from strongroom.adapters.blobs.bucket_store import in_time, open_bucket
from strongroom.adapters.blobs.local import LocalBlobs
from strongroom.bootstrap import open_blobs
from strongroom.config import Settings
from strongroom.core.errors import ConfigurationFault, StorageFault, StorageFull, Unavailable
from strongroom.core.names import Sha256

FIRST, SECOND, THIRD = Sha256("1" * 64), Sha256("2" * 64), Sha256("3" * 64)


def test_small_blobs_are_remembered_up_to_a_limit_the_least_used_leaving_first() -> None:
    """What was asked for lately stays."""
    small = SmallBlobs(limit_bytes=2500)
    small.keep(FIRST, bytes(900))
    small.keep(SECOND, bytes(900))
    assert small.find(FIRST) == bytes(900)
    small.keep(FIRST, bytes(900))
    small.keep(THIRD, bytes(900))
    assert [small.find(sha256) is not None for sha256 in (FIRST, SECOND, THIRD)] == [True, False, True]


def test_large_blobs_are_not_remembered() -> None:
    """One byte more is too much."""
    small = SmallBlobs()
    small.keep(FIRST, bytes(SMALL_BYTES))
    small.keep(SECOND, bytes(SMALL_BYTES + 1))
    assert small.find(FIRST) is not None
    assert small.find(SECOND) is None


def test_what_is_forgotten_leaves_its_room() -> None:
    """Forgetting what is not there changes nothing."""
    small = SmallBlobs(limit_bytes=2500)
    for _ in range(5):
        small.keep(FIRST, bytes(900))
        small.forget(FIRST)
        small.forget(FIRST)
        assert small.find(FIRST) is None
    small.keep(SECOND, bytes(900))
    small.keep(THIRD, bytes(900))
    assert small.find(SECOND) is not None


def test_a_digest_is_known_for_a_minute() -> None:
    """And not when it was never seen, nor after it was removed."""
    now = 0.0
    known = KnownDigests(lambda: now)
    assert not known.has(FIRST)
    known.add(FIRST)
    known.add(SECOND)
    known.forget(SECOND)
    known.forget(SECOND)
    now = KNOWN_SECONDS - 1
    assert known.has(FIRST)
    assert not known.has(SECOND)
    now = KNOWN_SECONDS
    assert not known.has(FIRST)


def test_the_known_digests_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those seen first are forgotten."""
    monkeypatch.setattr("strongroom.adapters.blobs.bucket_links._MOST", 2)
    known = KnownDigests()
    for sha256 in (FIRST, SECOND, FIRST, THIRD):
        known.add(sha256)
    assert [known.has(sha256) for sha256 in (FIRST, SECOND, THIRD)] == [True, False, True]


def test_a_url_names_the_kind_of_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name and prefix come from the URL; asking for it opens no connection."""
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "packages")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0")
    s3, gs, az = open_bucket("s3://bucket/a/b"), open_bucket("gs://bucket"), open_bucket("az://container/a")
    assert isinstance(s3, S3Store)
    assert (s3.config["bucket"], s3.prefix) == ("bucket", "a/b")
    assert s3.config["checksum_algorithm"].lower() == "sha256"
    assert isinstance(gs, GCSStore)
    assert (gs.config["bucket"], gs.prefix) == ("bucket", None)
    assert isinstance(az, AzureStore)
    assert (az.config["container_name"], az.prefix) == ("container", "a")


def test_the_environment_may_choose_another_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the operator says counts before our own choice."""
    monkeypatch.setenv("AWS_CHECKSUM_ALGORITHM", "crc64nvme")
    store = open_bucket("s3://bucket")
    assert isinstance(store, S3Store)
    assert "checksum_algorithm" not in store.config  # so that the variable counts


def test_a_store_that_the_environment_does_not_describe(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program does not start, and the variables' contents are not repeated."""
    monkeypatch.setenv("AWS_CHECKSUM_ALGORITHM", "a-mistake")
    with pytest.raises(ConfigurationFault, match="s3://bucket") as caught:
        open_bucket("s3://bucket")
    assert "a-mistake" not in caught.value.sentence


@pytest.mark.parametrize(("endpoint", "allowed"), [("http://store.example", True), ("https://store.example", False)])
def test_without_tls_only_where_the_endpoint_says_so(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, *, allowed: bool
) -> None:
    """An endpoint written with http: is somebody's decision; nothing else leads there."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    store = open_bucket("s3://bucket")
    assert isinstance(store, S3Store)
    assert store.client_options is not None
    assert str(store.client_options.get("allow_http")) == str(allowed).lower()


def test_the_setting_decides_where_blobs_are(tmp_path: Path) -> None:
    """A directory by default, which needs no library; a bucket by its URL."""
    assert isinstance(open_blobs(Settings(data=str(tmp_path))), LocalBlobs)
    assert isinstance(open_blobs(Settings(data=str(tmp_path), blobs="s3://bucket/x")), BucketBlobs)


def test_a_missing_library_is_said_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is optional, and the directory works without it."""
    for name in [name for name in sys.modules if name.startswith("strongroom.adapters.blobs.bucket")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(ConfigurationFault) as caught:
        open_blobs(Settings(data=str(tmp_path), blobs="s3://bucket/x"))
    assert "strongroom[bucket]" in caught.value.hint
    assert isinstance(open_blobs(Settings(data=str(tmp_path))), LocalBlobs)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Server returned non-2xx status code: 409 Conflict", "bucket-unavailable"),
        ("Server returned non-2xx status code: 429 Too Many Requests", "bucket-unavailable"),
        ("Server returned non-2xx status code: 500 Internal Server Error", "bucket-unavailable"),
        ("HTTP error: operation timed out", "bucket-unavailable"),
        ("Server returned non-2xx status code: 404 Not Found", "bucket-missing"),
        ("Server returned non-2xx status code: 404 Not Found: <Code>NoSuchUpload</Code>", "bucket-unavailable"),
        ("Server returned non-2xx status code: 403 Forbidden", "bucket-denied"),
        ("Server returned non-2xx status code: 501 Not Implemented", "bucket-unavailable"),
        ("Server returned non-2xx status code: 405 Method Not Allowed", "bucket-refused"),
    ],
)
def test_what_a_failure_means(text: str, code: str) -> None:
    """Trouble that passes is a 503, the rest a fault; both name what was being done."""
    fault = translate(GenericError(text), "Storing a blob")
    assert fault.code == code
    assert isinstance(fault, Unavailable) == (code == "bucket-unavailable")
    assert fault.message.startswith("Storing a blob failed: ")
    assert fault.hint


def test_a_call_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the library's own limits do; that is trouble that passes."""
    monkeypatch.setattr("strongroom.adapters.blobs.bucket_store.CALL_SECONDS", 0.01)

    async def work() -> None:
        with raising_port_errors("Reading a blob"):
            await in_time(asyncio.sleep(60))

    with pytest.raises(Unavailable, match="Reading a blob failed: the object store did not answer in time"):
        asyncio.run(work())


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, StorageFull), (errno.EIO, StorageFault)])
def test_trouble_with_the_local_file_is_not_the_stores(number: int, kind: type[Exception]) -> None:
    """What arrives is a local file first, and its disk may fail."""
    with pytest.raises(kind) as caught, raising_port_errors("Storing a blob"):
        raise OSError(number, "trouble")
    assert "object store" not in str(caught.value)
