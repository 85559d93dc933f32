"""A small index to test use cases on: a catalog in memory, fakes, and a look at what was written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.core.access import Grant, Token
from strongroom.core.events import Entry, Event
from strongroom.core.model import File, Index, Project, User
from strongroom.ports import Transaction
from tests.fakes import FakePasswords, FrozenClock, SeededSecrets

T = TypeVar("T")


def wait(work: Coroutine[Any, Any, T]) -> T:  # Any: what a coroutine yields and takes, which nobody here uses
    """Run one use case to its end."""
    return asyncio.run(work)


async def until(is_so: Callable[[], bool]) -> None:
    """Let other tasks and threads run until it is so."""
    while not is_so():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.001)


class ThreadedCatalog(MemoryCatalog):
    """The memory catalog with each write in a thread, as the port promises."""

    async def write(self, fn: Callable[[Transaction], T]) -> T:
        """Run the function beside the event loop."""
        write = super().write
        return await asyncio.to_thread(lambda: wait(write(fn)))


class House:
    """The stores, and hands to fill them without an event."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.secrets = SeededSecrets()
        self.passwords = FakePasswords()
        self.catalog = ThreadedCatalog(chain_key=self.secrets.derive_key("audit"))

    def change(self, fn: Callable[[Transaction], T]) -> T:
        """Change the catalog as no use case would."""
        return wait(self.catalog.write(fn))

    def look(self, fn: Callable[[Transaction], T]) -> T:
        """Read the catalog."""
        return wait(self.catalog.read(fn))

    def add_index(self, index: Index) -> Index:
        """Store an index."""
        self.change(lambda tx: tx.indexes.add(index))
        return index

    def add_user(self, user: User, *grants: Grant) -> User:
        """Store a user and his grants."""

        def change(tx: Transaction) -> None:
            tx.users.add(user)
            for grant in grants:
                tx.users.add_grant(user.name, grant)

        self.change(change)
        return user

    def add_token(self, token: Token) -> Token:
        """Store a token."""
        self.change(lambda tx: tx.tokens.add(token))
        return token

    def add_files(self, project: Project, *files: File) -> None:
        """Store a project and its files."""

        def change(tx: Transaction) -> None:
            tx.projects.save(project)
            for file in files:
                tx.files.add(file)

        self.change(change)

    def entries(self) -> tuple[Entry, ...]:
        """Return the whole log."""
        return self.look(lambda tx: tx.events.since(0))

    def events(self) -> list[Event]:
        """Return what happened, without who and when."""
        return [entry.event for entry in self.entries()]
