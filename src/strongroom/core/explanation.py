"""Why a name is answered by the source it is, and why each file shows or not, in sentences.

Says what `sources.py` and `screening.py` decided; decides nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from packaging.version import Version

from strongroom.core.exemptions import Exemption
from strongroom.core.mirrored import Copy, Offered, Skipped, UpstreamFile
from strongroom.core.model import File, Index, Project
from strongroom.core.names import IndexName, ProjectName
from strongroom.core.reservations import Hold
from strongroom.core.screening import Gate, find_refusals
from strongroom.core.sources import (
    Alone,
    AskUpstreams,
    NameFacts,
    Nowhere,
    Overlaid,
    Owned,
    Reserved,
    Route,
    Source,
    Withheld,
    walk,
)

UPSTREAM_QUARANTINE = "It was put there upstream, most often because it does harm; use another project."
_OWN_QUARANTINE = "Somebody who manages the project can set its status back to active."


class Answer(StrEnum):
    """Which kind of source answers for a name."""

    OWN = "own"
    OVERLAY = "overlay"
    RESERVED = "reserved"
    WITHHELD = "withheld"
    UPSTREAM = "upstream"
    NOWHERE = "nowhere"


@dataclass(frozen=True, slots=True)
class Step:
    """What one index on the way has to do with the name."""

    index: IndexName
    sentence: str


@dataclass(frozen=True, slots=True)
class ExplainedFile:
    """A file that shows, or is hidden for the reason. `rule_of` is the index whose rule it is."""

    filename: str
    version: str
    is_offered: bool
    code: str = ""
    reason: str = ""
    hint: str = ""
    until: datetime | None = None
    rule_of: IndexName | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What an index says to a name. `owner` is the index that answers, where there is one."""

    index: IndexName
    project: ProjectName
    answer: Answer
    owner: IndexName | None
    sentence: str
    steps: tuple[Step, ...]
    files: tuple[ExplainedFile, ...] = ()


def explain_source(
    name: ProjectName, source: Source, *, start: Index, facts: NameFacts, visible: frozenset[IndexName]
) -> Explanation:
    """Return the explanation without files. Indexes outside the way are named only if they are `visible`."""
    asked = "is not asked for this name" if _is_unasked(source) else "is asked"
    steps = tuple(_explain_step(route, source, facts=facts, asked=asked) for route in walk(start, facts.indexes))
    answer, owner, sentence = _describe(source, visible=visible)
    return Explanation(start.name, name, answer, owner, f"'{name}' {sentence}", steps)


def explain_absence(name: ProjectName, source: Source, *, start: Index, facts: NameFacts) -> Explanation:
    """Return what somebody hears of a name that is not to be had, from whom an index of this server is hidden.

    It is the same whether that index holds the name, so that no upstream is asked, or nobody
    has it: else he could try out names until he knew what is in there.
    """
    asked = "gives nothing of that name here"
    steps = tuple(_explain_step(route, source, facts=facts, asked=asked) for route in walk(start, facts.indexes))
    if isinstance(source, Overlaid):
        answer, owner, sentence = _describe(source, visible=frozenset())
        return Explanation(start.name, name, answer, owner, f"'{name}' {sentence}", steps)
    sentence = f"'{name}' is not to be had: no upstream has it, or an index that you may not read keeps it for itself"
    return Explanation(start.name, name, Answer.NOWHERE, None, sentence, steps)


def list_withholders(source: Source) -> tuple[IndexName, ...]:
    """Return the indexes for whose sake no upstream is asked, under an overlay too."""
    below: Alone = source.below if isinstance(source, Overlaid) else source
    return below.holders if isinstance(below, Withheld) else ()


def explain_own_files(
    project: Project, files: Iterable[File], *, version: Version | None = None
) -> tuple[ExplainedFile, ...]:
    """Return what shows of an index's own files: all, but in quarantine."""
    return tuple(
        ExplainedFile(
            file.filename, str(file.version), is_offered=True, code=_yank_code(file), reason=_yank_reason(file)
        )
        if project.status.offers_files
        else explain_quarantined(file, project.status_reason, hint=_OWN_QUARANTINE)
        for file in files
        if version in (None, file.version)
    )


def explain_quarantined(file: Offered, reason: str | None, *, hint: str) -> ExplainedFile:
    """Return why a quarantined project's file is not offered (PEP 792)."""
    return ExplainedFile(
        file.filename,
        str(file.version),
        is_offered=False,
        code="project-quarantined",
        reason=f"The project is in quarantine: {reason or 'no reason was given'}",
        hint=hint,
    )


def explain_covered(file: Offered, owner: IndexName) -> ExplainedFile:
    """Return why a file under an overlay is not offered."""
    reason = f"The index '{owner}' has a file of this name, which stands over it"
    return ExplainedFile(file.filename, str(file.version), is_offered=False, code="overlaid", reason=reason)


