"""The pages of upstreams: asked for when they are due, kept, and given as they are when the upstream fails.

Decides when an upstream is asked, and what stands for its answer when it gives none.
Does not decide who may ask for which name (`core/sources.py`), nor what of a page
comes through (`core/screening.py`). The upstream sees the normalised name only.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta

from strongroom.core.errors import StrongroomError, UpstreamFault
from strongroom.core.mirrored import UpstreamPage
from strongroom.core.model import Index
from strongroom.core.names import Filename, IndexName, ProjectName
from strongroom.ports import Missing, PageBody, Unchanged
from strongroom.services.mirror.breaker import Breakers
from strongroom.services.mirror.flights import Flights
from strongroom.services.mirror.memory import LIMIT_BYTES, Address, PageMemory, Remembered, address_of
from strongroom.services.mirror.parts import Parts, upstream_of
from strongroom.services.mirror.reading import read_absence, read_confirmation, read_page
from strongroom.services.mirror.saving import DELAY_SECONDS, LONGER_SECONDS, PageSaver
from strongroom.services.mirror.seldom import Seldom

MISSING_FRESHNESS = timedelta(seconds=60)
"""How long "there is no such project" is believed: a first release shall not be late by more."""
MOMENT = timedelta(seconds=5)
"""How soon a page is asked for again because somebody knows a file that it does not list."""
RECALL = timedelta(seconds=10)
"""How soon the catalog is asked again for a page that another process may have fetched."""
PATIENCE_SECONDS = 3.0
"""How long a client waits for a newer page where one is kept."""
LARGE_BYTES = 4 * 1024 * 1024
"""Pages above this take seconds to read; of each upstream one at a time, so that they don't take all threads."""
_log = logging.getLogger(__name__)


