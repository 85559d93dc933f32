"""The rules for connections to PostgreSQL: one writer at a time, durable, and told to all.

An advisory lock in each writing transaction keeps serials and chain gapless; it
ends after the commit has become visible. Does not know the tables.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import URL, Connection, Engine, create_engine, text

from strongroom.adapters.sql.database import translate_faults
from strongroom.adapters.sql.postgres_faults import translate_postgres_error
from strongroom.adapters.sql.postgres_listener import CHANNEL, ChangeListener
from strongroom.core.errors import Unavailable

_WRITER_LOCK = 0x5354524F4E47  # any number, the same in every version; locks are per database
_STATEMENT_TIMEOUT_MILLISECONDS = 60_000
_CONNECT = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "strongroom",
}

_SET_LOCK_TIMEOUT = text("SELECT set_config('lock_timeout', :milliseconds, true)")
_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
_EXAMINE = text("SELECT pg_is_in_recovery(), clock_timestamp()")
_NOTIFY = text("SELECT pg_notify(:channel, :sender)")


class PostgresDatabase:
    """One PostgreSQL database: a connection for the writer, some for readers, one that listens."""

    def __init__(self, url: URL, *, readers: int) -> None:
        url = url.set(drivername="postgresql+psycopg")
        self._sender = secrets.token_hex(8)
        self._writer = _make_engine(url, "READ COMMITTED", connections=1, settings=["synchronous_commit=on"])
        self._readers = _make_engine(
            url, "REPEATABLE READ", connections=readers, settings=["default_transaction_read_only=on"]
        )
        with self._readers.connect():  # a server that cannot be reached is found out before anything waits for it
            pass
        _, parameters = self._writer.dialect.create_connect_args(url)
        self._listener = ChangeListener({**parameters, **_CONNECT}, self._sender)

    @contextmanager
    def writing(self, deadline: float) -> Iterator[Connection]:
        """Be the only writer on all nodes, and tell them when it is done."""
        remaining_seconds = deadline - time.monotonic()
        if remaining_seconds <= 0:
            raise Unavailable("catalog-busy", "The catalog is busy", "Try again later.")
        with self._writer.begin() as connection:
            connection.execute(_SET_LOCK_TIMEOUT, {"milliseconds": f"{remaining_seconds * 1000:.0f}ms"})
            connection.execute(_LOCK, {"key": _WRITER_LOCK})
            yield connection
            connection.execute(_NOTIFY, {"channel": CHANNEL, "sender": self._sender})
        self._listener.heard()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """See the snapshot of the first statement."""
        with self._readers.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def migrating(self, deadline: float) -> Iterator[Connection]:
        """Be the only writer; PostgreSQL changes tables without rebuilding them."""
        with self.writing(deadline) as connection:
            yield connection

    def change_mark(self) -> int:
        """Return a number that differs whenever a commit was heard of since, within a second."""
        return self._listener.mark()

    def examine(self, connection: Connection) -> tuple[bool, datetime]:
        """Ask whether this is the primary, and what time it is there."""
        is_standby, at = connection.execute(_EXAMINE).one()
        return not is_standby, at

    def close(self) -> None:
        """Close all connections."""
        self._listener.close()
        self._readers.dispose()
        self._writer.dispose()


def _make_engine(url: URL, isolation_level: str, *, connections: int, settings: list[str]) -> Engine:
    given = url.query.get("options", "")
    options = [given if isinstance(given, str) else " ".join(given)]
    options += [f"-c {setting}" for setting in (*settings, f"statement_timeout={_STATEMENT_TIMEOUT_MILLISECONDS}")]
    engine = create_engine(
        url,
        isolation_level=isolation_level,
        connect_args={**_CONNECT, "options": " ".join(options).strip()},
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=True,
    )
    translate_faults(engine, translate_postgres_error)
    return engine
