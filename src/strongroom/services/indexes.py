"""Indexes: made, listed, changed and removed.

Decides who sees which, that `main` stays, and that an index with files is not
removed. What an index serves is decided by `core/pages.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from strongroom.core.access import (
    SERVER,
    IndexTarget,
    ProjectTarget,
    Right,
    Target,
    allows,
)
from strongroom.core.caller import Caller, open_indexes
from strongroom.core.errors import Conflict, NotFound
from strongroom.core.events import Event, IndexChanged, IndexCreated, IndexDeleted
from strongroom.core.model import Index
from strongroom.core.names import IndexName
from strongroom.core.policy import Allow
from strongroom.ports import Catalog, Clock, Transaction

FIRST_INDEX = IndexName("main")
"""The index that `/simple/` and `/legacy/` mean."""


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """An index, with the number of projects in it that the caller may read, and of their files."""

    index: Index
    projects: int
    files: int


@dataclass(frozen=True, slots=True)
class Indexes:
    """The use cases about indexes."""

    catalog: Catalog
    clock: Clock

    async def create(
        self, caller: Caller, name: IndexName, *, accepts_uploads: bool = True, anonymous_read: bool = False
    ) -> Index:
        """Make an index; raises `Conflict` for a taken name."""
        index = Index(
            name=name,
            created_at=self.clock.now(),
            accepts_uploads=accepts_uploads,
            anonymous_read=anonymous_read,
        )

        def change(tx: Transaction) -> Index:
            caller.demand(Right.ADMINISTER, SERVER, indexes=tx.indexes.list())
            if tx.indexes.find(name) is not None:
                raise Conflict("index-exists", f"There is an index '{name}' already", "Choose another name.")
            return self._add(tx, caller, index=index)

        return await self.catalog.write(change)

    async def ensure_first(self, caller: Caller) -> Index | None:
        """Make `main` on an empty catalog; None when there is an index already.

        Only the program itself calls this, at its start: no right is asked.
        """
        if await self.catalog.read(lambda tx: tx.indexes.list()):
            return None
        index = Index(name=FIRST_INDEX, created_at=self.clock.now())
        return await self.catalog.write(lambda tx: None if tx.indexes.list() else self._add(tx, caller, index=index))

    async def list(self, caller: Caller) -> tuple[Index, ...]:
        """Return the indexes that the caller may read, by name."""

        def load(tx: Transaction) -> tuple[Index, ...]:
            found = sorted(tx.indexes.list(), key=lambda index: index.name)
            opened = open_indexes(found)
            return tuple(index for index in found if _may_read(caller, IndexTarget(index.name), opened=opened))

        return await self.catalog.read(load)

    async def show(self, caller: Caller, name: IndexName) -> IndexSummary:
        """Return one index with its counts."""

        def load(tx: Transaction) -> IndexSummary:
            indexes = tx.indexes.list()
            caller.demand(Right.READ, IndexTarget(name), indexes=indexes)
            index = _get_index(tx, name)
            opened, projects = open_indexes(indexes), tx.projects.list(name)
            seen = [item for item in projects if _may_read(caller, ProjectTarget(name, item.name), opened=opened)]
            if len(seen) == len(projects):
                files = tx.files.count(name)
            else:
                files = sum(len(tx.files.list(name, project.name)) for project in seen)
            return IndexSummary(index, projects=len(seen), files=files)

        return await self.catalog.read(load)

    async def change(
        self,
        caller: Caller,
        name: IndexName,
        *,
        accepts_uploads: bool | None = None,
        anonymous_read: bool | None = None,
    ) -> Index:
        """Change what is not None. Opening an index to everybody, or closing it, takes `administer`."""

        def change(tx: Transaction) -> Index:
            caller.demand(Right.MANAGE, IndexTarget(name), indexes=tx.indexes.list())
            index = _get_index(tx, name)
            changed = replace(
                index,
                accepts_uploads=index.accepts_uploads if accepts_uploads is None else accepts_uploads,
                anonymous_read=index.anonymous_read if anonymous_read is None else anonymous_read,
            )
            if changed == index:
                return index
            if changed.anonymous_read != index.anonymous_read:
                caller.demand(Right.ADMINISTER, IndexTarget(name), indexes=tx.indexes.list())
            tx.indexes.replace(changed)
            self._tell(
                tx,
                caller,
                event=IndexChanged(
                    index=name, accepts_uploads=changed.accepts_uploads, anonymous_read=changed.anonymous_read
                ),
            )
            return changed

        return await self.catalog.write(change)

    async def delete(self, caller: Caller, name: IndexName) -> None:
        """Remove an empty index, and the grants on it, so that a later one of that name starts closed.

        Raises `Conflict` for one that holds files, and for `main`.
        """

        def change(tx: Transaction) -> None:
            caller.demand(Right.ADMINISTER, SERVER, indexes=tx.indexes.list())
            _get_index(tx, name)
            if name == FIRST_INDEX:
                raise Conflict(
                    "index-first",
                    f"The index '{name}' is the one that /simple/ means",
                    f"Close it with `strongroom index set {name} --no-uploads` instead.",
                )
            files = tx.files.count(name)
            if files:
                raise Conflict(
                    "index-holds-files",
                    f"The index '{name}' holds {files} file{'s' * (files > 1)}",
                    "Delete its projects first, if nobody needs them.",
                )
            _remove_grants(tx, name)
            for project in tx.projects.list(name):  # without files: a status is all that is left of them
                tx.projects.remove(name, project.name)
            tx.indexes.remove(name)
            self._tell(tx, caller, event=IndexDeleted(index=name))

        await self.catalog.write(change)

    def _add(self, tx: Transaction, caller: Caller, *, index: Index) -> Index:
        tx.indexes.add(index)
        event = IndexCreated(
            index=index.name, accepts_uploads=index.accepts_uploads, anonymous_read=index.anonymous_read
        )
        self._tell(tx, caller, event=event)
        return index

    def _tell(self, tx: Transaction, caller: Caller, *, event: Event) -> None:
        tx.events.append(event, at=self.clock.now(), actor=caller.actor)


def _may_read(caller: Caller, target: Target, *, opened: frozenset[IndexName]) -> bool:
    return isinstance(allows(caller.principal, Right.READ, target=target, open_indexes=opened), Allow)


def _get_index(tx: Transaction, name: IndexName) -> Index:
    index = tx.indexes.find(name)
    if index is None:
        raise NotFound("index-unknown", f"There is no index '{name}'", "Check its name; see `strongroom index list`.")
    return index


def _remove_grants(tx: Transaction, name: IndexName) -> None:
    for user in tx.users.list():
        for grant in tx.users.list_grants(user.name):
            if grant.index == name:
                tx.users.remove_grant(user.name, grant)
