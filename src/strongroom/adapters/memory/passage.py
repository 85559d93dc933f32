"""What comes through from upstreams and other indexes, in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from strongroom.adapters.memory.state import State, require
from strongroom.core.exemptions import Exemption
from strongroom.core.mirrored import AskedName, Copy, NameList, UpstreamPage
from strongroom.core.names import Filename, IndexName, ProjectName, ProjectPattern, Sha256
from strongroom.core.promotions import Promotion
from strongroom.core.reservations import Reservation


class MemoryReservations:
    """`ports.Reservations` on one state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def find(self, index: IndexName, pattern: ProjectPattern) -> Reservation | None:
        return self._state.reservations.get((index, pattern))

    def list(self) -> tuple[Reservation, ...]:
        return tuple(sorted(self._state.reservations.values(), key=lambda item: (item.index, item.pattern)))

    def list_covering(self, project: ProjectName) -> tuple[Reservation, ...]:
        return tuple(item for item in self.list() if item.covers(project))

    def save(self, reservation: Reservation) -> None:
        self._state.changing().reservations[reservation.index, reservation.pattern] = reservation

    def remove(self, index: IndexName, pattern: ProjectPattern) -> None:
        self._state.changing().reservations.pop((index, pattern), None)


class MemoryUpstreamPages:
    """`ports.UpstreamPages` on one state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def find(self, index: IndexName, project: ProjectName) -> UpstreamPage | None:
        return self._state.upstream_pages.get((index, project))

    def find_time(self, index: IndexName, project: ProjectName) -> datetime | None:
        page = self.find(index, project)
        return None if page is None else page.fetched_at

    def save(self, page: UpstreamPage) -> None:
        self._state.changing().upstream_pages[page.index, page.project] = page

    def confirm(self, index: IndexName, project: ProjectName, *, at: datetime) -> None:
        pages = self._state.changing().upstream_pages
        if (index, project) in pages:
            pages[index, project] = replace(pages[index, project], fetched_at=at)

    def list_names(self, index: IndexName) -> tuple[ProjectName, ...]:
        pages = self._state.upstream_pages.values()
        return tuple(sorted(page.project for page in pages if page.index == index and not page.is_missing))

    def find_indexes(self, project: ProjectName) -> tuple[IndexName, ...]:
        pages = self._state.upstream_pages.values()
        return tuple(sorted(page.index for page in pages if page.project == project and not page.is_missing))

    def remove(self, index: IndexName, project: ProjectName | None = None) -> None:
        pages = self._state.changing().upstream_pages
        for key in [key for key in pages if key[0] == index and project in (None, key[1])]:
            del pages[key]


class MemoryCopies:
    """`ports.Copies` on one state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def find(self, index: IndexName, filename: Filename) -> Copy | None:
        return self._state.copies.get((index, filename))

    def list(self, index: IndexName, project: ProjectName) -> tuple[Copy, ...]:
        found = (item for item in self._state.copies.values() if (item.index, item.project) == (index, project))
        return tuple(sorted(found, key=lambda item: item.filename))

    def save(self, copy: Copy) -> None:
        self._state.changing().copies[copy.index, copy.filename] = copy

    def touch(self, last_used: Mapping[tuple[IndexName, Filename], datetime]) -> None:
        copies = self._state.changing().copies
        for key, at in last_used.items():
            found = copies.get(key)
            if found is not None and (found.last_used_at is None or found.last_used_at < at):
                copies[key] = replace(found, last_used_at=at)

    def remove(self, index: IndexName, filename: Filename | None = None) -> None:
        copies = self._state.changing().copies
        for key in [key for key in copies if key[0] == index and filename in (None, key[1])]:
            del copies[key]

    def scan(self) -> Iterator[Copy]:
        yield from tuple(self._state.copies.values())

    def stored_bytes(self) -> int:
        return sum(item.size_bytes for item in self._state.copies.values() if item.stored_at is not None)

    def find_named(self, digests: Collection[Sha256]) -> frozenset[Sha256]:
        return self._named().intersection(digests)

    def list_named(self, first: Sha256, limit: int) -> tuple[Sha256, ...]:
        return tuple(sorted(sha256 for sha256 in self._named() if sha256 >= first)[:limit])

    def list_least_used(self, limit: int) -> tuple[Copy, ...]:
        used = [(item.last_used_at or item.stored_at, item) for item in self._state.copies.values() if item.stored_at]
        return tuple(item for _, item in sorted(used, key=lambda pair: (pair[0], pair[1].filename, pair[1].index)))[
            :limit
        ]

    def _named(self) -> frozenset[Sha256]:
        copies = self._state.copies.values()
        named = {sha256 for copy in copies for sha256 in (copy.metadata_sha256, copy.provenance_sha256)}
        named |= {copy.sha256 for copy in copies if copy.stored_at is not None}
        return frozenset(sha256 for sha256 in named if sha256 is not None)


