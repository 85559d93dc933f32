"""The rules for connections to PostgreSQL: one writer at a time, durable, and told to all.

An advisory lock in each writing transaction keeps serials and chain gapless; it
ends after the commit has become visible. A server that has gone silent is waited for
no longer than `SILENT_AFTER_SECONDS`, a commit no longer than `COMMIT_SECONDS`
(`postgres_watch.py`), and a node that has gone silent holds the lock no longer than the
server waits for it. A commit that nobody confirms may have happened or happen yet, so it
is treated as another node's. Does not know the tables.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime

from sqlalchemy import URL, Connection, Engine, create_engine, event, text

from strongroom.adapters.sql.database import News, take_news, translate_faults
from strongroom.adapters.sql.postgres_faults import cannot_start, translate_postgres_error, unreachable
from strongroom.adapters.sql.postgres_listener import CHANNEL, ChangeListener
from strongroom.adapters.sql.postgres_watch import COMMIT_SECONDS, Commit, Connections, Watch
from strongroom.core.errors import Unavailable, Unreachable

_WRITER_LOCK = 0x5354524F4E47  # any number, the same in every version; locks are per database
_STATEMENT_TIMEOUT_MILLISECONDS = 60_000
_MIGRATION_LOCK_TIMEOUT = "2s"
_CONNECT = {
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "strongroom",
}
"""How the driver connects, where the address does not say otherwise."""

_READER = ("default_transaction_read_only=on",)
_WRITER = (
    "synchronous_commit=on",
    # A node that is gone must not keep the others from writing until the server's system gives it up, after hours.
    "idle_in_transaction_session_timeout=5000",
    "tcp_keepalives_idle=10",
    "tcp_keepalives_interval=5",
    "tcp_keepalives_count=3",
    "tcp_user_timeout=15000",
)

_SET_LOCK_TIMEOUT = text("SELECT set_config('lock_timeout', :milliseconds, true)")
_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
_EXAMINE = text("SELECT pg_is_in_recovery(), clock_timestamp()")
_NOTIFY = text("SELECT pg_notify(:channel, :note)")


class PostgresDatabase:
    """One PostgreSQL database: a connection for the writer, some for readers, one that listens."""

    looks_at_once = False

    def __init__(self, url: URL, *, readers: int, commit_seconds: float = COMMIT_SECONDS) -> None:
        """Connect; raises `Unreachable`. A commit that takes longer than `commit_seconds` is waited for no more."""
        url = url.set(drivername="postgresql+psycopg")
        self._writer = _make_engine(url, "READ COMMITTED", connections=1, settings=_WRITER)
        self._readers = _make_engine(url, "REPEATABLE READ", connections=readers, settings=_READER)
        _check(self._readers)
        connections, self._commit = Connections(), Commit(commit_seconds)
        for engine in (self._writer, self._readers):
            _register(engine, connections)
        _register(self._writer, self._commit.connections)
        _, parameters = self._writer.dialect.create_connect_args(url)
        self._listener = ChangeListener({**_CONNECT, **parameters}, connected=connections.add)
        self._watch = Watch(self._listener, connections, commit=self._commit)

    @contextmanager
    def writing(self, deadline: float) -> Iterator[Connection]:
        """Be the only writer on all nodes, and tell them when it is done, if there is news."""
        remaining_seconds = deadline - time.monotonic()
        if remaining_seconds <= 0:
            raise Unavailable("catalog-busy", "The catalog is busy", "Try again later.")
        self._refuse_silence()
        with self._writer.connect() as connection, connection.begin() as transaction:
            take_news(connection)  # of a transaction that was rolled back
            connection.execute(_SET_LOCK_TIMEOUT, {"milliseconds": f"{remaining_seconds * 1000:.0f}ms"})
            connection.execute(_LOCK, {"key": _WRITER_LOCK})
            yield connection
            news = take_news(connection)
            if news:
                note = self._listener.note(is_access=news is News.ACCESS)
                connection.execute(_NOTIFY, {"channel": CHANNEL, "note": note})
            with self._confirming():
                transaction.commit()
        if news:
            self._listener.heard(is_access=news is News.ACCESS)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """See the snapshot of the first statement."""
        self._refuse_silence()
        with self._readers.connect() as connection, connection.begin():
            yield connection

    def looking(self) -> AbstractContextManager[None]:
        """Return None: the answer comes over a network."""
        return nullcontext()

    @contextmanager
    def migrating(self, deadline: float) -> Iterator[Connection]:
        """Be the only writer; PostgreSQL changes tables without rebuilding them.

        A change of a table waits for whoever reads it, a backup say, and all that want to read it wait
        behind that: so it waits for a moment only, and whoever wants it has to try again.
        """
        with self.writing(deadline) as connection:
            connection.execute(_SET_LOCK_TIMEOUT, {"milliseconds": _MIGRATION_LOCK_TIMEOUT})
            yield connection

    def change_mark(self) -> int:
        """Return a number that differs whenever a commit was heard of since, within a second."""
        return self._listener.mark()

    def access_mark(self) -> int:
        """Return a number that differs whenever a commit that changed access was heard of since."""
        return self._listener.access_mark()

    def examine(self, connection: Connection) -> tuple[bool, datetime]:
        """Ask whether this is the primary, and what time it is there."""
        is_standby, at = connection.execute(_EXAMINE).one()
        return not is_standby, at

    def close(self) -> None:
        """Close all connections."""
        self._listener.close()
        self._watch.close()
        self._readers.dispose()
        self._writer.dispose()

    @contextmanager
    def _confirming(self) -> Iterator[None]:
        try:
            with self._commit.running():
                yield
        except BaseException:
            self._listener.disown()
            raise

    def _refuse_silence(self) -> None:
        if self._watch.is_silent():
            raise unreachable()


def _check(engine: Engine) -> None:
    """Find out about a server that cannot be used before anything waits for it; the first connection is closed."""
    try:
        with engine.connect():
            pass
    except Unreachable as error:
        raise cannot_start(error.__cause__) from error
    finally:
        engine.dispose()


def _register(engine: Engine, connections: Connections) -> None:
    event.listen(engine, "connect", lambda connection, _record: connections.add(connection))
    event.listen(engine, "close", lambda connection, _record: connections.remove(connection))


def _make_engine(url: URL, isolation_level: str, *, connections: int, settings: Sequence[str]) -> Engine:
    given = url.query.get("options", "")
    options = [given if isinstance(given, str) else " ".join(given)]
    options += [f"-c {setting}" for setting in (*settings, f"statement_timeout={_STATEMENT_TIMEOUT_MILLISECONDS}")]
    engine = create_engine(
        url,
        isolation_level=isolation_level,
        connect_args={
            **{name: value for name, value in _CONNECT.items() if name not in url.query},
            "options": " ".join(options).strip(),
        },
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=True,
        hide_parameters=True,
    )
    translate_faults(engine, translate_postgres_error)
    return engine
