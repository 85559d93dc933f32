"""A catalog driven from synchronous tests, on one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from strongroom.core.events import Actor, Event, IndexDeleted
from strongroom.core.names import parse_index_name
from strongroom.ports import Catalog, Transaction
from tests.fakes import START

T = TypeVar("T")

CHAIN_KEY = b"a key for the chain of this test"
SOMEBODY = Actor(name="user:bob", address="192.0.2.1", client="twine/7")
SOMETHING = IndexDeleted(index=parse_index_name("old"))


@dataclass(frozen=True, slots=True)
class Driven:
    """The catalog's three calls, waited for."""

    catalog: Catalog
    runner: asyncio.Runner

    def read(self, fn: Callable[[Transaction], T]) -> T:
        """Read and wait."""
        return self.runner.run(self.catalog.read(fn))

    def look(self, fn: Callable[[Transaction], T]) -> T:
        """Look and wait."""
        return self.runner.run(self.catalog.look(fn))

    def write(self, fn: Callable[[Transaction], T]) -> T:
        """Write and wait."""
        return self.runner.run(self.catalog.write(fn))

    def append(self, event: Event = SOMETHING, *, at: datetime = START, actor: Actor = SOMEBODY) -> int:
        """Commit one event."""
        return self.write(lambda tx: tx.events.append(event, at=at, actor=actor))

    def mark(self) -> int:
        """Return the change mark."""
        return self.catalog.change_mark()


def do_all(catalog: Driven, change: Callable[[Transaction, T], object], *values: T) -> None:
    """Make the same change with each value, in one transaction."""

    def run(tx: Transaction) -> None:
        for value in values:
            change(tx, value)

    catalog.write(run)


@contextmanager
def driven(catalog: Catalog) -> Iterator[Driven]:
    """Drive the catalog, and close it at the end."""
    with asyncio.Runner() as runner:
        try:
            yield Driven(catalog, runner)
        finally:
            runner.run(catalog.close())
