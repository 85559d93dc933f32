"""The audit log over REST: read it, verify its chain. Administrators only."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Query
from pydantic import Field, JsonValue

from strongroom.core.access import Right
from strongroom.core.events import Entry, encode_event, parse_head
from strongroom.http.api.endpoint import CurrentCaller, Endpoint
from strongroom.http.api.fields import ProjectField, Time, View
from strongroom.http.api.paging import WantedPage, make_cursor, read_serial
from strongroom.http.routes import Needs, Subject
from strongroom.services.audit import Audit

TAG = "audit"
_EVENT_SCHEMA: dict[str, JsonValue] = {
    "required": ["kind"],
    "properties": {"kind": {"type": "string"}},
    "examples": [{"kind": "index-created", "index": "staging"}],
}


class ActorView(View):
    """Who did it."""

    name: str = Field(examples=["user:bob token:0Jb5n3cWPYJ0Cw2x"])
    address: str
    client: str


class EntryView(View):
    """A change, with its place in the hash chain."""

    serial: int = Field(description="Counts changes from 1 on.")
    at: Time
    actor: ActorView
    event: dict[str, JsonValue] = Field(description="What happened; `kind` says what.", json_schema_extra=_EVENT_SCHEMA)
    chain_hash: str = Field(description="HMAC-SHA256 over the entry and the hash before it, in hexadecimal.")


class EntryPage(View):
    """A page of the log, newest first."""

    items: list[EntryView]
    next_cursor: str | None


class BreakView(View):
    """The first place where the log is not what was written."""

    serial: int
    reason: str


class ChainView(View):
    """How far the chain holds."""

    is_whole: bool
    entries: int
    head: str = Field(description="The last entry that holds, as SERIAL:HASH. Keep it elsewhere, and compare later.")
    broken: BreakView | None


class AuditEndpoints:
    """The endpoints about the audit log."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints of this family."""
        administer = Needs(Right.ADMINISTER, Subject.SERVER)
        return [
            Endpoint("GET", "/audit/entries", self.list_audit_entries, administer),
            Endpoint("GET", "/audit/verification", self.verify_audit_log, administer, problems=(400,)),
        ]

    async def list_audit_entries(
        self,
        caller: CurrentCaller,
        page: WantedPage,
        *,
        project: Annotated[ProjectField | None, Query(description="Only changes to projects of this name.")] = None,
    ) -> EntryPage:
        """List changes, newest first."""
        entries = await self._audit.log(caller, project=project, before=read_serial(page), limit=page.limit)
        is_last = len(entries) < page.limit or entries[-1].serial == 1
        return EntryPage(
            items=[_show(entry) for entry in entries],
            next_cursor=None if is_last else make_cursor(str(entries[-1].serial)),
        )

    async def verify_audit_log(
        self,
        caller: CurrentCaller,
        expected: Annotated[
            str | None,
            Query(pattern="^[0-9]{1,18}:[0-9a-f]{64}$", description="A head that was kept elsewhere: SERIAL:HASH."),
        ] = None,
    ) -> ChainView:
        """Compute the hash chain anew over all entries.

        With a head that was kept elsewhere, a log that was cut or rewritten shows.
        """
        head = None if expected is None else parse_head(expected)
        report = await self._audit.verify(caller, expected=head)
        broken = report.broken
        return ChainView(
            is_whole=report.is_whole,
            entries=report.entries,
            head=str(report.head),
            broken=None if broken is None else BreakView(serial=broken.serial, reason=broken.reason),
        )


def _show(entry: Entry) -> EntryView:
    actor = entry.actor
    return EntryView(
        serial=entry.serial,
        at=entry.at,
        actor=ActorView(name=actor.name, address=actor.address, client=actor.client),
        event=msgspec.json.decode(encode_event(entry.event)),
        chain_hash=entry.chain_hash.hex(),
    )
