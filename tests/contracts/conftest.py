"""The adapters that each contract runs on."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from obstore.store import S3Store

from strongroom.adapters.blobs.bucket import BucketBlobs
from strongroom.adapters.blobs.bucket_store import open_bucket
from strongroom.adapters.blobs.local import LocalBlobs
from strongroom.adapters.blobs.memory import MemoryBlobs
from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.adapters.sql.catalog import open_catalog
from strongroom.ports import Blobs
from tests.contracts.bucket_place import Drive, Work, open_store
from tests.contracts.buckets import BucketServer, running_bucket
from tests.contracts.driven import CHAIN_KEY, Driven, driven
from tests.contracts.faulty_bucket import faulty_bucket
from tests.contracts.servers import TEMPLATE, PostgresServer, running_postgres

DATABASES = ("sqlite", "postgres")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Start a PostgreSQL server with a database that holds our empty tables, to be copied."""
    with running_postgres() as server:
        server.create_named(TEMPLATE)
        catalog = open_catalog(server.url_of(TEMPLATE), chain_key=CHAIN_KEY)
        asyncio.run(catalog.close())
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a database file that holds our empty tables, to be copied."""
    path = tmp_path_factory.mktemp("template") / "catalog.db"
    asyncio.run(open_catalog(f"sqlite:///{path}", chain_key=CHAIN_KEY).close())
    return path


def make_empty_database(kind: str, request: pytest.FixtureRequest) -> str:
    """Return the address of a new database without tables; only asking for PostgreSQL starts one."""
    if kind == "sqlite":
        return f"sqlite:///{request.getfixturevalue('tmp_path')}/catalog.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create_database()


def make_database(kind: str, request: pytest.FixtureRequest) -> str:
    """Return the address of a new database with our empty tables."""
    if kind == "sqlite":
        path: Path = request.getfixturevalue("tmp_path") / "catalog.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create_database(TEMPLATE)


@pytest.fixture(params=DATABASES)
def empty_url(request: pytest.FixtureRequest) -> str:
    """Return the address of a database without any table."""
    return make_empty_database(request.param, request)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest) -> str:
    """Return the address of a database for a catalog."""
    return make_database(request.param, request)


@pytest.fixture(params=("memory", *DATABASES))
def catalog(request: pytest.FixtureRequest) -> Iterator[Driven]:
    """Open every catalog in turn."""
    if request.param == "memory":
        made = MemoryCatalog(chain_key=CHAIN_KEY)
        with driven(made) as it:
            yield it
        return
    url = make_database(request.param, request)
    with driven(open_catalog(url, chain_key=CHAIN_KEY)) as it:
        yield it


@pytest.fixture(scope="session")
def bucket_server() -> Iterator[BucketServer]:
    """Start an S3 server."""
    with running_bucket() as server:
        yield server


@pytest.fixture
def bucket(bucket_server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BucketBlobs:
    """Open a place of its own in the bucket."""
    for name, value in bucket_server.environment().items():
        monkeypatch.setenv(name, value)
    return BucketBlobs(open_bucket(bucket_server.make_url()), tmp_path, minimum_free_bytes=0)


@pytest.fixture(params=("memory", "local", "bucket"))
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    """Open every blob store in turn; only asking for the bucket starts its server."""
    match request.param:
        case "memory":
            return MemoryBlobs()
        case "local":
            return LocalBlobs(tmp_path, minimum_free_bytes=0)
        case _:
            opened: BucketBlobs = request.getfixturevalue("bucket")
            return opened


@pytest.fixture
def prefix() -> str:
    """Choose a place that nobody uses yet."""
    return f"faulty-{os.urandom(8).hex()}"


@pytest.fixture
def drive(bucket_server: BucketServer, prefix: str, tmp_path: Path) -> Drive:
    """Run a test's work on a bucket behind the spoiling proxy."""

    def run(work: Work, *, seconds: float = 20) -> None:
        async def main() -> None:
            async with faulty_bucket(bucket_server.endpoint) as faulty:
                await work(
                    BucketBlobs(open_store(faulty.endpoint, prefix, seconds=seconds), tmp_path, minimum_free_bytes=0),
                    faulty,
                )

        asyncio.run(main())

    return run


@pytest.fixture
def plain(bucket_server: BucketServer, prefix: str) -> S3Store:
    """Open the same place without the proxy."""
    return open_store(bucket_server.endpoint, prefix)
