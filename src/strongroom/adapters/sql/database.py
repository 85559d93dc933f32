"""What the catalog needs from a database system, and how driver errors reach it.

`sqlite.py` and `postgres.py` implement `Database`; neither knows the tables.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple, Protocol

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from strongroom.core.errors import StrongroomError

_NEWS = "strongroom_news"


class News(IntEnum):
    """What a transaction changes of what others keep in memory; the larger includes the smaller."""

    NOTHING = 0
    EVENTS = 1
    ACCESS = 2


class Look(NamedTuple):
    """A connection on a snapshot, and the state that this shows: another number whenever somebody committed since."""

    connection: Connection
    state: int


class Database(Protocol):
    """Connections, each inside a transaction that commits when its block ends well."""

    looks_at_once: bool
    """Whether `looking` gives a connection, as a rule."""

    def writing(self, deadline: float) -> AbstractContextManager[Connection]:
        """Be the only writer; raises `Unavailable` when that is not possible by that `time.monotonic()`."""
        ...

    def reading(self) -> AbstractContextManager[Connection]:
        """See one snapshot, and write nothing."""
        ...

    def looking(self) -> AbstractContextManager[Look | None]:
        """See one snapshot without ever waiting, neither for a network nor for others; None where that cannot be."""
        ...

    def migrating(self, deadline: float) -> AbstractContextManager[Connection]:
        """Be the only writer, and allowed to rebuild tables that others refer to."""
        ...

    def change_mark(self) -> int:
        """Return a number that differs whenever a transaction with news was committed since."""
        ...

    def access_mark(self) -> int:
        """Return a number that differs whenever news about access was heard of since; stands while nobody answers."""
        ...

    def examine(self, connection: Connection) -> tuple[bool, datetime]:
        """Return whether it takes writes, and the time on its clock; waits for no writer."""
        ...

    def close(self) -> None: ...


def add_news(connection: Connection, news: News) -> None:
    """Note that the running transaction changes this, too."""
    connection.info[_NEWS] = max(news, connection.info.get(_NEWS, News.NOTHING))


def take_news(connection: Connection) -> News:
    """Return what was noted, and forget it: the next transaction has the same connection."""
    news: News = connection.info.pop(_NEWS, News.NOTHING)
    return news


def translate_faults(engine: Engine, translate: Callable[[BaseException], StrongroomError | None]) -> None:
    """Let every driver error of the engine arrive as an error of the ports, inside transactions too."""

    def handle(context: ExceptionContext) -> StrongroomError | None:
        if context.is_pre_ping:
            return None  # a dead connection in the pool: SQLAlchemy replaces it when its own error arrives
        return translate(context.original_exception)

    event.listen(engine, "handle_error", handle)
