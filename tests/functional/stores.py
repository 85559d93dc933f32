"""The stores under a functional test's server, chosen by the variable STRONGROOM_TEST_STORES.

`sqlite` (SQLite and a directory, where nothing is said), `postgres` (PostgreSQL and a
directory), `postgres-s3` (PostgreSQL and a bucket). The first server that needs them
starts them, once in each process of the test run; each data directory has a database
and a place in the bucket of its own, made when it is first asked for.
"""

from __future__ import annotations

import atexit
import hashlib
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import create_engine, text

from strongroom.config import Settings, load_settings
from tests.contracts.buckets import BUCKET, BucketServer, running_bucket
from tests.contracts.servers import PostgresServer, running_postgres

T = TypeVar("T")

VARIABLE = "STRONGROOM_TEST_STORES"
KINDS = ("sqlite", "postgres", "postgres-s3")
_PREFIX = "STRONGROOM_"


def chosen_kind() -> str:
    """Return which stores this run is about."""
    kind = os.environ.get(VARIABLE) or KINDS[0]
    if kind not in KINDS:
        raise ValueError(f"{VARIABLE} is one of {', '.join(KINDS)}, not {kind!r}")
    return kind


def variables_of(data: Path) -> dict[str, str]:
    """Return the variables that put a server with that data directory on the chosen stores."""
    match chosen_kind():
        case "postgres":
            return {"STRONGROOM_DATABASE": database_of(data)}
        case "postgres-s3":
            place = f"s3://{BUCKET}/{_name_of(data)}"
            return {"STRONGROOM_DATABASE": database_of(data), "STRONGROOM_BLOBS": place, **_bucket().environment()}
        case _:
            return {}


def settings_of(data: Path, variables: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of the store itself, for a test that opens it beside the server."""
    told = {**variables_of(data), **(variables or {})}
    named = {name.removeprefix(_PREFIX).lower(): told[name] for name in told if name.startswith(_PREFIX)}
    return load_settings({"data": str(data), **named})


def run_statement(data: Path, statement: str) -> list[tuple[Any, ...]]:  # Any: what a column holds
    """Run one statement in the catalog of that data directory, and return the rows if it gives any."""
    url = settings_of(data).database_url.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            done = connection.execute(text(statement))
            return [tuple(row) for row in done] if done.returns_rows else []
    finally:
        engine.dispose()


@cache
def database_of(data: Path) -> str:
    """Return the address of the data directory's database, whatever stores were chosen."""
    server, name = _postgres(), _name_of(data)
    server.create_named(name)
    return server.url_of(name)


@cache
def _postgres() -> PostgresServer:
    """Start PostgreSQL, which ends with this process."""
    return _until_the_end(running_postgres())


@cache
def _bucket() -> BucketServer:
    """Start an object store, which ends with this process, and tell this process how to sign in."""
    server = _until_the_end(running_bucket())
    os.environ.update(server.environment())
    return server


def _until_the_end(server: AbstractContextManager[T]) -> T:
    stack = ExitStack()
    running = stack.enter_context(server)
    atexit.register(stack.close)
    return running


def _name_of(data: Path) -> str:
    return f"data_{hashlib.sha256(str(data).encode()).hexdigest()[:16]}"
