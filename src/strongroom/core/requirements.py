"""A list of requirements as pip reads it: names, versions, hashes, markers (PEP 508).

Decides what of it can be had from an index: checkouts, directories and direct URLs are
left out. Options that say where pip looks are passed over, because here the index
decides. Other files that it includes are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from strongroom.core.errors import InvalidName
from strongroom.core.names import Sha256, parse_project_name, parse_sha256, parse_version
from strongroom.core.wanted import Wanted, unreadable

_COMMENT = re.compile(r"(?:^|\s)#.*$")
_OPTION = re.compile(r"\s--?[A-Za-z]")
_HASH = re.compile(r"\s--hash[=\s]\s*(\S*)")
_INCLUDES = re.compile(r"-[rc]|--requirement|--constraint")
_ELSEWHERE = re.compile(
    r"-e|--editable|\.{0,2}[/\\]|\.$|[A-Za-z]:[/\\]|file:|[A-Za-z+]+://|[^\s;@]+\.(?:whl|zip|tar\.gz)$"
)
_LONGEST_LINE = 200_000
"""A requirement of a large project has a hash for each of some thousand files."""


def parse_requirements(text: str, *, filename: str) -> tuple[Wanted, ...]:
    """Return what the list wants; raises `InvalidRequest` that names the line."""
    wanted: list[Wanted] = []
    for number, line in _read_lines(text):
        where = f"Line {number} of {filename}"
        if _INCLUDES.match(line):
            raise unreadable(
                where,
                "it includes another file, which is not read",
                hint="Make one file of them first, such as with 'uv pip compile' or 'pip-compile'.",
            )
        if not _ELSEWHERE.match(line) and not line.startswith("-"):
            found = _read_requirement(line, where)
            if found is not None:
                wanted.append(found)
    return tuple(wanted)


def _read_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the logical lines, without comments, with the number of their first line.

    As pip does: a backslash at a line's end joins the next one, and a comment ends the joining.
    """
    joined, first = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        is_comment = line.lstrip().startswith("#")
        first = first or number
        if line.endswith("\\") and not is_comment:
            joined += line[:-1] + " "
            continue
        logical = _COMMENT.sub("", joined + ("" if is_comment else line)).strip()
        if logical:
            yield first, logical
        joined, first = "", 0
    if rest := _COMMENT.sub("", joined).strip():
        yield first, rest


def _read_requirement(line: str, where: str) -> Wanted | None:
    """Return what the line wants; None for what comes from a URL."""
    if len(line) > _LONGEST_LINE:
        raise unreadable(where, "it is too long", hint="Write one requirement on a line.")
    options = _OPTION.search(line)
    try:
        requirement = Requirement(line[: options.start()] if options else line)
        project = parse_project_name(requirement.name)
    except (InvalidRequirement, InvalidName) as error:
        cause = str(error).partition("\n")[0]
        raise unreadable(
            where, f"it is not a requirement ({cause})", hint="Write it like 'django>=5.2' or 'django==5.2.1'."
        ) from None
    if requirement.url is not None:
        return None
    return Wanted(
        project=project,
        version=find_pin(requirement.specifier),
        specifier=requirement.specifier,
        sha256s=tuple(_read_hashes(line, where)),
        marker=str(requirement.marker or ""),
    )


def find_pin(specifier: SpecifierSet) -> Version | None:
    """Return the one version that the specifier lets through; None where it may be another."""
    for clause in specifier:
        if clause.operator in ("==", "===") and not clause.version.endswith(".*"):
            try:
                return parse_version(clause.version)
            except InvalidName:
                return None
    return None


def _read_hashes(line: str, where: str) -> Iterator[Sha256]:
    for value in _HASH.findall(line):
        algorithm, _, digest = value.partition(":")
        if algorithm.lower() != "sha256":
            continue  # pip takes others too; the files are known by their sha256 here
        try:
            yield parse_sha256(digest)
        except InvalidName as error:
            raise unreadable(where, error.message, hint="Write it like --hash=sha256:, then 64 digits.") from None
