"""The audit log: read, and proved to be whole.

Decides whether the chain holds. It is written by each change, in its own
transaction; how an entry is chained is said in `core/events.py`.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

import msgspec

from strongroom.core.access import SERVER, Right
from strongroom.core.caller import Caller
from strongroom.core.errors import InvalidRequest, StorageFault
from strongroom.core.events import FIRST_HASH, Entry, Head, chain_hash, encode_event, entry_body
from strongroom.core.names import ProjectName
from strongroom.ports import Catalog, Secrets, Transaction

BATCH = 1000
MOST_ENTRIES = 1000
EMPTY = Head(0, FIRST_HASH)


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where the log is not what was written."""

    serial: int
    reason: str


@dataclass(frozen=True, slots=True)
class ChainReport:
    """How far the chain holds: `head` is the last entry that does."""

    entries: int
    head: Head
    broken: Break | None = None

    @property
    def is_whole(self) -> bool:
        """Return whether nothing was found."""
        return self.broken is None


@dataclass(frozen=True, slots=True)
class Audit:
    """The use cases about the event log; administrators only."""

    catalog: Catalog
    secrets: Secrets

    async def log(
        self, caller: Caller, *, project: ProjectName | None = None, before: int | None = None, limit: int = 100
    ) -> tuple[Entry, ...]:
        """Return the newest entries (about a project; older than a serial), newest first."""
        if not 1 <= limit <= MOST_ENTRIES:
            raise InvalidRequest(
                "limit", f"{limit} entries cannot be listed at once", f"Ask for 1 to {MOST_ENTRIES}, then page."
            )

        def load(tx: Transaction) -> tuple[Entry, ...]:
            caller.demand(Right.ADMINISTER, SERVER, indexes=tx.indexes.list())
            return tx.events.latest(limit, before=before, project=project)

        return await self.catalog.read(load)

    async def verify(self, caller: Caller, *, expected: Head | None = None) -> ChainReport:
        """Compute the chain anew over all entries, and compare with a head that was kept elsewhere."""
        await self.catalog.read(lambda tx: caller.demand(Right.ADMINISTER, SERVER, indexes=tx.indexes.list()))
        key = self.secrets.derive_key("audit")
        head, entries = EMPTY, 0
        while True:
            batch = await self._load(head.serial)
            for entry in batch:
                broken = _judge(head, entry, key=key) if isinstance(entry, Entry) else entry
                if broken is None and isinstance(entry, Entry):
                    head, entries = Head(entry.serial, entry.chain_hash), entries + 1
                    broken = _judge_head(head, expected)
                if broken is not None:
                    return ChainReport(entries, head, broken)
            if len(batch) < BATCH:
                return ChainReport(entries, head, _judge_end(head, expected))

    async def _load(self, serial: int) -> tuple[Entry | Break, ...]:
        """Return the next entries; those of a batch that cannot be read are asked for one by one."""
        try:
            return await self._load_some(serial, BATCH)
        except (StorageFault, msgspec.MsgspecError):
            return await self._load_until_unreadable(serial)

    async def _load_some(self, serial: int, limit: int) -> tuple[Entry, ...]:
        return await self.catalog.read(lambda tx: tx.events.since(serial, limit))

    async def _load_until_unreadable(self, serial: int) -> tuple[Entry | Break, ...]:
        found: list[Entry | Break] = []
        while True:
            last = serial + len(found)
            try:
                step = await self._load_some(last, 1)
            except (StorageFault, msgspec.MsgspecError):
                return (*found, Break(last + 1, "the entry cannot be read"))
            found.extend(step)
            if not step:
                return tuple(found)


def _judge(previous: Head, entry: Entry, *, key: bytes) -> Break | None:
    if entry.serial != previous.serial + 1:
        return Break(previous.serial + 1, "the entry is missing")
    expected = chain_hash(
        key,
        previous.chain_hash,
        body=entry_body(serial=entry.serial, at=entry.at, actor=entry.actor, event_json=encode_event(entry.event)),
    )
    if entry.says_more or not hmac.compare_digest(expected, entry.chain_hash):
        return Break(entry.serial, "the entry was changed, or one before it was")
    return None


def _judge_head(head: Head, expected: Head | None) -> Break | None:
    if expected is not None and head.serial == expected.serial and head != expected:
        return Break(head.serial, "the log was written anew: this entry's hash is not the one that was kept")
    return None


def _judge_end(head: Head, expected: Head | None) -> Break | None:
    if expected is not None and head.serial < expected.serial:
        return Break(head.serial + 1, f"the log was cut: it went on to {expected.serial}")
    return None