class MemoryNameLists:
    """`ports.NameLists` on one state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def find(self, index: IndexName) -> NameList | None:
        return self._state.name_lists.get(index)

    def list(self) -> tuple[NameList, ...]:
        return tuple(sorted(self._state.name_lists.values(), key=lambda names: names.index))

    def save(self, names: NameList) -> None:
        self._state.changing().name_lists[names.index] = names

    def remove(self, index: IndexName) -> None:
        self._state.changing().name_lists.pop(index, None)


class MemoryAskedNames:
    """`ports.AskedNames` on one state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def add(self, counts: Mapping[tuple[IndexName, ProjectName], int], at: datetime) -> None:
        asked = self._state.changing().asked_names
        for (index, project), count in counts.items():
            earlier = asked.get((index, project))
            asked[index, project] = AskedName(index, project, count + (earlier.count if earlier else 0), at)

    def list(self, index: IndexName | None = None, limit: int = 1000) -> tuple[AskedName, ...]:
        found = [item for item in self._state.asked_names.values() if index in (None, item.index)]
        return tuple(sorted(found, key=lambda item: (-item.count, item.index, item.project)))[:limit]

    def remove_before(self, at: datetime) -> int:
        asked = self._state.changing().asked_names
        old = [key for key, item in asked.items() if item.last_asked_at < at]
        for key in old:
            del asked[key]
        return len(old)


class MemoryExemptions:
    """`ports.Exemptions` on one state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def find(self, exemption_id: str) -> Exemption | None:
        return self._state.exemptions.get(exemption_id)

    def list(self, index: IndexName | None = None, project: ProjectName | None = None) -> tuple[Exemption, ...]:
        found = (
            item
            for item in self._state.exemptions.values()
            if index in (None, item.index) and project in (None, item.project)
        )
        return tuple(sorted(found, key=lambda item: (item.requested_at, item.exemption_id)))

    def add(self, exemption: Exemption) -> None:
        exemptions = self._state.changing().exemptions
        require(holds=exemption.exemption_id not in exemptions, otherwise="There is an exemption of this id already")
        exemptions[exemption.exemption_id] = exemption

    def replace(self, exemption: Exemption) -> None:
        exemptions = self._state.changing().exemptions
        require(holds=exemption.exemption_id in exemptions, otherwise="There is no exemption of this id")
        exemptions[exemption.exemption_id] = exemption


class MemoryPromotions:
    """`ports.Promotions` on one state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def find(self, promotion_id: str) -> Promotion | None:
        return self._state.promotions.get(promotion_id)

    def list(self, index: IndexName | None = None) -> tuple[Promotion, ...]:
        found = [item for item in self._state.promotions.values() if index in (None, item.source, item.target)]
        oldest_first = sorted(found, key=lambda item: (item.requested_at, item.promotion_id))
        return tuple(reversed(oldest_first))

    def add(self, promotion: Promotion) -> None:
        promotions = self._state.changing().promotions
        require(holds=promotion.promotion_id not in promotions, otherwise="There is a promotion of this id already")
        promotions[promotion.promotion_id] = promotion

    def replace(self, promotion: Promotion) -> None:
        promotions = self._state.changing().promotions
        require(holds=promotion.promotion_id in promotions, otherwise="There is no promotion of this id")
        promotions[promotion.promotion_id] = promotion
