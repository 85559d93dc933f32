"""Whether what is promoted can be installed from the target: each requirement by name and version.

Looks where the target gets a name from (`core/sources.py`): its own files and those of
its bases, the promoted ones, or the upstream's page less what the rules hide. A name
that somebody here owns is never asked upstream. Resolves nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

from packaging.version import Version

from strongroom.core.access import ProjectTarget, Right
from strongroom.core.caller import Caller, open_indexes
from strongroom.core.dependencies import Need, Unreadable, describe_missing, read_needs
from strongroom.core.errors import NotFound, UploadRefused
from strongroom.core.mirrored import Copy
from strongroom.core.model import File
from strongroom.core.names import Filename, IndexName, ProjectName
from strongroom.core.pages import make_upstream_page
from strongroom.core.promote import ReleasePlan
from strongroom.core.screening import Gate
from strongroom.core.sources import AskUpstreams, Overlaid, Owned, Route, Source, find_source
from strongroom.ports import Blobs, Catalog, Clock, Mirror, Transaction

_MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Looks for the requirements of promoted releases. Without a `mirror` upstreams have nothing."""

    catalog: Catalog
    blobs: Blobs
    clock: Clock
    mirror: Mirror | None = None

    async def check(self, caller: Caller, plans: tuple[ReleasePlan, ...], *, target: IndexName) -> None:
        """Raise `UploadRefused` naming each requirement that the target could not meet; `UpstreamFault`.

        Of projects that the caller may not read there nothing is told, not even whether they exist.
        """
        needs = await self._read_needs([file for item in plans for file in item.new])
        promoted = {item.project: [other.version for other in plans if other.project == item.project] for item in plans}
        names = sorted({need.project for need in needs if isinstance(need, Need)})
        unpromoted = [name for name in names if name not in promoted]
        await self.catalog.read(lambda tx: _demand_readable(tx, caller, names=unpromoted, target=target))
        found = await asyncio.gather(
            *(self._find_versions(name, target=target, promoted=promoted.get(name, [])) for name in names)
        )
        versions = dict(zip(names, found, strict=True))
        missing = [need for need in needs if isinstance(need, Unreadable) or not need.is_met_by(versions[need.project])]
        if missing:
            raise UploadRefused(
                "dependency-missing",
                describe_missing(missing, index=target),
                "Promote these releases too, in the same step, or promote without --check-dependencies.",
            )

    async def _read_needs(self, files: Iterable[File]) -> tuple[Need | Unreadable, ...]:
        needs: dict[Need | Unreadable, None] = {}
        for file in files:
            if file.metadata_sha256 is not None:
                metadata = await self.blobs.get(file.metadata_sha256)
                needs |= dict.fromkeys(read_needs(metadata, wanted_by=f"{file.project}=={file.version}"))
        return tuple(needs)

    async def _find_versions(
        self, name: ProjectName, *, target: IndexName, promoted: list[Version]
    ) -> frozenset[Version]:
        """Return the versions that the target offers once the promotion is done."""
        source, own = await self.catalog.read(lambda tx: _look_up(tx, name, target=target, is_promoted=bool(promoted)))
        found = {*own, *promoted}
        match source:
            case AskUpstreams(routes) | Overlaid(below=AskUpstreams(routes)):
                found |= await self._ask(routes, name)
        return frozenset(found)

    async def _ask(self, routes: tuple[Route, ...], name: ProjectName) -> set[Version]:
        """Return the versions of the first upstream that has the project, less what the rules hide."""
        for route in routes if self.mirror is not None else ():
            assert self.mirror is not None
            page = await self.mirror.get_page(route.end, name, may_be_stale=True)
            if not page.is_missing:
                read = partial(_load_rules, route=route, name=name)
                gates, copies = await self.catalog.read(read)
                now, asked = self.clock.now(), route.entry.name
                shown = make_upstream_page(page, gates, copies=copies, asked=asked, now=now)
                return {file.version for file in shown.files if file.yank is None}
        return set()


def _demand_readable(tx: Transaction, caller: Caller, *, names: Iterable[ProjectName], target: IndexName) -> None:
    opened = open_indexes(tx.indexes.list())
    hidden = [name for name in names if not caller.may(Right.READ, ProjectTarget(target, name), opened=opened)]
    if hidden:
        raise UploadRefused(
            "dependency-hidden",
            f"Whether the index '{target}' has {', '.join(hidden[:_MOST_SHOWN])} is not for you to know: "
            "you may not read that there",
            "Let somebody promote it who may, or promote without --check-dependencies.",
        )


def _look_up(
    tx: Transaction, name: ProjectName, *, target: IndexName, is_promoted: bool
) -> tuple[Source, set[Version]]:
    """Return where the target gets the name from, and which versions are here; a promoted name is its own."""
    start = tx.indexes.find(target)
    if start is None:
        raise NotFound("index-unknown", f"There is no index '{target}'", "Check the name.")
    facts = tx.name_facts(name)
    if is_promoted:
        facts = replace(facts, owners=facts.owners | {target})
    source = find_source(name, start=start, facts=facts)
    return source, {version for index in _owners(source) for version in _list_versions(tx, index, name=name)}


def _load_rules(tx: Transaction, *, route: Route, name: ProjectName) -> tuple[tuple[Gate, ...], dict[Filename, Copy]]:
    copies = tx.copies.list(route.end.name, name)
    return tx.gates(route, name), {copy.filename: copy for copy in copies}


def _owners(source: Source) -> tuple[IndexName, ...]:
    match source:
        case Owned(route):
            return (route.end.name,)
        case Overlaid(owned=Owned(first), below=Owned(second)):
            return first.end.name, second.end.name
        case Overlaid(owned=Owned(first)):
            return (first.end.name,)
        case _:
            return ()


def _list_versions(tx: Transaction, index: IndexName, *, name: ProjectName) -> set[Version]:
    project = tx.projects.find(index, name)
    if project is None or not project.status.offers_files:
        return set()
    return {file.version for file in tx.files.list(index, name) if file.yank is None}
