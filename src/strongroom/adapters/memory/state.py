"""What the memory catalog holds at one moment.

A committed state is never changed again, so a reader may keep it; a writer works on
a copy, which becomes the state of the catalog only if all went well.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from strongroom.core.access import Grant, Token
from strongroom.core.errors import Conflict, StorageFault
from strongroom.core.events import Entry
from strongroom.core.exemptions import Exemption
from strongroom.core.mirrored import AskedName, Copy, NameList, UpstreamPage
from strongroom.core.model import File, Index, Lease, Project, SetupLink, Tombstone, User
from strongroom.core.names import Filename, IndexName, ProjectName, ProjectPattern, TokenId, UserName
from strongroom.core.ownership import StoreId
from strongroom.core.promotions import Promotion
from strongroom.core.replica import Followed
from strongroom.core.reservations import Reservation
from strongroom.core.turns import Turn


@dataclass(slots=True)
class State:
    """All tables as dictionaries, in the order of insertion, and whether they may be changed."""

    indexes: dict[IndexName, Index] = field(default_factory=dict)
    projects: dict[tuple[IndexName, ProjectName], Project] = field(default_factory=dict)
    files: dict[tuple[IndexName, Filename], File] = field(default_factory=dict)
    tombstones: dict[tuple[IndexName, Filename], Tombstone] = field(default_factory=dict)
    users: dict[UserName, User] = field(default_factory=dict)
    grants: dict[UserName, tuple[Grant, ...]] = field(default_factory=dict)
    tokens: dict[TokenId, Token] = field(default_factory=dict)
    entries: dict[int, Entry] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    setup_links: dict[bytes, SetupLink] = field(default_factory=dict)
    reservations: dict[tuple[IndexName, ProjectPattern], Reservation] = field(default_factory=dict)
    upstream_pages: dict[tuple[IndexName, ProjectName], UpstreamPage] = field(default_factory=dict)
    copies: dict[tuple[IndexName, Filename], Copy] = field(default_factory=dict)
    name_lists: dict[IndexName, NameList] = field(default_factory=dict)
    asked_names: dict[tuple[IndexName, ProjectName], AskedName] = field(default_factory=dict)
    exemptions: dict[str, Exemption] = field(default_factory=dict)
    promotions: dict[str, Promotion] = field(default_factory=dict)
    followed: dict[int, Followed] = field(default_factory=dict)
    turns: dict[str, Turn] = field(default_factory=dict)
    store_ids: dict[int, StoreId] = field(default_factory=dict)
    is_writable: bool = False

    def copy(self) -> State:
        """Return a state that can be changed without changing this one."""
        tables = {table.name: dict(getattr(self, table.name)) for table in fields(self) if table.name != "is_writable"}
        return State(**tables, is_writable=True)

    def changing(self) -> State:
        """Return itself for a change; raise `StorageFault` inside a reading transaction."""
        if not self.is_writable:
            raise StorageFault("catalog-fault", "A reading transaction tried to write")
        return self


def require(*, holds: bool, otherwise: str) -> None:
    """Raise `Conflict` with that sentence unless it holds."""
    if not holds:
        raise Conflict("conflict", otherwise)
