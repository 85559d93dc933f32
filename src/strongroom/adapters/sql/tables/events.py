"""Rows of the table `events` as `Entry`, each chained to the one before.

The chain is gapless because the catalog lets one writer at a time in; the form of
an entry's hash is decided in `core/events.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, insert, select

from strongroom.adapters.sql.database import News, add_news
from strongroom.adapters.sql.rows import AnyRow
from strongroom.adapters.sql.schema import events
from strongroom.core.access_changes import changes_access
from strongroom.core.errors import Conflict
from strongroom.core.events import (
    FIRST_HASH,
    Actor,
    Entry,
    Event,
    ProjectEvent,
    chain_hash,
    decode_event,
    encode_event,
    entry_body,
)
from strongroom.core.names import ProjectName

_HEAD = select(events.c.serial, events.c.chain_hash).order_by(events.c.serial.desc()).limit(1)
_APPEND = insert(events)
_SINCE = select(events).where(events.c.serial > bindparam("after")).order_by(events.c.serial).limit(bindparam("most"))
_LATEST = select(events).order_by(events.c.serial.desc()).limit(bindparam("most"))


class SqlEvents:
    """`ports.Events` on one connection."""

    def __init__(self, connection: Connection, chain_key: bytes) -> None:
        self._connection = connection
        self._chain_key = chain_key

    def append(self, event: Event, *, at: datetime, actor: Actor) -> int:
        """Chain the event and return its serial."""
        last, previous = self._head()
        serial = last + 1
        at = at.astimezone(UTC)
        event_json = encode_event(event)
        link = chain_hash(
            self._chain_key, previous, body=entry_body(serial=serial, at=at, actor=actor, event_json=event_json)
        )
        self._insert(Entry(serial=serial, at=at, actor=actor, event=event, chain_hash=link))
        return serial

    def copy(self, entry: Entry) -> None:
        """Store an entry of another server's log as it was chained there; raises `Conflict` unless it is the next."""
        if entry.serial != self.serial() + 1:
            raise Conflict("conflict", f"The entry {entry.serial} is not the next")
        self._insert(entry)

    def serial(self) -> int:
        """Return the serial of the last event; 0 when there is none."""
        return self._head()[0]

    def since(self, serial: int, limit: int = 1000) -> tuple[Entry, ...]:
        """Return the entries after that serial, oldest first."""
        rows = self._connection.execute(_SINCE, {"after": serial, "most": limit}).all()
        return tuple(_entry(row) for row in rows)

    def latest(self, limit: int, *, before: int | None = None, project: ProjectName | None = None) -> tuple[Entry, ...]:
        """Return the newest entries (before a serial; about a project), newest first."""
        statement = _LATEST
        if before is not None:
            statement = statement.where(events.c.serial < before)
        if project is not None:
            statement = statement.where(events.c.project_name == project)
        return tuple(_entry(row) for row in self._connection.execute(statement, {"most": limit}).all())

    def _insert(self, entry: Entry) -> None:
        values = {
            "serial": entry.serial,
            "at": entry.at,
            "actor_name": entry.actor.name,
            "actor_address": entry.actor.address,
            "actor_client": entry.actor.client,
            "project_name": _project_of(entry.event),
            "event_json": encode_event(entry.event),
            "chain_hash": entry.chain_hash,
        }
        self._connection.execute(_APPEND, values)
        add_news(self._connection, News.ACCESS if changes_access(entry.event) else News.EVENTS)

    def _head(self) -> tuple[int, bytes]:
        row = self._connection.execute(_HEAD).one_or_none()
        return (0, FIRST_HASH) if row is None else (row.serial, row.chain_hash)


def _project_of(event: Event) -> ProjectName | None:
    return event.project if isinstance(event, ProjectEvent) else None


def _entry(row: AnyRow) -> Entry:
    event = decode_event(row.event_json)
    return Entry(
        serial=row.serial,
        at=row.at,
        actor=Actor(name=row.actor_name, address=row.actor_address, client=row.actor_client),
        event=event,
        chain_hash=row.chain_hash,
        says_more=(row.project_name, row.event_json) != (_project_of(event), encode_event(event)),
    )