def explain_upstream_file(
    file: UpstreamFile, gates: tuple[Gate, ...], *, now: datetime, copy: Copy | None
) -> ExplainedFile:
    """Return whether the file comes through, and by which exemption, or which rule hides it until when."""
    exempted: Exemption | None = None
    for finding in find_refusals(file, gates, now=now, copy=copy):
        if finding.exemption is None:
            refusal = finding.refusal
            return ExplainedFile(
                file.filename,
                str(file.version),
                is_offered=False,
                code=refusal.code,
                reason=refusal.reason,
                hint=refusal.hint,
                until=refusal.until,
                rule_of=finding.ruled_by,
            )
        exempted = finding.exemption
    code, reason = _yank_code(file), _yank_reason(file)
    if file.vanished_at is not None:
        code = "vanished"
        reason = f"The upstream has not offered it since {file.vanished_at:%Y-%m-%d}; it stays for those who pinned it"
    if exempted is not None:
        code = "exempted"
        reason = f"The exemption {exempted.exemption_id} lets it through until {exempted.expires_at:%Y-%m-%d %H:%M UTC}"
    return ExplainedFile(file.filename, str(file.version), is_offered=True, code=code, reason=reason)


def explain_skipped(item: Skipped) -> ExplainedFile:
    """Return why a line of the upstream's page is not offered."""
    return ExplainedFile(item.filename, "", is_offered=False, code="unusable", reason=item.reason)


def _yank_code(file: File | UpstreamFile) -> str:
    return "" if file.yank is None else "yanked"


def _yank_reason(file: File | UpstreamFile) -> str:
    if file.yank is None:
        return ""
    because = f": {file.yank.reason}" if file.yank.reason else ""
    return f"Installers take it only where its version is pinned, for it was yanked{because}"


def _explain_step(route: Route, source: Source, *, facts: NameFacts, asked: str) -> Step:
    """Return what the index has to do with the name; `asked` is what is said of an upstream, if it has one."""
    index = route.end
    held = _held(source)
    if held is not None and held.route.end.name == index.name:
        if isinstance(held, Reserved):
            return Step(index.name, f"reserves it ({held.reservation.pattern}) and has no files of it")
        return Step(index.name, "owns it: it has files of it, or had")
    if index.name in facts.owners and not _lies_below(source, index):
        return Step(index.name, "has files of it too, or had; they do not count here")
    if index.name in facts.owners:
        return Step(index.name, "has files of it too, or had: they stand below")
    holds = {item.hold for item in facts.reservations if item.index == index.name}
    if Hold.OVERLAY in holds:
        return Step(index.name, "overlays it, but has no files of it yet")
    if holds:
        return Step(index.name, "reserves it too, which does not count here")
    if index.upstream is None:
        return Step(index.name, "neither owns nor reserves it")
    return Step(index.name, f"neither owns nor reserves it; its upstream {asked}")


def _held(source: Source) -> Owned | Reserved | None:
    match source:
        case Owned() | Reserved():
            return source
        case Overlaid(owned=owned):
            return owned
        case _:
            return None


def _lies_below(source: Source, index: Index) -> bool:
    """Return whether the index's own files show under an overlay."""
    return (
        isinstance(source, Overlaid) and isinstance(source.below, Owned) and source.below.route.end.name == index.name
    )


def _is_unasked(source: Source) -> bool:
    below: Alone = source.below if isinstance(source, Overlaid) else source
    return not isinstance(below, AskUpstreams)


def _describe(source: Source, *, visible: frozenset[IndexName]) -> tuple[Answer, IndexName | None, str]:
    match source:
        case Owned(route):
            return Answer.OWN, route.end.name, f"belongs to the index '{route.end.name}', which answers alone"
        case Reserved(route, reservation):
            sentence = f"is reserved by the index '{route.end.name}' ({reservation.pattern}), which has no files of it"
            return Answer.RESERVED, route.end.name, sentence
        case Overlaid(owned=Owned(route)):
            sentence = f"is an overlay: files of the index '{route.end.name}' stand over those of the next source"
            return Answer.OVERLAY, route.end.name, sentence
        case Withheld(holders):
            shown = [f"'{name}'" for name in holders if name in visible]
            indexes = "the index" if len(shown) == 1 else "the indexes"
            by = f"{indexes} {' and '.join(shown)}" if shown else "another index of this server"
            return Answer.WITHHELD, None, f"belongs to {by}, so no upstream is asked for it here"
        case AskUpstreams(routes):
            names = ", ".join(f"'{route.end.name}'" for route in routes)
            asked = f"the upstream of {names} is asked" if len(routes) == 1 else f"the upstreams of {names} are asked"
            return Answer.UPSTREAM, None, f"belongs to nobody here, so {asked}"
        case Nowhere():
            return Answer.NOWHERE, None, "belongs to nobody here, and there is no upstream to ask"
        case _:  # pragma: no cover
            assert_never(source)
