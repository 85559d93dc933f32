"""Events, leases and the setup link in memory."""

from __future__ import annotations

from datetime import UTC, datetime

from strongroom.adapters.memory.state import State, require
from strongroom.core.events import FIRST_HASH, Actor, Entry, Event, ProjectEvent, chain_hash, encode_event, entry_body
from strongroom.core.model import Lease, SetupLink
from strongroom.core.names import ProjectName
from strongroom.core.removals import REMOVAL_PREFIX


class MemoryEvents:
    """`ports.Events` on one state."""

    def __init__(self, state: State, chain_key: bytes) -> None:
        self._state = state
        self._chain_key = chain_key

    def append(self, event: Event, *, at: datetime, actor: Actor) -> int:
        entries = self._state.changing().entries
        previous = entries[len(entries)].chain_hash if entries else FIRST_HASH
        serial = len(entries) + 1
        at = at.astimezone(UTC)
        event_json = encode_event(event)
        link = chain_hash(
            self._chain_key, previous, body=entry_body(serial=serial, at=at, actor=actor, event_json=event_json)
        )
        entries[serial] = Entry(serial=serial, at=at, actor=actor, event=event, chain_hash=link)
        return serial

    def copy(self, entry: Entry) -> None:
        entries = self._state.changing().entries
        require(holds=entry.serial == len(entries) + 1, otherwise=f"The entry {entry.serial} is not the next")
        entries[entry.serial] = entry

    def serial(self) -> int:
        return len(self._state.entries)

    def since(self, serial: int, limit: int = 1000) -> tuple[Entry, ...]:
        return tuple(entry for entry in self._state.entries.values() if entry.serial > serial)[:limit]

    def latest(self, limit: int, *, before: int | None = None, project: ProjectName | None = None) -> tuple[Entry, ...]:
        newest_first = reversed(self._state.entries.values())
        earlier = (entry for entry in newest_first if before is None or entry.serial < before)
        return tuple(entry for entry in earlier if project is None or _is_about(entry.event, project))[:limit]


class MemoryLeases:
    """`ports.Leases` on one state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def add(self, lease: Lease) -> None:
        leases = self._state.changing().leases
        require(holds=lease.lease_id not in leases, otherwise=f"There is a lease '{lease.lease_id}' already")
        leases[lease.lease_id] = lease

    def replace(self, lease: Lease) -> None:
        leases = self._state.changing().leases
        require(holds=lease.lease_id in leases, otherwise=f"There is no lease '{lease.lease_id}'")
        leases[lease.lease_id] = lease

    def remove(self, lease_id: str) -> None:
        self._state.changing().leases.pop(lease_id, None)

    def end(self, lease_id: str) -> None:
        leases = self._state.changing().leases
        require(holds=lease_id in leases, otherwise=f"There is no lease '{lease_id}'")
        del leases[lease_id]

    def list(self) -> tuple[Lease, ...]:
        return tuple(sorted(self._state.leases.values(), key=lambda lease: lease.lease_id))

    def list_removals(self) -> tuple[Lease, ...]:
        return tuple(lease for lease in self.list() if lease.lease_id.startswith(REMOVAL_PREFIX))

    def put_setup_link(self, link: SetupLink) -> None:
        links = self._state.changing().setup_links
        links.clear()
        links[link.digest] = link

    def take_setup_link(self, digest: bytes) -> SetupLink | None:
        return self._state.changing().setup_links.pop(digest, None)


def _is_about(event: Event, project: ProjectName) -> bool:
    return isinstance(event, ProjectEvent) and event.project == project
