"""Indexes: made, listed, changed and removed.

Decides who sees and who changes which, that `main` stays, and that an index with
files is not removed. What an index serves is decided by `core/pages.py`, which
settings are possible by `core/index_settings.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from strongroom.core.access import (
    SERVER,
    IndexTarget,
    ProjectTarget,
    Right,
)
from strongroom.core.caller import Caller, open_indexes
from strongroom.core.errors import Conflict, NotFound
from strongroom.core.events import Event, IndexChanged, IndexCreated, IndexDeleted
from strongroom.core.index_settings import (
    NO_CHANGES,
    Credentials,
    IndexChanges,
    UpstreamChanges,
    change_index,
    demand_possible_bases,
    demand_sensible_credentials,
    describe_rules,
    describe_upstream,
    goes_elsewhere,
)
from strongroom.core.model import Index
from strongroom.core.names import IndexName, ProjectName
from strongroom.core.reservations import Hold, Reservation
from strongroom.core.rules import COOLDOWN, Rules
from strongroom.core.upstream import Upstream
from strongroom.core.upstream_url import check_upstream_url
from strongroom.ports import Catalog, Clock, Seals, Transaction

FIRST_INDEX = IndexName("main")
"""The index that `/simple/` and `/legacy/` mean."""
PUBLIC_INDEX = IndexName("public")
"""The mirror of the default upstream that a new catalog's `main` is based on."""


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
    seals: Seals

    async def create(self, caller: Caller, name: IndexName, *, changes: IndexChanges = NO_CHANGES) -> Index:
        """Make an index with these settings; raises `Conflict` for a taken name, `InvalidRequest` for bad settings."""
        wanted, sealed = self._prepared(changes)
        index = change_index(Index(name=name, created_at=self.clock.now()), wanted, sealed=sealed)

        def change(tx: Transaction) -> Index:
            caller.demand(Right.ADMINISTER, SERVER, indexes=tx.indexes.list())
            if tx.indexes.find(name) is not None:
                raise Conflict("index-exists", f"There is an index '{name}' already", "Choose another name.")
            demand_possible_bases(index, {other.name: other for other in tx.indexes.list()})
            return self._add(tx, caller, index=index)

        return await self.catalog.write(change)

    async def ensure_first(
        self, caller: Caller, default_upstream: Callable[[], str | None] = lambda: None
    ) -> Index | None:
        """Make `main` on an empty catalog, based on a `public` mirror if there is a default upstream.

        Returns `main`, or None when there is an index already: then nobody looks for the
        default upstream. Only the program itself calls this, at its start: no right is
        asked. Raises `InvalidRequest` for a bad URL.
        """
        if await self.catalog.read(lambda tx: tx.indexes.list()):
            return None
        first = Index(name=FIRST_INDEX, created_at=self.clock.now())
        made, url = [first], default_upstream()
        if url is not None:
            first = replace(first, bases=(PUBLIC_INDEX,))
            made = [self._public(url), first]

        def change(tx: Transaction) -> Index | None:
            if tx.indexes.list():
                return None
            for index in made:
                self._add(tx, caller, index=index)
            return first

        return await self.catalog.write(change)

    async def list(self, caller: Caller) -> tuple[Index, ...]:
        """Return the indexes that the caller may read, by name."""

        def load(tx: Transaction) -> tuple[Index, ...]:
            found = sorted(tx.indexes.list(), key=lambda index: index.name)
            opened = open_indexes(found)
            return tuple(index for index in found if caller.may(Right.READ, IndexTarget(index.name), opened=opened))

        return await self.catalog.read(load)

    async def show(self, caller: Caller, name: IndexName) -> IndexSummary:
        """Return one index with its counts."""

        def load(tx: Transaction) -> IndexSummary:
            indexes = tx.indexes.list()
            caller.demand(Right.READ, IndexTarget(name), indexes=indexes)
            index = _get_index(tx, name)
            opened, projects = open_indexes(indexes), tx.projects.list(name)
            seen = [item for item in projects if caller.may(Right.READ, ProjectTarget(name, item.name), opened=opened)]
            if len(seen) == len(projects):
                files = tx.files.count(name)
            else:
                files = sum(len(tx.files.list(name, project.name)) for project in seen)
            return IndexSummary(index, projects=len(seen), files=files)

        return await self.catalog.read(load)

    async def change(self, caller: Caller, name: IndexName, *, changes: IndexChanges) -> Index:
        """Change what is not None; one event, and none when nothing changes.

        `manage` on the index is enough for what narrows or orders it. Its bases, its
        upstream and whether everybody may read it open one index to the readers of
        another, so these take `administer` on the server. Raises `InvalidRequest`,
        `Conflict`, `NotFound`.
        """
        wanted, sealed = self._prepared(changes)

        def change(tx: Transaction) -> Index:
            indexes = tx.indexes.list()
            caller.demand(Right.MANAGE, IndexTarget(name), indexes=indexes)
            index = _get_index(tx, name)
            changed = change_index(index, wanted, sealed=sealed)
            if changed == index:
                return index
            if _opens(index, changed):
                caller.demand(Right.ADMINISTER, SERVER, indexes=indexes)
            if changed.bases != index.bases:
                demand_possible_bases(changed, {other.name: other for other in indexes})
            if goes_elsewhere(index, changed):
                _forget_upstream(tx, name)
            tx.indexes.replace(changed)
            self._tell(tx, caller, event=_changed(index, changed))
            return changed

        return await self.catalog.write(change)

    async def delete(self, caller: Caller, name: IndexName) -> None:
        """Remove an empty index, and the grants on it, so that a later one of that name starts closed.

        What it kept of its upstream and the names that it held go with it. Raises `Conflict`
        for one that holds files, for a base of another, and for `main`.
        """

        def change(tx: Transaction) -> None:
            indexes = tx.indexes.list()
            caller.demand(Right.ADMINISTER, SERVER, indexes=indexes)
            _get_index(tx, name)
            _demand_unneeded(tx, name, indexes=indexes)
            _remove_grants(tx, name)
            for project in tx.projects.list(name):  # without files: a status is all that is left of them
                tx.projects.remove(name, project.name)
            for reservation in tx.reservations.list():
                if reservation.index == name and not _outlives(tx, reservation):
                    tx.reservations.remove(name, reservation.pattern)
            _forget_upstream(tx, name)
            tx.indexes.remove(name)
            self._tell(tx, caller, event=IndexDeleted(index=name))

        await self.catalog.write(change)

    def _public(self, url: str) -> Index:
        wanted, sealed = self._prepared(
            IndexChanges(accepts_uploads=False, upstream=UpstreamChanges(url=url), rules=Rules(cooldown=COOLDOWN))
        )
        return change_index(Index(name=PUBLIC_INDEX, created_at=self.clock.now()), wanted, sealed=sealed)

    def _prepared(self, changes: IndexChanges) -> tuple[IndexChanges, bytes | None]:
        """Return the changes with the URL checked, and the new credentials sealed; raises `InvalidRequest`."""
        upstream = changes.upstream
        if not isinstance(upstream, UpstreamChanges):
            return changes, None
        if upstream.url is not None:
            checked = check_upstream_url(upstream.url)
            username, colon, password = checked.userinfo.partition(":")
            given = upstream.credentials or (Credentials(username, password) if colon else None)
            upstream = replace(upstream, url=checked.url, credentials=given)
        sealed = self._seal(upstream.credentials) if isinstance(upstream.credentials, Credentials) else None
        return replace(changes, upstream=upstream), sealed

    def _seal(self, credentials: Credentials) -> bytes:
        demand_sensible_credentials(credentials)
        return self.seals.seal(f"{credentials.username}:{credentials.password}")

    def _add(self, tx: Transaction, caller: Caller, *, index: Index) -> Index:
        tx.indexes.add(index)
        event = IndexCreated(
            index=index.name,
            accepts_uploads=index.accepts_uploads,
            anonymous_read=index.anonymous_read,
            bases=index.bases,
            upstream=describe_upstream(index.upstream),
            rules=describe_rules(index.rules),
            forbids_reserved=index.forbids_reserved,
            needs_approval=index.needs_approval,
            downloads=index.downloads.value,
        )
        self._tell(tx, caller, event=event)
        return index

    def _tell(self, tx: Transaction, caller: Caller, *, event: Event) -> None:
        tx.events.append(event, at=self.clock.now(), actor=caller.actor)


