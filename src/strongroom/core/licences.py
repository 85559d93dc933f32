"""The licence that a file's METADATA declares, as an SPDX expression, and whether a list of licences allows it.

Decides what of METADATA counts: an expression (PEP 639), else classifiers that mean
exactly one licence, else a License field that is an SPDX expression by itself. Guesses
nothing from prose. Does not decide what happens to an unknown licence
(`policies/licence.py`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from email.parser import Parser

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from strongroom.core.licence_names import CLASSIFIERS, SPELLINGS, UNDECIDED_CLASSIFIERS

_LONGEST_EXPRESSION = 1000
_EMPTY_LINE = re.compile(rb"\r?\n\r?\n")
_WORD = re.compile(r"[()]|[^\s()]+(?: with [^\s()]+)?")
_GNU = re.compile(r"(a?gpl|lgpl|gfdl)(-[0-9]\.[0-9])(\+?)")
_BINDING = {"or": 1, "and": 2}


def read_licence(metadata: bytes) -> str:
    """Return the SPDX expression that METADATA declares; empty where it declares none that can be recognised."""
    # The headers only: a description may say anything.
    head = _EMPTY_LINE.split(metadata, maxsplit=1)[0].decode("utf-8", "replace")
    headers = Parser().parsestr(head, headersonly=True)
    declared = headers.get_all("License-Expression", [])
    if declared:
        return _canonical(declared[0]) if len(declared) == 1 else ""
    classifiers = [value.strip() for value in headers.get_all("Classifier", [])]
    field = headers.get("License", "")
    return _read_classifiers(classifiers) or _canonical(field) or SPELLINGS.get(" ".join(field.lower().split()), "")


def is_permitted(expression: str, allowed: Collection[str]) -> bool:
    """Return whether the allowed licences suffice: one side of an OR, both of an AND.

    `A WITH B` is permitted where either it or `A` is allowed: an exception only adds rights.
    What is no SPDX expression is not permitted.
    """
    licences = {_plain(item) for item in allowed}
    if _plain(expression) in licences:
        return True
    canonical = _canonical(expression)
    return bool(canonical) and _evaluate(canonical.lower(), licences)


def _read_classifiers(classifiers: Iterable[str]) -> str:
    """Return what the licence classifiers mean, where each of them means one licence.

    Several don't say whether they go with "and" or "or"; who permits each of them is right
    in both cases.
    """
    told = [item for item in classifiers if item.startswith("License :: ") and item not in UNDECIDED_CLASSIFIERS]
    found = [CLASSIFIERS.get(item.rpartition(" :: ")[2], "") for item in told]
    return " AND ".join(sorted(set(found))) if all(found) else ""


def _canonical(raw: str) -> str:
    """Return the expression as SPDX writes it; empty for what is none."""
    text = " ".join(raw.split())
    if not text.isascii() or len(text) > _LONGEST_EXPRESSION:
        return ""
    try:
        return canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        return ""


def _evaluate(expression: str, licences: set[str]) -> bool:
    """Return the value of a well-formed expression, without recursion: it may be nested deeply."""
    values: list[bool] = []
    waiting: list[str] = []
    for word in _WORD.findall(expression):
        match word:
            case "(":
                waiting.append(word)
            case ")":
                _apply(values, waiting, binding=0)
                waiting.pop()
            case "and" | "or":
                _apply(values, waiting, binding=_BINDING[word])
                waiting.append(word)
            case _:
                licence = _plain(word)
                values.append(licence in licences or licence.partition(" with ")[0] in licences)
    _apply(values, waiting, binding=0)
    return values[0]


def _apply(values: list[bool], waiting: list[str], *, binding: int) -> None:
    """Do what waits and binds at least as strongly, up to the nearest parenthesis."""
    while waiting and waiting[-1] != "(" and _BINDING[waiting[-1]] >= binding:
        is_either = waiting.pop() == "or"
        right, left = values.pop(), values.pop()
        values.append((left or right) if is_either else (left and right))


def _plain(licence: str) -> str:
    """Return a licence in one spelling: SPDX renamed `GPL-2.0` to `GPL-2.0-only`, `GPL-2.0+` to `GPL-2.0-or-later`."""
    first, *rest = licence.lower().split() or [""]
    found = _GNU.fullmatch(first)
    if found:
        first = f"{found[1]}{found[2]}-{'or-later' if found[3] else 'only'}"
    return " ".join([first, *rest])
