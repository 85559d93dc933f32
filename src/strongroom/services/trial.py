"""Trying rules out: what they would have hidden of that which came through lately.

Looks at the copies that were stored or used in the last days, by rules that need not be
set. Changes nothing, and asks no upstream: what nobody fetched is not in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from strongroom.core.access import IndexTarget, Right, not_found
from strongroom.core.caller import Caller
from strongroom.core.errors import InvalidRequest
from strongroom.core.mirrored import Copy, UpstreamFile
from strongroom.core.names import Filename, IndexName, ProjectName
from strongroom.core.policy import Refuse
from strongroom.core.rule_text import check_rules
from strongroom.core.rules import Rules
from strongroom.core.screening import Gate, screen
from strongroom.core.sources import walk
from strongroom.ports import Catalog, Clock, Transaction

LONGEST_DAYS = 365
USUAL_DAYS = 30


@dataclass(frozen=True, slots=True)
class HiddenFile:
    """A file that the rules would have hidden at that time; `index` is the one whose upstream it came from."""

    index: IndexName
    project: ProjectName
    version: str
    filename: Filename
    at: datetime
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class TrialReport:
    """The rules that were tried, how many files they judged, and which of these they would have hidden."""

    rules: Rules
    judged: int
    hidden: tuple[HiddenFile, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """The use case of trying rules out."""

    catalog: Catalog
    clock: Clock

    async def run(
        self, caller: Caller, index: IndexName, *, rules: Rules | None = None, days: int = USUAL_DAYS
    ) -> TrialReport:
        """Return what the rules (None: the index's own) would have hidden in the last days, by project and file.

        A file is judged at the moment when its bytes came here, or when that is longer ago,
        at its last use; exemptions count as they stand now. Raises `InvalidRequest`, `NotFound`.
        """
        if not 1 <= days <= LONGEST_DAYS:
            raise InvalidRequest("trial-days", f"{days} days cannot be looked at", f"Choose 1 to {LONGEST_DAYS}.")
        since = self.clock.now() - timedelta(days=days)
        wanted = None if rules is None else check_rules(rules)

        def load(tx: Transaction) -> TrialReport:
            caller.demand(Right.MANAGE, IndexTarget(index), indexes=tx.indexes.list())
            found = tx.indexes.find(index)
            if found is None:
                raise not_found()
            tried = found.rules if wanted is None else wanted
            verdicts = list(_judge_all(tx, index, rules=tried, since=since))
            hidden = [item for item in verdicts if item is not None]
            hidden.sort(key=lambda item: (item.project, item.filename, item.index))
            return TrialReport(tried, judged=len(verdicts), hidden=tuple(hidden))

        return await self.catalog.read(load)


def _judge_all(tx: Transaction, index: IndexName, *, rules: Rules, since: datetime) -> Iterator[HiddenFile | None]:
    """Yield what the rules say of each file that came through the index since then."""
    for (source, project), copies in _group_copies(tx, index, since=since).items():
        page = tx.upstream_pages.find(source, project)
        files = {file.filename: file for file in page.files} if page is not None else {}
        gate = Gate(index, rules, tx.exemptions.list(index, project))
        for copy in copies:
            file = files.get(copy.filename)
            at = _moment(copy, since)
            if file is not None and at is not None:
                yield _judge(file, gate, at=at, copy=copy)


def _group_copies(
    tx: Transaction, index: IndexName, *, since: datetime
) -> dict[tuple[IndexName, ProjectName], list[Copy]]:
    """Return the copies that came through the index since then, from wherever it gets files."""
    indexes = {item.name: item for item in tx.indexes.list()}
    reached = {route.end.name for route in walk(indexes[index], indexes)}
    groups: dict[tuple[IndexName, ProjectName], list[Copy]] = defaultdict(list)
    for copy in tx.copies.scan():
        if copy.index in reached and _moment(copy, since) is not None:
            groups[copy.index, copy.project].append(copy)
    return groups


def _moment(copy: Copy, since: datetime) -> datetime | None:
    """Return when the file was stored, or else last used, if one of that was since then."""
    return next((at for at in (copy.stored_at, copy.last_used_at) if at is not None and at >= since), None)


def _judge(file: UpstreamFile, gate: Gate, *, at: datetime, copy: Copy) -> HiddenFile | None:
    verdict = screen(file, (gate,), now=at, copy=copy)
    if not isinstance(verdict, Refuse):
        return None
    return HiddenFile(
        index=file.index,
        project=file.project,
        version=str(file.version),
        filename=file.filename,
        at=at,
        code=verdict.code,
        reason=verdict.reason,
    )
