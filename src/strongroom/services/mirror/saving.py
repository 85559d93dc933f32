"""Writing pages down: a little later, and many in one transaction.

A page is answered before it is durable: it can be fetched again, and a client shall not
wait for the disk. An install of a hundred packages costs a few commits so, not a hundred.
A save that fails is logged, and the page is served from memory.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass

from strongroom.core.errors import StrongroomError
from strongroom.core.mirrored import UpstreamPage
from strongroom.core.names import IndexName, ProjectName
from strongroom.ports import Catalog, Transaction
from strongroom.services.mirror.memory import Address

DELAY_SECONDS = 0.05
LONGER_SECONDS = 0.5
"""The same where no other process serves the catalog: most of an install's pages have come by then."""
_FILES_AT_ONCE = 20_000
"""Bounds how long one transaction keeps other writers waiting."""
_MOST_UNSAVED = 10_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Change:
    """A page to write; `is_confirmation`: only its time has changed."""

    page: UpstreamPage
    is_confirmation: bool


class PageSaver:
    """Gathers pages, and writes them when the delay has passed."""

    def __init__(self, catalog: Catalog, *, delay_seconds: float = DELAY_SECONDS) -> None:
        self._catalog = catalog
        self._delay_seconds = delay_seconds
        self._waiting: dict[Address, _Change] = {}
        self._writing: dict[Address, _Change] = {}
        self._unsaved: set[Address] = set()
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def save(self, address: Address, page: UpstreamPage) -> None:
        """Write the page soon."""
        self._note(address, _Change(page, is_confirmation=False))

    def confirm(self, address: Address, page: UpstreamPage) -> None:
        """Write soon that the upstream still has this page; the whole page, unless the catalog has it already."""
        earlier = self._waiting.get(address)
        is_written = address not in self._unsaved and (earlier is None or earlier.is_confirmation)
        self._note(address, _Change(page, is_confirmation=is_written))

    def find(self, address: Address) -> UpstreamPage | None:
        """Return a page that the catalog does not show yet."""
        change = self._waiting.get(address) or self._writing.get(address)
        return change.page if change else None

    def find_indexes(self, project: ProjectName) -> frozenset[IndexName]:
        """Return the indexes with a page of the project, not a missing one, that the catalog does not show yet."""
        found = {**self._writing, **self._waiting}.items()
        return frozenset(
            address.index for address, change in found if address.project == project and not change.page.is_missing
        )

    def forget(self, index: IndexName) -> None:
        """Write none of the index's pages that wait."""
        for address in [address for address in self._waiting if address.index == index]:
            del self._waiting[address]

    async def close(self) -> None:
        """Write at once what waits."""
        self._hurry.set()
        if self._task is not None:
            await self._task

    def _note(self, address: Address, change: _Change) -> None:
        self._waiting[address] = change
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self._waiting:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), self._delay_seconds)
            self._writing = self._take()
            try:
                await self._catalog.write(self._write)
                self._unsaved -= self._writing.keys()
            except Exception as fault:  # whatever it is: it must not keep later pages from being written
                self._give_up(fault)
            self._writing = {}

    def _take(self) -> dict[Address, _Change]:
        taken: dict[Address, _Change] = {}
        files = 0
        while self._waiting and files < _FILES_AT_ONCE:
            address = next(iter(self._waiting))
            taken[address] = self._waiting.pop(address)
            files += len(taken[address].page.files)
        return taken

    def _write(self, tx: Transaction) -> None:
        """Leave out pages whose upstream was exchanged since: they are not what the index has now."""
        urls = {index.name: index.upstream.url for index in tx.indexes.list() if index.upstream}
        for address, change in self._writing.items():
            if urls.get(address.index) != address.upstream_url:
                continue
            if change.is_confirmation:
                tx.upstream_pages.confirm(address.index, address.project, at=change.page.fetched_at)
            else:
                tx.upstream_pages.save(change.page)

    def _give_up(self, fault: Exception) -> None:
        """Leave the pages to the memory; what the upstream confirms of them later is written whole."""
        if len(self._unsaved) >= _MOST_UNSAVED:
            self._unsaved.clear()
        self._unsaved |= self._writing.keys()
        fields = {"pages": len(self._writing), "cause": str(fault)}
        _log.warning(
            "upstream pages are kept in memory only, since they cannot be written",
            extra={"fields": fields},
            exc_info=None if isinstance(fault, StrongroomError) else fault,
        )
