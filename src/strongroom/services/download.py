"""One file of an index: its facts, its bytes, its METADATA, its provenance.

Reads only. Decides nothing but that a quarantined project's files and what the rules
hide are withheld (`core/pages.py`, `core/screening.py`), by any URL; whether the caller
may read was judged before. Knows nothing of ranges, caching or how bytes leave.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from msgspec.structs import replace as change

from strongroom.core.access import ProjectTarget, not_found
from strongroom.core.errors import Hidden
from strongroom.core.licences import read_licence
from strongroom.core.mirrored import Copy, Offered, UpstreamFile
from strongroom.core.model import File, Index
from strongroom.core.names import Filename, IndexName, Sha256
from strongroom.core.pages import demand_offered, demand_status
from strongroom.core.screening import Gate, Way, find_refusals, needs_metadata, next_change, wants_copies
from strongroom.core.sources import AskUpstreams, Overlaid, Owned, Route, Source, find_source
from strongroom.core.upstream import Delivery
from strongroom.ports import Arriving, Blobs, Catalog, Clock, Mirror, Transaction

_RECHECK = timedelta(minutes=1)
"""How long a file of an upstream is given out before its page and the rules are looked at again."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that may be given out until `valid_until`, and the index whose upstream it comes from (None: its own).

    `gates` are the rules on the way, for what is known only when the bytes come.
    """

    file: Offered
    upstream: Index | None = None
    valid_until: datetime | None = None
    gates: tuple[Gate, ...] = ()


_Copies = dict[IndexName, Copy | None]
"""What is kept of the wanted file at the ends of the ways whose rules judge by it."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The bytes are at the upstream's own URL: the index keeps no copies."""

    url: str


