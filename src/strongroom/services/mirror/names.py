"""What the kept lists say about a name. Asking sends nothing upstream: a private name stays private.

Decides what counts as known: a name that stands in an upstream's list, or whose page
was fetched. Lists are fetched by `name_lists.py`; what follows from an answer is decided
in `core/policies/upstream_name.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from strongroom.core.errors import StorageFault
from strongroom.core.mirrored import NameList
from strongroom.core.name_list import find_lookalikes, holds_name
from strongroom.core.names import IndexName, ProjectName, Sha256
from strongroom.ports import Blobs, Catalog, NameKnowledge, Transaction
from strongroom.services.mirror.flights import Flights

_MOST_LOOKALIKES = 5
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the catalog says: the indexes with an upstream, their lists, and where a page of the name is kept."""

    upstreams: tuple[IndexName, ...]
    lists: tuple[NameList, ...]
    with_page: frozenset[IndexName]


@dataclass(frozen=True, slots=True)
class _List:
    """A list in memory."""

    sha256: Sha256
    names: bytes


class UpstreamNames:
    """The names of all upstreams. One per worker process; the lists are loaded when first needed."""

    def __init__(
        self,
        catalog: Catalog,
        blobs: Blobs,
        find_unwritten: Callable[[ProjectName], frozenset[IndexName]] = lambda _: frozenset(),
    ) -> None:
        """Ask the catalog, and `find_unwritten` which indexes have a page of the name that is not there yet."""
        self._catalog = catalog
        self._blobs = blobs
        self._find_unwritten = find_unwritten
        self._lists: dict[IndexName, _List] = {}
        self._loads: Flights[_List] = Flights()

    async def look_up(
        self, project: ProjectName, *, with_lookalikes: bool = True, nameable: frozenset[IndexName] | None = None
    ) -> NameKnowledge:
        """Return what is known about the name, naming only `nameable` indexes; raises `Unavailable`."""
        unwritten = self._find_unwritten(project)  # asked first: what is written meanwhile, the catalog shows
        rows = await self._catalog.read(lambda tx: _load_rows(tx, project))
        with_page = rows.with_page | unwritten
        self._drop_others(rows)
        lists = {row.index: found for row in rows.lists if (found := await self._load(row)) is not None}
        held = frozenset(index for index, kept in lists.items() if holds_name(kept.names, project))
        told = {index: kept for index, kept in lists.items() if nameable is None or index in nameable}
        lookalikes = await asyncio.to_thread(_find_lookalikes, told, project) if with_lookalikes else ()
        having = tuple(index for index in rows.upstreams if index in held or index in with_page)
        named = tuple(index for index in having if nameable is None or index in nameable)
        return NameKnowledge(
            upstreams=named,
            is_certain=all(index in lists for index in rows.upstreams),
            lookalikes=lookalikes,
            is_elsewhere=len(named) < len(having),
        )

    def _drop_others(self, rows: _Rows) -> None:
        """Let go of lists that are no longer those of the catalog."""
        current = {row.index: row.sha256 for row in rows.lists}
        self._lists = {index: kept for index, kept in self._lists.items() if current.get(index) == kept.sha256}

    async def _load(self, row: NameList) -> _List | None:
        """Return the list, or None where its bytes are missing: then it is as if there were none."""
        known = self._lists.get(row.index)
        if known is not None:
            return known
        try:
            loaded = await self._loads.join(row.sha256, lambda: self._read(row.sha256))
        except StorageFault as fault:
            fields = {"index": row.index, "code": fault.code, "cause": fault.message}
            _log.warning("the list of an upstream's names cannot be read", extra={"fields": fields})
            return None
        self._lists[row.index] = loaded
        return loaded

    async def _read(self, sha256: Sha256) -> _List:
        return _List(sha256, await self._blobs.get(sha256))


def _load_rows(tx: Transaction, project: ProjectName) -> _Rows:
    upstreams = tuple(index.name for index in tx.indexes.list() if index.upstream)
    return _Rows(
        upstreams=upstreams,
        lists=tuple(row for row in tx.name_lists.list() if row.index in upstreams),
        with_page=frozenset(tx.upstream_pages.find_indexes(project)),
    )


def _find_lookalikes(lists: dict[IndexName, _List], project: ProjectName) -> tuple[str, ...]:
    different = {kept.sha256: kept.names for kept in lists.values()}
    alike = {name for names in different.values() for name in find_lookalikes(names, project, limit=_MOST_LOOKALIKES)}
    return tuple(sorted(alike))[:_MOST_LOOKALIKES]