class PageMirror:
    """Pages from memory, else from the catalog, else from the upstream."""

    def __init__(self, parts: Parts, limit_bytes: int = LIMIT_BYTES) -> None:
        self._parts = parts
        self._memory = PageMemory(limit_bytes)
        self._saver = PageSaver(parts.catalog, delay_seconds=LONGER_SECONDS if parts.is_alone else DELAY_SECONDS)
        self._breakers = Breakers()
        self._seldom = Seldom()
        self._recalls: Flights[UpstreamPage | None] = Flights()
        self._fetches: Flights[UpstreamPage] = Flights()
        self._renewals: Flights[None] = Flights()
        self._large: defaultdict[IndexName, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get_page(self, index: Index, project: ProjectName, *, may_be_stale: bool = False) -> UpstreamPage:
        """Return the page, fresh within the upstream's `freshness`, or (`may_be_stale`) the kept one if there is any.

        With the upstream failing, a kept page is returned however old it is; a page that
        says that there is none is not kept. An offline index returns what it has. Raises
        `UpstreamFault`, `UpstreamTimeout`.
        """
        kept = self._find(address_of(index, project))
        will_do = kept is not None and (self._is_fresh(index, kept) or (may_be_stale and not kept.is_missing))
        if not will_do:
            kept = await self._recall(index, project)
        if kept is not None and (self._is_fresh(index, kept) or self._parts.is_offline(index)):
            return kept
        if kept is not None and may_be_stale and not kept.is_missing:
            self._launch_renewal(index, project)
            return kept
        if kept is not None and not kept.is_missing and self._breakers.is_suspect(index):
            # One client has waited in vain already: the others need not.
            self._launch_renewal(index, project)
            return kept
        return await self._ask(index, project, kept=kept)

    async def get_page_with(self, index: Index, project: ProjectName, *, filename: Filename) -> UpstreamPage:
        """Return a kept page if it lists the file, else the page asked for anew, unless that was done a moment ago.

        Raises `UpstreamFault`, `UpstreamTimeout`.
        """
        page = await self.get_page(index, project, may_be_stale=True)
        if _lists(page, filename) or self._parts.is_offline(index):
            return page
        newest = await self._look(index, project)  # another process may have shown its client a newer one just now
        if newest is not None and _lists(newest, filename):
            return newest
        is_recent = abs(self._parts.clock.now() - page.fetched_at) < MOMENT
        return page if is_recent else await self._ask(index, project, kept=page)

    def find_unwritten(self, project: ProjectName) -> frozenset[IndexName]:
        """Return the indexes with a page of the project that the catalog does not show yet."""
        return self._saver.find_indexes(project)

    def forget(self, index: IndexName) -> None:
        """Forget the index's pages in this process; those of the catalog are removed elsewhere."""
        self._memory.forget(index)
        self._saver.forget(index)

    async def close(self) -> None:
        """Stop asking, and write down what is not written yet."""
        for flights in (self._renewals, self._fetches, self._recalls):
            await flights.close()
        await self._parts.pages.close()
        await self._saver.close()

    async def _ask(self, index: Index, project: ProjectName, *, kept: UpstreamPage | None) -> UpstreamPage:
        """Ask the upstream; where it fails, or takes long, a kept page stands for its answer."""
        if kept is None or kept.is_missing:
            return await self._join_fetch(index, project, kept=kept)
        try:
            return await asyncio.wait_for(self._join_fetch(index, project, kept=kept), PATIENCE_SECONDS)
        except TimeoutError:
            self._breakers.suspect(index)
            self._tell(index, project, code="upstream-slow", cause="The upstream takes long to answer")
        except StrongroomError as fault:
            self._tell(index, project, code=fault.code, cause=fault.message)
        return kept

    def _launch_renewal(self, index: Index, project: ProjectName) -> None:
        self._renewals.launch(address_of(index, project), lambda: self._renew(index, project))

    async def _renew(self, index: Index, project: ProjectName) -> None:
        """Ask for a newer page while clients have the kept one."""
        try:
            kept = await self._recall(index, project)
            if kept is None or not self._is_fresh(index, kept):
                await self._join_fetch(index, project, kept=kept)
        except StrongroomError as fault:
            self._tell(index, project, code=fault.code, cause=fault.message)

    async def _join_fetch(self, index: Index, project: ProjectName, *, kept: UpstreamPage | None) -> UpstreamPage:
        return await self._fetches.join(address_of(index, project), lambda: self._fetch(index, project, kept=kept))

    async def _fetch(self, index: Index, project: ProjectName, *, kept: UpstreamPage | None) -> UpstreamPage:
        """Make the one request; `kept` is what the first who wants the page has seen."""
        address, now = address_of(index, project), self._parts.clock.now()
        origin = self._parts.origin(index)
        self._breakers.demand(index, now)
        etag = None if kept is None or kept.is_missing else kept.etag
        try:
            answer = await self._parts.client.get_page(origin, project, etag=etag)
        except UpstreamFault as fault:
            self._breakers.note(index, fault, now=self._parts.clock.now())
            raise
        self._breakers.recover(index)
        return await self._take(address, answer, kept=kept, now=now)

    async def _take(
        self, address: Address, answer: PageBody | Unchanged | Missing, *, kept: UpstreamPage | None, now: datetime
    ) -> UpstreamPage:
        """Return what is known after the answer, and have it written down where that is needed."""
        match answer:
            case PageBody():
                async with self._large[address.index] if len(answer.content) > LARGE_BYTES else nullcontext():
                    page = await read_page(self._parts.pages, answer, kept=kept, address=address, now=now)
            case Missing():
                page = read_absence(kept, address=address, now=now)
            case Unchanged():
                page = read_confirmation(kept, address=address, now=now)
        self._memory.put(address, Remembered(page, now))
        if page.is_missing and (kept is None or kept.is_missing):
            return page  # what an upstream does not have is endless, so it is not written down
        if kept is not None and page == replace(kept, fetched_at=now):
            self._saver.confirm(address, page)
        else:
            self._saver.save(address, page)
        return page

    async def _recall(self, index: Index, project: ProjectName) -> UpstreamPage | None:
        """Return the newest page that is kept, as it was a few seconds ago."""
        remembered = self._memory.find(address_of(index, project))
        if remembered is not None and abs(self._parts.clock.now() - remembered.recalled_at) < RECALL:
            return remembered.page
        return await self._look(index, project)

    async def _look(self, index: Index, project: ProjectName) -> UpstreamPage | None:
        """Return the newest page that is kept, by another process perhaps."""
        address = address_of(index, project)

        async def look() -> UpstreamPage | None:
            now, catalog = self._parts.clock.now(), self._parts.catalog
            written_at = await catalog.look(lambda tx: tx.upstream_pages.find_time(index.name, project))
            page = self._find_newest(address)
            if written_at is not None and (page is None or page.fetched_at < written_at):
                written = await catalog.read(lambda tx: tx.upstream_pages.find(index.name, project))
                page = _newest(written, self._find_newest(address))
            if page is not None:
                self._memory.put(address, Remembered(page, now))
            return page

        return await self._recalls.join(address, look)

    def _find_newest(self, address: Address) -> UpstreamPage | None:
        """Return the newest page that this process has in memory, whether it is written down or not."""
        return _newest(self._saver.find(address), self._find(address))

    def _find(self, address: Address) -> UpstreamPage | None:
        remembered = self._memory.find(address)
        return remembered.page if remembered else None

    def _is_fresh(self, index: Index, page: UpstreamPage) -> bool:
        """Return whether nobody needs to ask; a clock that was set back makes no page fresh for long."""
        freshness = upstream_of(index).freshness
        lifetime = min(freshness, MISSING_FRESHNESS) if page.is_missing else freshness
        return abs(self._parts.clock.now() - page.fetched_at) < lifetime

    def _tell(self, index: Index, project: ProjectName, *, code: str, cause: str) -> None:
        now = self._parts.clock.now()
        if self._seldom.is_due((index.name, project), now):
            fields = {"index": index.name, "project": project, "code": code, "cause": cause}
            _log.warning("an upstream page is served as it was kept", extra={"fields": fields})


def _lists(page: UpstreamPage, filename: Filename) -> bool:
    return any(file.filename == filename for file in page.files)


def _newest(*pages: UpstreamPage | None) -> UpstreamPage | None:
    return max((page for page in pages if page), key=lambda page: page.fetched_at, default=None)
