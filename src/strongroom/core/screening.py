"""Whether an upstream's file comes through: the rules of `policies/`, brought together.

Judges by the rules of each index on the way, less the exemptions. The listing, the file
and its METADATA ask here alike, so that an old lock file cannot walk around a rule. Own
files are never judged here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from strongroom.core.exemptions import Decision, Exemption
from strongroom.core.mirrored import Copy, UpstreamFile
from strongroom.core.names import Filename, IndexName, ProjectName
from strongroom.core.policies.allow_list import NOT_ALLOWED, judge_allowed
from strongroom.core.policies.cooldown import TOO_YOUNG, judge_age, tell_old_enough
from strongroom.core.policies.deny_list import DENIED, judge_denied
from strongroom.core.policies.licence import LICENCE, find_licence, judge_licence
from strongroom.core.policies.maximum_size import TOO_LARGE, judge_size
from strongroom.core.policies.no_sdists import SDIST, judge_type
from strongroom.core.policies.no_yanked import YANKED, judge_yank
from strongroom.core.policies.platforms import PLATFORM, judge_platform
from strongroom.core.policy import ALLOW, Refuse, Verdict
from strongroom.core.rule_text import find_versions
from strongroom.core.rules import Rules
from strongroom.core.sources import Route

RULE_CODES = (DENIED, NOT_ALLOWED, TOO_YOUNG, SDIST, PLATFORM, TOO_LARGE, YANKED, LICENCE)
"""The codes of all rules, in the order in which they judge: an exemption is from one of them, or from all."""

Judge = Callable[[UpstreamFile, Copy | None], Verdict]


@dataclass(frozen=True, slots=True)
class Gate:
    """The rules of one index on the way, and the exemptions from them for the project in question."""

    index: IndexName
    rules: Rules
    exemptions: tuple[Exemption, ...] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """A way to an upstream, and the rules on it."""

    route: Route
    gates: tuple[Gate, ...]


class Finding(NamedTuple):
    """A rule that speaks against a file, the index whose rule it is, and the exemption that lets the file pass."""

    ruled_by: IndexName
    refusal: Refuse
    exemption: Exemption | None


class Screen:
    """The gates on the way, made ready for many files of one project at one moment.

    What a rule says about the project is read once, and a rule that is off costs nothing.
    """

    def __init__(self, gates: Iterable[Gate], project: ProjectName, *, now: datetime) -> None:
        self._now = now
        self._stations = tuple((gate, tuple(_judges(gate.rules, project, now=now))) for gate in gates)

    def judge(self, file: UpstreamFile, copy: Copy | None = None) -> Verdict:
        """Return the first refusal on the way that no exemption covers, as the rule words it, or `ALLOW`."""
        for gate, judges in self._stations:
            for judge in judges:
                verdict = judge(file, copy)
                if isinstance(verdict, Refuse) and self._find_exemption(gate, file, code=verdict.code) is None:
                    return verdict
        return ALLOW

    def split(
        self, files: Sequence[UpstreamFile], copies: Mapping[Filename, Copy]
    ) -> tuple[list[UpstreamFile], list[Refuse]]:
        """Return the files that `judge` allows, in their order, and its refusals of the others."""
        allowed: list[UpstreamFile] = []
        refusals: list[Refuse] = []
        for file, is_sure in zip(files, self._tell_sure(files), strict=True):
            verdict = ALLOW if is_sure else self.judge(file, copies.get(file.filename))
            if isinstance(verdict, Refuse):
                refusals.append(verdict)
            else:
                allowed.append(file)
        return allowed, refusals

    def find_refusals(self, file: UpstreamFile, copy: Copy | None = None) -> Iterator[Finding]:
        """Yield everything on the way that speaks against the file, with the advice how to ask for an exemption."""
        for gate, judges in self._stations:
            for judge in judges:
                verdict = judge(file, copy)
                if isinstance(verdict, Refuse):
                    exemption = self._find_exemption(gate, file, code=verdict.code)
                    yield Finding(gate.index, _advise(verdict, file, index=gate.index), exemption)

    def _tell_sure(self, files: Sequence[UpstreamFile]) -> list[bool]:
        """Return of each file whether it is surely allowed: old enough, where nothing but cooldowns judges."""
        cooldowns = [gate.rules.cooldown for gate, _ in self._stations if gate.rules.cooldown]
        if not cooldowns or len(cooldowns) < sum(len(judges) for _, judges in self._stations):
            return [False] * len(files)
        return tell_old_enough(files, max(cooldowns), now=self._now)

    def _find_exemption(self, gate: Gate, file: UpstreamFile, *, code: str) -> Exemption | None:
        return next((item for item in gate.exemptions if item.covers(file.version, code, now=self._now)), None)


def screen(file: UpstreamFile, gates: tuple[Gate, ...], *, now: datetime, copy: Copy | None = None) -> Verdict:
    """Return the first refusal on the way, or `ALLOW`.

    `copy` is what is kept of the file, where that is known: some rules need its METADATA.
    """
    findings = Screen(gates, file.project, now=now).find_refusals(file, copy)
    return next((finding.refusal for finding in findings if finding.exemption is None), ALLOW)


def find_refusals(
    file: UpstreamFile, gates: tuple[Gate, ...], *, now: datetime, copy: Copy | None = None
) -> tuple[Finding, ...]:
    """Return everything that speaks against the file, and which exemption lets it pass: what `explain` shows.

    It comes through when each finding has an exemption.
    """
    return tuple(Screen(gates, file.project, now=now).find_refusals(file, copy))


def wants_licence(gates: tuple[Gate, ...]) -> bool:
    """Return whether a rule on the way judges licences."""
    return any(_judges_licences(gate.rules) for gate in gates)


def wants_copies(gates: tuple[Gate, ...]) -> bool:
    """Return whether a rule on the way judges by what is kept of a file: its licence, or a size that no page tells."""
    return wants_licence(gates) or any(gate.rules.max_size_bytes is not None for gate in gates)


def needs_metadata(file: UpstreamFile, gates: tuple[Gate, ...], *, copy: Copy | None) -> bool:
    """Return whether the file cannot be judged before somebody reads its METADATA.

    The listing shows such a file; whoever serves its bytes or METADATA reads that first.
    """
    return wants_licence(gates) and find_licence(file, copy) is None


def next_change(gates: tuple[Gate, ...], *, now: datetime) -> datetime | None:
    """Return when an exemption lapses next, so that a page made now is not shown longer."""
    approved = [item for gate in gates for item in gate.exemptions if item.decision is Decision.APPROVED]
    return min((item.expires_at for item in approved if item.expires_at > now), default=None)


def _judges(rules: Rules, project: ProjectName, *, now: datetime) -> Iterator[Judge]:
    """Yield the rules that are on, in the order of `RULE_CODES`."""
    if denied := find_versions(rules.denied, project):
        yield lambda file, _: judge_denied(file, denied)
    if rules.allowed:
        allowed = find_versions(rules.allowed, project)
        yield lambda file, _: judge_allowed(file, allowed)
    if rules.cooldown:
        yield lambda file, _: judge_age(file, rules, now=now)
    if not rules.takes_sdists:
        yield lambda file, _: judge_type(file, rules)
    if rules.platforms:
        yield lambda file, _: judge_platform(file, rules)
    if rules.max_size_bytes is not None:
        yield lambda file, copy: judge_size(file, rules, copy=copy)
    if not rules.takes_yanked:
        yield lambda file, _: judge_yank(file, rules)
    if _judges_licences(rules):
        yield lambda file, copy: judge_licence(file, rules, copy=copy)


def _judges_licences(rules: Rules) -> bool:
    return bool(rules.licences) or not rules.takes_unknown_licences


def _advise(refusal: Refuse, file: UpstreamFile, *, index: IndexName) -> Refuse:
    """Add how to ask for an exemption: the whole command, since the rules don't know their index."""
    command = (
        f"strongroom exemption request {file.project}=={file.version} "
        f'--rule {refusal.code} --index {index} --reason "..."'
    )
    return replace(refusal, hint=f"{refusal.hint} If you need it all the same, ask for an exemption: {command}".strip())
