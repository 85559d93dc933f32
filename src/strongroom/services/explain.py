"""Explaining what an index says to a name: whose it is, and which rule hides which file until when.

Changes nothing, and asks an upstream only for what a reader of the page would ask. The
sentences are made in `core/explanation.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from packaging.version import Version

from strongroom.core.access import ProjectTarget, Right, not_found
from strongroom.core.caller import Caller, open_indexes
from strongroom.core.errors import UpstreamFault
from strongroom.core.explanation import (
    UPSTREAM_QUARANTINE,
    ExplainedFile,
    Explanation,
    explain_absence,
    explain_covered,
    explain_own_files,
    explain_quarantined,
    explain_skipped,
    explain_source,
    explain_upstream_file,
    list_withholders,
)
from strongroom.core.mirrored import Copy, UpstreamFile, UpstreamPage
from strongroom.core.model import Index
from strongroom.core.names import Filename, IndexName
from strongroom.core.screening import Gate
from strongroom.core.sources import AskUpstreams, NameFacts, Nowhere, Overlaid, Owned, Route, Source, find_source
from strongroom.ports import Catalog, Clock, Mirror, Transaction


@dataclass(frozen=True, slots=True)
class Explain:
    """The use case of whoever wonders why."""

    catalog: Catalog
    mirror: Mirror
    clock: Clock

    async def explain(self, caller: Caller, target: ProjectTarget, *, version: Version | None = None) -> Explanation:
        """Return what the index says to the name; raises `NotFound` for whom it is hidden from."""
        here = await self.catalog.read(lambda tx: _explain_here(tx, caller, target=target, version=version))
        match here.source:
            case AskUpstreams(routes) | Overlaid(below=AskUpstreams(routes)):
                return await self._add_upstream(here, routes, target=target, version=version)
        return here.explanation

    async def _add_upstream(
        self, here: _Here, routes: tuple[Route, ...], *, target: ProjectTarget, version: Version | None
    ) -> Explanation:
        explanation = here.explanation
        for route in routes:
            try:
                page = await self.mirror.get_page(route.end, target.project)
            except UpstreamFault as fault:
                return replace(explanation, sentence=f"{explanation.sentence}. {fault.sentence.removesuffix('.')}")
            if not page.is_missing:
                return await self._add_page(explanation, page, route=route, version=version)
        return here.absence or replace(explanation, sentence=f"{explanation.sentence}; it was not found upstream")

    async def _add_page(
        self, explanation: Explanation, page: UpstreamPage, *, route: Route, version: Version | None
    ) -> Explanation:
        gates, copies = await self.catalog.read(lambda tx: _load_gates(tx, route, page=page))
        now, taken = self.clock.now(), {file.filename for file in explanation.files}

        def explain_file(file: UpstreamFile) -> ExplainedFile:
            if file.filename in taken and explanation.owner is not None:
                return explain_covered(file, explanation.owner)
            if not page.status.offers_files:
                return explain_quarantined(file, page.status_reason, hint=UPSTREAM_QUARANTINE)
            return explain_upstream_file(file, gates, now=now, copy=copies.get(file.filename))

        shown = [explain_file(file) for file in _sorted(page, version)]
        skipped = [explain_skipped(item) for item in page.skipped] if version is None else []
        return replace(
            explanation,
            owner=explanation.owner or route.end.name,
            sentence=f"{explanation.sentence}; {_describe_page(route.end, page, now=now)}",
            files=(*explanation.files, *shown, *skipped),
        )


@dataclass(frozen=True, slots=True)
class _Here:
    """What can be said without an upstream, and what is said where none has the name: the same again if it is None."""

    explanation: Explanation
    source: Source
    absence: Explanation | None


def _explain_here(tx: Transaction, caller: Caller, *, target: ProjectTarget, version: Version | None) -> _Here:
    indexes = tx.indexes.list()
    caller.demand(Right.READ, target, indexes=indexes)
    facts = tx.name_facts(target.project)
    start = facts.indexes.get(target.index)
    if start is None:
        raise not_found()
    source = find_source(target.project, start=start, facts=facts)
    files = _explain_all_own(tx, source, target=target, version=version)
    visible = _list_visible(caller, target, facts=facts)
    told = explain_source(target.project, source, start=start, facts=facts, visible=visible)
    if visible.issuperset(facts.indexes):
        return _Here(replace(told, files=files), source, None)
    absence = replace(explain_absence(target.project, source, start=start, facts=facts), files=files)
    holders = list_withholders(source)
    is_hidden = isinstance(source, Nowhere) or (holders and visible.isdisjoint(holders))
    return _Here(absence if is_hidden else replace(told, files=files), source, absence)


def _list_visible(caller: Caller, target: ProjectTarget, *, facts: NameFacts) -> frozenset[IndexName]:
    """Return the indexes of which the caller may read this very project, whether they have it or not."""
    opened = open_indexes(facts.indexes.values())
    return frozenset(
        name for name in facts.indexes if caller.may(Right.READ, replace(target, index=name), opened=opened)
    )


def _explain_all_own(
    tx: Transaction, source: Source, *, target: ProjectTarget, version: Version | None
) -> tuple[ExplainedFile, ...]:
    match source:
        case Overlaid(owned=Owned(over), below=Owned(under)):
            routes: tuple[Route, ...] = (over, under)
        case Owned(route) | Overlaid(owned=Owned(route)):
            routes = (route,)
        case _:
            routes = ()
    files: tuple[ExplainedFile, ...] = ()
    for route in routes:
        own = ProjectTarget(route.end.name, target.project)
        files += _explain_own(tx, own, version=version, covered_by=files)
    return files


def _explain_own(
    tx: Transaction,
    target: ProjectTarget,
    *,
    version: Version | None,
    covered_by: tuple[ExplainedFile, ...],
) -> tuple[ExplainedFile, ...]:
    project = tx.projects.find(target.index, target.project)
    if project is None:
        return ()
    taken = {file.filename for file in covered_by}
    files = [file for file in tx.files.list(target.index, target.project) if file.filename not in taken]
    return explain_own_files(project, files, version=version)


def _sorted(page: UpstreamPage, version: Version | None) -> list[UpstreamFile]:
    wanted = (file for file in page.files if version in (None, file.version))
    return sorted(wanted, key=lambda file: (file.version, file.filename))


def _load_gates(tx: Transaction, route: Route, *, page: UpstreamPage) -> tuple[tuple[Gate, ...], dict[Filename, Copy]]:
    copies = tx.copies.list(route.end.name, page.project)
    return tx.gates(route, page.project), {copy.filename: copy for copy in copies}


def _describe_page(index: Index, page: UpstreamPage, *, now: datetime) -> str:
    minutes = max(0, int((now - page.fetched_at).total_seconds() // 60))
    age = "just now" if minutes == 0 else "a minute ago" if minutes == 1 else f"{minutes} minutes ago"
    quarantine = "" if page.status.offers_files else ", in quarantine, so none of its files is offered"
    return f"'{index.name}' found it upstream {age}{quarantine}"