def _get_index(tx: Transaction, name: IndexName) -> Index:
    index = tx.indexes.find(name)
    if index is None:
        raise NotFound("index-unknown", f"There is no index '{name}'", "Check its name; see `strongroom index list`.")
    return index


def _opens(index: Index, changed: Index) -> bool:
    """Return whether the change lets readers of one index see what comes from elsewhere, or lets in new readers."""
    before, after = index.upstream, changed.upstream
    return (
        changed.anonymous_read != index.anonymous_read
        or changed.bases != index.bases
        or (before is None) != (after is None)
        or (before is not None and after is not None and _place(before) != _place(after))
    )


def _place(upstream: Upstream) -> tuple[str, bytes | None]:
    return upstream.url, upstream.credentials


def _changed(index: Index, changed: Index) -> IndexChanged:
    credentials = (index.upstream and index.upstream.credentials, changed.upstream and changed.upstream.credentials)
    return IndexChanged(
        index=changed.name,
        accepts_uploads=changed.accepts_uploads,
        anonymous_read=changed.anonymous_read,
        bases=changed.bases,
        upstream=describe_upstream(changed.upstream),
        rules=describe_rules(changed.rules),
        forbids_reserved=changed.forbids_reserved,
        needs_approval=changed.needs_approval,
        downloads=changed.downloads.value,
        new_credentials=credentials[1] is not None and credentials[0] != credentials[1],
    )


