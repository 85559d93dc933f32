"""entry_points.txt: which commands installing the wheel would make.

A script's name becomes a file's name and its target a line of code, so both are
held to their alphabet (CVE-2026-8643 was a name with `../`). Names in other groups
are free text, as the specification has it. Files that the two parsers in use,
configparser and importlib.metadata, read differently are refused.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator

from strongroom.core.archive.fault import Fault, quoted

_SCRIPT_GROUPS = frozenset({"console_scripts", "gui_scripts"})
_NAME = re.compile(r"[\w.-]+")
_TARGET = re.compile(r"[\w.]+\s*(?::\s*[\w.]+\s*)?(?:\[[\w\s,.-]*\]\s*)?")
_HINT = "Correct the entry points in pyproject.toml and build again."

Scripts = set[tuple[str, str, str]]


def check_entry_points(raw: bytes) -> None:
    """Raise `Fault` unless every reader finds the same scripts, with harmless names and targets."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Fault("entry-points-encoding", "entry_points.txt is not in UTF-8", _HINT) from None
    scripts = set(_scripts_by_line(text))
    for _, name, target in sorted(scripts):
        _check_script(name, target)
    if scripts != _scripts_by_ini(text):
        raise Fault("entry-points-ambiguous", "Tools disagree about which scripts entry_points.txt has", _HINT)


def _check_script(name: str, target: str) -> None:
    if not _NAME.fullmatch(name) or name.strip(".") == "":
        raise Fault("entry-points-name", f"The script name {quoted(name)} cannot be a file's name", _HINT)
    if not _TARGET.fullmatch(target):
        raise Fault(
            "entry-points-target", f"The script {quoted(name)} has no target of the form module:function", _HINT
        )


def _scripts_by_line(text: str) -> Iterator[tuple[str, str, str]]:
    """Read as importlib.metadata does: each line by itself, indented or not."""
    group: str | None = None
    for line in text.splitlines():
        content = line.strip()
        if not content or content.startswith("#"):
            continue
        if content.startswith("[") and content.endswith("]"):
            group = content[1:-1].strip()
            continue
        name, equals, target = content.partition("=")
        if group is not None and not equals:  # importlib.metadata fails at it, and for all that is installed beside it
            raise Fault("entry-points-syntax", f"The line {quoted(content)} of entry_points.txt has no '='", _HINT)
        if group in _SCRIPT_GROUPS:
            yield group, name.strip(), target.strip()


def _scripts_by_ini(text: str) -> Scripts:
    """Read as pip and installer do: an INI file, in which an indented line may go on with the value above."""
    parser = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=("#",), allow_no_value=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # typeshed lacks this documented idiom
    try:
        parser.read_string(text)
    except configparser.DuplicateOptionError:
        raise Fault("entry-points-duplicate", "entry_points.txt gives a name twice", _HINT) from None
    except configparser.Error:
        raise Fault("entry-points-syntax", "entry_points.txt is not an INI file", _HINT) from None
    return {
        (group.strip(), name, target or "")
        for group in parser.sections()
        if group.strip() in _SCRIPT_GROUPS
        for name, target in parser.items(group)
    }
