"""Pages that this process has in memory: the ones used last, up to a bound.

Keeps what it is given; whether a page is fresh enough is decided in `pages.py`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from strongroom.core.mirrored import UpstreamPage
from strongroom.core.model import Index
from strongroom.core.names import IndexName, ProjectName
from strongroom.services.mirror.parts import upstream_of

LIMIT_BYTES = 64 * 1024 * 1024
_PAGE_BYTES = 1000
_FILE_BYTES = 1600
"""Some 1,100 bytes by `tracemalloc` for a wheel with a long URL, and more once its version was compared."""
_SKIPPED_BYTES = 300


@dataclass(frozen=True, slots=True)
class Address:
    """Where a page comes from. An index whose upstream is changed begins anew."""

    index: IndexName
    upstream_url: str
    project: ProjectName


def address_of(index: Index, project: ProjectName) -> Address:
    """Return where the index gets the page from."""
    return Address(index.name, upstream_of(index).url, project)


@dataclass(frozen=True, slots=True)
class Remembered:
    """A page, and when the catalog was last asked for a newer one."""

    page: UpstreamPage
    recalled_at: datetime


class PageMemory:
    """The pages used last; one page may be over the limit by itself."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._pages: OrderedDict[Address, Remembered] = OrderedDict()
        self._size_bytes = 0

    @property
    def size_bytes(self) -> int:
        """Return an estimate of what the pages take."""
        return self._size_bytes

    def find(self, address: Address) -> Remembered | None:
        """Return the page, which counts as a use."""
        found = self._pages.get(address)
        if found is not None:
            self._pages.move_to_end(address)
        return found

    def put(self, address: Address, remembered: Remembered) -> None:
        """Keep the page in place of an earlier one, and drop those used longest ago."""
        self._drop(address)
        self._pages[address] = remembered
        self._size_bytes += estimate_bytes(remembered.page)
        while self._size_bytes > self._limit_bytes and len(self._pages) > 1:
            self._drop(next(iter(self._pages)))

    def forget(self, index: IndexName) -> None:
        """Drop the pages of an index."""
        for address in [address for address in self._pages if address.index == index]:
            self._drop(address)

    def _drop(self, address: Address) -> None:
        dropped = self._pages.pop(address, None)
        if dropped is not None:
            self._size_bytes -= estimate_bytes(dropped.page)


def estimate_bytes(page: UpstreamPage) -> int:
    """Return about how much memory the page takes."""
    return _PAGE_BYTES + _FILE_BYTES * len(page.files) + _SKIPPED_BYTES * len(page.skipped)