def _demand_unneeded(tx: Transaction, name: IndexName, *, indexes: tuple[Index, ...]) -> None:
    if name == FIRST_INDEX:
        raise Conflict(
            "index-first",
            f"The index '{name}' is the one that /simple/ means",
            f"Close it with `strongroom index set {name} --no-uploads` instead.",
        )
    above = [index.name for index in indexes if name in index.bases]
    if above:
        raise Conflict(
            "index-is-base",
            f"The index '{name}' is a base of '{above[0]}'",
            f"Give '{above[0]}' other bases first: `strongroom index set {above[0]} --base ...`, or --no-bases.",
        )
    files = tx.files.count(name)
    if files:
        raise Conflict(
            "index-holds-files",
            f"The index '{name}' holds {files} file{'s' * (files > 1)}",
            "Delete its projects first, if nobody needs them.",
        )


def _remove_grants(tx: Transaction, name: IndexName) -> None:
    for user in tx.users.list():
        for grant in tx.users.list_grants(user.name):
            if grant.index == name:
                tx.users.remove_grant(user.name, grant)


def _outlives(tx: Transaction, reservation: Reservation) -> bool:
    """Return whether the index's deleted files keep a name that it had claimed.

    Without the claim nobody here would ever again get that name's files from upstream.
    """
    is_claim = reservation.is_exact and reservation.hold is not Hold.RESERVED
    return is_claim and reservation.index in tx.projects.find_owners(ProjectName(reservation.pattern))


def _forget_upstream(tx: Transaction, name: IndexName) -> None:
    """Forget what is kept of the index's upstream: another one's files must not stand under these names."""
    tx.upstream_pages.remove(name)
    for copy in [copy for copy in tx.copies.scan() if copy.index == name]:
        tx.copies.remove(name, copy.filename)
    tx.name_lists.remove(name)
