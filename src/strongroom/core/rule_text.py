"""The rules of an index as people write and read them: requirements, sizes, spans of time, sentences.

Decides what may stand in `Rules`; every maker of rules passes them through `check_rules`.
Does not judge files (`policies/`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TypeVar

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from strongroom.core.errors import InvalidName, InvalidRequest
from strongroom.core.names import ProjectName, ProjectPattern, parse_project_name, parse_project_pattern
from strongroom.core.rules import Rules

T = TypeVar("T")
LONGEST_COOLDOWN = timedelta(days=3650)
MOST_ENTRIES = 5_000
"""In each list of a rule: all of them are looked through for each page."""
_LONGEST_REQUIREMENT = 500
_LARGEST_SIZE = 2**53
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._*?-]*)\s*(.*?)\s*", re.DOTALL)
_SIZE = re.compile(r"([0-9]{1,12})\s*([kmgt]?i?b)?", re.ASCII | re.IGNORECASE)
_UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_BINARY_UNITS = {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_PLATFORM = re.compile(r"[a-z0-9_*?]{1,100}", re.ASCII)
_SPANS = ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute"))


@dataclass(frozen=True, slots=True)
class NamedVersions:
    """Projects, by name or pattern, and which of their versions are meant."""

    pattern: ProjectPattern
    versions: SpecifierSet

    def means(self, project: ProjectName, version: Version) -> bool:
        """Return whether this version of the project is meant; pre-releases count like all others."""
        return fnmatchcase(project, self.pattern) and self.versions.contains(version, prereleases=True)

    def __str__(self) -> str:
        """Write it as `parse_named_versions` reads it."""
        return f"{self.pattern}{self.versions}"


def parse_named_versions(raw: str) -> NamedVersions:
    """Read `django`, `acme-*` or `requests>=2.31,<3`; raises `InvalidRequest`.

    The specifiers are PEP 440's; extras, markers and URLs mean nothing here and are refused.
    """
    if len(raw) > _LONGEST_REQUIREMENT:
        raise _bad_requirement(raw)
    try:
        name, versions = _split(raw)
        return NamedVersions(name, SpecifierSet(versions))
    except (InvalidName, InvalidSpecifier):
        raise _bad_requirement(raw) from None


def parse_project_versions(raw: str) -> tuple[ProjectName, SpecifierSet]:
    """Read `django` or `requests>=2.31,<3`, where the name is no pattern; raises `InvalidRequest`."""
    read = parse_named_versions(raw)
    try:
        return parse_project_name(read.pattern), read.versions
    except InvalidName:
        raise InvalidRequest(
            "requirement-pattern", f"'{read.pattern}' is not a single project", "Name each project by itself."
        ) from None


def parse_versions(raw: str) -> SpecifierSet:
    """Read PEP 440 specifiers such as `>=2.31,<3`, or nothing for all versions; raises `InvalidName`."""
    try:
        return SpecifierSet(raw if len(raw) <= _LONGEST_REQUIREMENT else "?")
    except InvalidSpecifier:
        raise InvalidName(
            "versions", f"{ascii(raw)[:80]} does not say which versions", "Write ==2.31.0, or >=2.31,<3."
        ) from None


def find_versions(requirements: tuple[str, ...], project: ProjectName) -> tuple[SpecifierSet, ...]:
    """Return what the requirements say about this project: one set of versions for each that names it."""
    split = (_split(text) for text in requirements)
    return tuple(SpecifierSet(versions) for name, versions in split if fnmatchcase(project, name))


def parse_size(raw: str) -> int:
    """Read a number of bytes: 500MB, 1GiB, 1024; raises `InvalidRequest`."""
    match = _SIZE.fullmatch(raw.strip())
    size_bytes = int(match[1]) * (_UNITS | _BINARY_UNITS)[(match[2] or "b").lower()] if match else 0
    if not 0 < size_bytes <= _LARGEST_SIZE:
        raise InvalidRequest("rule-size", f"{ascii(raw)[:60]} is not a size", "Write it as 500MB, 1GiB or 1024.")
    return size_bytes


def parse_platform(raw: str) -> str:
    """Read a pattern over wheel platform tags, such as `manylinux*_x86_64`; raises `InvalidRequest`."""
    pattern = raw.strip().lower().replace("-", "_").replace(".", "_")
    if not _PLATFORM.fullmatch(pattern):
        raise InvalidRequest(
            "rule-platform",
            f"{ascii(raw)[:60]} is not a pattern for platforms",
            "Write a wheel's platform tag, with * where anything may stand: manylinux*_x86_64, win_amd64, macosx_*.",
        )
    return pattern


def parse_licence(raw: str) -> str:
    """Read one SPDX licence identifier, with an exception if there is one; raises `InvalidRequest`."""
    try:
        licence = str(canonicalize_license_expression(raw))
    except InvalidLicenseExpression:
        licence = ""
    if not licence or set(licence.split()) & {"AND", "OR"} or "(" in licence:
        raise InvalidRequest(
            "rule-licence",
            f"{ascii(raw)[:60]} is not a single SPDX licence",
            "Name one licence at a time: MIT, Apache-2.0, GPL-2.0-only WITH Classpath-exception-2.0.",
        )
    return licence


def check_rules(rules: Rules) -> Rules:
    """Return the rules with each part in its canonical writing; raises `InvalidRequest`."""
    return replace(
        rules,
        cooldown=_check_cooldown(rules.cooldown),
        allowed=_each(rules.allowed, lambda raw: str(parse_named_versions(raw))),
        denied=_each(rules.denied, lambda raw: str(parse_named_versions(raw))),
        platforms=_each(rules.platforms, parse_platform),
        max_size_bytes=None if rules.max_size_bytes is None else parse_size(str(rules.max_size_bytes)),
        licences=_each(rules.licences, parse_licence),
    )


def rule_sentences(rules: Rules) -> tuple[str, ...]:
    """Say each rule that is on in one sentence; empty when everything comes through."""
    return tuple(_sentences(rules))


def describe_span(span: timedelta) -> str:
    """Say how long it is, in the largest unit that leaves no rest: "3 days", "36 hours", "1 hour"."""
    for unit, word in _SPANS:
        if span % unit == timedelta(0):
            return _counted(span // unit, word)
    return _counted(round(span / timedelta(seconds=1)), "second")


def describe_size(size_bytes: int) -> str:
    """Say how much it is: "500 MB", "1.5 GB", "812 bytes"."""
    for unit, word in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size_bytes >= unit:
            return f"{size_bytes / unit:.1f}".removesuffix(".0") + f" {word}"
    return _counted(size_bytes, "byte")


def _split(raw: str) -> tuple[ProjectPattern, str]:
    match = _REQUIREMENT.fullmatch(raw)
    assert match is not None, "the expression takes any text"
    return parse_project_pattern(match[1]), match[2]


def _bad_requirement(raw: str) -> InvalidRequest:
    return InvalidRequest(
        "rule-requirement",
        f"{ascii(raw)[:80]} is not a name with versions",
        "Write a project's name or a pattern, and versions if not all are meant: django, acme-*, requests>=2.31,<3.",
    )


def _check_cooldown(cooldown: timedelta | None) -> timedelta | None:
    if not cooldown:
        return None
    if not timedelta(0) < cooldown <= LONGEST_COOLDOWN:
        raise InvalidRequest(
            "rule-cooldown",
            f"A cooldown of {describe_span(cooldown)} is too short or too long",
            f"Say 3d, 12h, or off; {LONGEST_COOLDOWN.days}d is the most.",
        )
    return cooldown


def _each(raw: tuple[str, ...], parse: Callable[[str], str]) -> tuple[str, ...]:
    if len(raw) > MOST_ENTRIES:
        raise InvalidRequest(
            "rule-entries", f"The list has {len(raw)} entries", f"Use at most {MOST_ENTRIES}; a pattern says many."
        )
    return tuple(dict.fromkeys(map(parse, raw)))


def _sentences(rules: Rules) -> Iterator[str]:
    if rules.cooldown:
        yield f"A file comes through {describe_span(rules.cooldown)} after its upload."
    if rules.allowed:
        yield f"Only these come through: {', '.join(rules.allowed)}."
    if rules.denied:
        yield f"These never come through: {', '.join(rules.denied)}."
    if not rules.takes_sdists:
        yield "No sdists come through."
    if rules.platforms:
        yield f"Wheels come through that run anywhere, or on one of these platforms: {', '.join(rules.platforms)}."
    if rules.max_size_bytes is not None:
        yield f"Files come through up to {describe_size(rules.max_size_bytes)}."
    if rules.licences:
        yield f"Only these licences come through: {', '.join(rules.licences)}."
    if not rules.takes_unknown_licences:
        yield "A file that states no licence does not come through."
    if not rules.takes_yanked:
        yield "No yanked files come through."


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
