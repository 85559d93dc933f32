"""Explaining what an index says to a name: whose it is, and which rule hides which file until when.

Changes nothing, and asks an upstream only for what a reader of the page would ask. The
sentences are made in `core/explanation.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from packaging.version import Version

from strongroom.core.access import IndexTarget, ProjectTarget, Right, allows, not_found
from strongroom.core.caller import Caller, open_indexes
from strongroom.core.errors import UpstreamFault
from strongroom.core.explanation import (
    UPSTREAM_QUARANTINE,
    ExplainedFile,
    Explanation,
    explain_covered,
    explain_own_files,
    explain_quarantined,
    explain_skipped,
    explain_source,
    explain_upstream_file,
)
from strongroom.core.mirrored import Copy, UpstreamFile, UpstreamPage
from strongroom.core.model import Index
from strongroom.core.names import Filename, IndexName
from strongroom.core.policy import Allow
from strongroom.core.screening import Gate
from strongroom.core.sources import AskUpstreams, Overlaid, Owned, Route, Source, find_source
from strongroom.ports import Catalog, Clock, Mirror, Transaction


@dataclass(frozen=True, slots=True)
class Explain:
    """The use case of whoever wonders why."""

    catalog: Catalog
    mirror: Mirror
    clock: Clock

    async def explain(self, caller: Caller, target: ProjectTarget, *, version: Version | None = None) -> Explanation:
        """Return what the index says to the name; raises `NotFound` for whom it is hidden from."""
        explanation, source = await self.catalog.read(
            lambda tx: _explain_here(tx, caller, target=target, version=version)
        )
        match source:
            case AskUpstreams(routes) | Overlaid(below=AskUpstreams(routes)):
                return await self._add_upstream(explanation, routes, target=target, version=version)
        return explanation

    async def _add_upstream(
        self, explanation: Explanation, routes: tuple[Route, ...], *, target: ProjectTarget, version: Version | None
    ) -> Explanation:
        for route in routes:
            try:
                page = await self.mirror.get_page(route.end, target.project)
            except UpstreamFault as fault:
                return replace(explanation, sentence=f"{explanation.sentence}; {fault.sentence}")
            if not page.is_missing:
                return await self._add_page(explanation, page, route=route, version=version)
        return replace(explanation, sentence=f"{explanation.sentence}; it was not found upstream")

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


def _explain_here(
    tx: Transaction, caller: Caller, *, target: ProjectTarget, version: Version | None
) -> tuple[Explanation, Source]:
    indexes = tx.indexes.list()
    caller.demand(Right.READ, target, indexes=indexes)
    facts = tx.name_facts(target.project)
    start = facts.indexes.get(target.index)
    if start is None:
        raise not_found()
    source = find_source(target.project, start=start, facts=facts)
    visible = frozenset(index.name for index in indexes if _may_read(caller, index.name, indexes=indexes))
    explanation = explain_source(target.project, source, start=start, facts=facts, visible=visible)
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
    return replace(explanation, files=files), source


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


def _may_read(caller: Caller, index: IndexName, *, indexes: tuple[Index, ...]) -> bool:
    verdict = allows(caller.principal, Right.READ, target=IndexTarget(index), open_indexes=open_indexes(indexes))
    return isinstance(verdict, Allow)


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