@dataclass(frozen=True, slots=True)
class Download:
    """Use cases of whoever fetches a file."""

    catalog: Catalog
    blobs: Blobs
    mirror: Mirror
    clock: Clock

    async def get_file(self, target: ProjectTarget, filename: Filename, *, ways: tuple[Way, ...] = ()) -> FoundFile:
        """Return the facts of a file; `ways` are those of its project's page if that is known to stand.

        A yanked file is returned like any other: PEP 592 keeps it for those who pinned it.
        Raises `NotFound`; `Forbidden` in quarantine; `Hidden` by a rule; `UpstreamFault`.
        """
        copies: _Copies = {}
        if not ways or any(wants_copies(way.gates) for way in ways):
            own, ways, copies = await self.catalog.look(lambda tx: _look_up(tx, target, filename=filename))
            if own is not None:
                return FoundFile(own)
        for way in ways:
            page = await self.mirror.get_page_with(way.route.end, target.project, filename=filename)
            if page.is_missing:
                continue
            file = next((file for file in page.files if file.filename == filename), None)
            if file is None:
                break
            demand_status(target.project, page.status, reason=page.status_reason)
            return await self._judge(file, way, copy=copies.get(way.route.end.name))
        raise not_found()

    async def find_stored(self, found: FoundFile) -> Copy | None:
        """Return the copy of an upstream's file, if its bytes are here; raises `Forbidden` for too many of them."""
        assert isinstance(found.file, UpstreamFile)
        copy = await self.mirror.find_copy(found.file)
        if copy is None or copy.stored_at is None or copy.sha256 != found.file.sha256:
            return None
        if _awaits_size(found):
            self._demand(change(found.file, size_bytes=copy.size_bytes), found.gates, copy=copy)
        return copy

    async def open_bytes(self, found: FoundFile) -> Copy | Arriving | Elsewhere:
        """Return where the bytes of an upstream's file are, or are coming from; raises `UpstreamFault`, `Forbidden`.

        A file whose size a rule has still to judge comes through here in any case.
        """
        assert isinstance(found.file, UpstreamFile)
        assert found.upstream is not None
        assert found.upstream.upstream is not None
        redirects = found.upstream.upstream.delivery is Delivery.REDIRECT and not found.upstream.upstream.is_offline
        stored = await self.find_stored(found) if redirects or _awaits_size(found) else None  # else the mirror looks
        if stored is not None:
            return stored
        if redirects and not _awaits_size(found):
            return Elsewhere(found.file.url)
        opened = await self.mirror.open_file(found.upstream, found.file)
        if _awaits_size(found):
            size_bytes = opened.size_bytes
            if size_bytes is None:
                assert not isinstance(opened, Copy)
                size_bytes = (await opened.stored()).size_bytes
            self._demand(change(found.file, size_bytes=size_bytes), found.gates)
        return opened

    async def get_metadata(self, found: FoundFile) -> bytes:
        """Return METADATA byte for byte; raises `NotFound` where it is not advertised (PEP 658), `UpstreamFault`."""
        match found.file:
            case File(serves_metadata=True, metadata_sha256=str(sha256)):
                return await self.blobs.get(Sha256(sha256))
            case UpstreamFile(serves_metadata=True) if found.upstream is not None:
                return await self.mirror.get_metadata(found.upstream, found.file)
        raise not_found()

    async def get_provenance(self, found: FoundFile) -> bytes:
        """Return the PEP 740 provenance object; raises `NotFound` where the file has none, `UpstreamFault`."""
        match found.file:
            case File(provenance_sha256=str(sha256)):
                return await self.blobs.get(Sha256(sha256))
            case UpstreamFile(has_provenance=True) if found.upstream is not None:
                return await self.mirror.get_provenance(found.upstream, found.file)
        raise not_found()

    async def link(self, sha256: Sha256, *, seconds: int) -> str | None:
        """Return a URL outside this server for the bytes, None where there is none; raises `StorageFault`."""
        return await self.blobs.link(sha256, seconds=seconds)

    def find_path(self, sha256: Sha256) -> Path | None:
        """Return where the bytes lie on this machine, or None."""
        return self.blobs.find_path(sha256)

    def stream(self, sha256: Sha256, *, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield the bytes from start to stop (exclusive); raises `StorageFault` when they are gone."""
        return self.blobs.stream(sha256, start, stop=stop)

    async def _judge(self, file: UpstreamFile, way: Way, *, copy: Copy | None) -> FoundFile:
        """Return the file if it comes through by the rules that stood when it was asked for."""
        gates = way.gates
        if needs_metadata(file, gates, copy=copy):
            licence = read_licence(await self.mirror.get_metadata(way.route.end, file))
            known = copy or Copy(file.index, file.project, file.filename, file.sha256)
            copy = replace(known, licence=licence)  # the mirror writes it down a little later
        self._demand(file, gates, copy=copy)
        now = self.clock.now()
        ends = (now + _RECHECK, next_change(gates, now=now))
        return FoundFile(file, way.route.end, min(end for end in ends if end is not None), gates)

    def _demand(self, file: UpstreamFile, gates: tuple[Gate, ...], *, copy: Copy | None = None) -> None:
        for found in find_refusals(file, gates, now=self.clock.now(), copy=copy):
            if found.exemption is None:
                refusal = found.refusal
                raise Hidden(refusal.code, refusal.reason, refusal.hint, ruled_by=found.ruled_by, until=refusal.until)


def _awaits_size(found: FoundFile) -> bool:
    """Return whether a rule judges the size, and the upstream's page does not tell it."""
    is_judged = any(gate.rules.max_size_bytes is not None for gate in found.gates)
    return is_judged and isinstance(found.file, UpstreamFile) and found.file.size_bytes is None


def _look_up(
    tx: Transaction, target: ProjectTarget, *, filename: Filename
) -> tuple[File | None, tuple[Way, ...], _Copies]:
    """Return the file if it is somebody's own here, else the ways on which it may come; one look for both."""
    source, own = _find_own(tx, target, filename=filename)
    match source:
        case AskUpstreams(routes) | Overlaid(below=AskUpstreams(routes)) if own is None:
            ways = tuple(Way(route, tx.gates(route, target.project)) for route in routes)
            judging = (way.route.end.name for way in ways if wants_copies(way.gates))
            return None, ways, {index: tx.copies.find(index, filename) for index in judging}
    return own, (), {}


def _find_own(tx: Transaction, target: ProjectTarget, *, filename: Filename) -> tuple[Source, File | None]:
    facts = tx.name_facts(target.project)
    index = facts.indexes.get(target.index)
    if index is None:
        raise not_found()
    source = find_source(target.project, start=index, facts=facts)
    match source:
        case Owned(route):
            routes: tuple[Route, ...] = (route,)
        case Overlaid(owned=Owned(first), below=Owned(second)):
            routes = (first, second)
        case Overlaid(owned=Owned(first)):
            routes = (first,)
        case _:
            routes = ()
    for route in routes:
        file = _get_own(tx, ProjectTarget(route.end.name, target.project), filename=filename)
        if file is not None:
            return source, file
    return source, None


def _get_own(tx: Transaction, target: ProjectTarget, *, filename: Filename) -> File | None:
    project = tx.projects.find(target.index, target.project)
    file = tx.files.find(target.index, filename)
    if project is None or file is None or file.project != target.project:
        return None
    demand_offered(project)
    return file
