"""The catalog: all tables as one transaction sees them, and who runs transactions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from strongroom.ports.passage import (
    AskedNames,
    Copies,
    Exemptions,
    NameLists,
    Promotions,
    Reservations,
    UpstreamPages,
)
from strongroom.ports.tables import Events, Files, Indexes, Leases, Projects, Tokens, Users

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Transaction:
    """The tables as one transaction sees them."""

    indexes: Indexes
    projects: Projects
    files: Files
    users: Users
    tokens: Tokens
    events: Events
    leases: Leases
    reservations: Reservations
    upstream_pages: UpstreamPages
    copies: Copies
    name_lists: NameLists
    asked_names: AskedNames
    exemptions: Exemptions
    promotions: Promotions


class Catalog(Protocol):
    """The truth: who, what and where; not the bytes."""

    async def read(self, fn: Callable[[Transaction], T]) -> T:
        """Run the function on one consistent snapshot."""
        ...

    async def write(self, fn: Callable[[Transaction], T]) -> T:
        """Run the function alone and commit durably; any exception rolls all of it back."""
        ...

    def change_mark(self) -> int:
        """Return a number that differs whenever anything was committed since; microseconds, no thread."""
        ...

    async def close(self) -> None: ...
