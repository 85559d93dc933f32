"""Which form of a page a client gets: PEP 691 content types and RFC 9110 codings.

`?format=` beats `Accept`; the most specific range decides a type's weight; `*/*` and
silence mean HTML, because clients that cannot say what they want (hatch, curl) parse
HTML. Does not render and does not compress.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class PageType(StrEnum):
    """The media types that a page is served as."""

    JSON = "application/vnd.pypi.simple.v1+json"
    HTML = "application/vnd.pypi.simple.v1+html"
    TEXT_HTML = "text/html"

    @property
    def content_type(self) -> str:
        """Return the value of the Content-Type header."""
        return "text/html; charset=utf-8" if self is PageType.TEXT_HTML else self.value


class Coding(StrEnum):
    """The content codings that a page is served in."""

    ZSTD = "zstd"
    GZIP = "gzip"
    IDENTITY = "identity"


@dataclass(frozen=True, slots=True, eq=False)
class Wish:
    """The form that was agreed upon. One object for each form, so that it is a cheap key."""

    page_type: PageType
    coding: Coding


_WISHES = {(page_type, coding): Wish(page_type, coding) for page_type in PageType for coding in Coding}
# PEP 691: "latest ... the server MUST respond with the actual version"; text/html is
# "an alias for v1+html". Order: what is preferred among equals.
_PAGE_TYPES = {
    "application/vnd.pypi.simple.v1+json": PageType.JSON,
    "application/vnd.pypi.simple.latest+json": PageType.JSON,
    "application/vnd.pypi.simple.v1+html": PageType.HTML,
    "application/vnd.pypi.simple.latest+html": PageType.HTML,
    "text/html": PageType.TEXT_HTML,
}
_EXACT, _SUBTYPE, _ANYTHING = 3, 2, 1
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_RANGE = re.compile(rf"({_WORD})/({_WORD})")
_CODING = re.compile(_WORD)
_WEIGHT = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}", re.ASCII)
_LONGEST_HEADER = 4096


def negotiate(accept: str | None, accept_encoding: str | None, *, format_query: str | None = None) -> Wish | None:
    """Return the form to answer in, or None when nothing offered is acceptable (406)."""
    page_type = choose_page_type(accept, format_query)
    coding = choose_coding(accept_encoding)
    return None if page_type is None or coding is None else _WISHES[page_type, coding]


def choose_page_type(accept: str | None, format_query: str | None = None) -> PageType | None:
    """Return the type to answer with, or None when no offered one is acceptable."""
    if format_query is not None:
        # PEP 691: "?format=... SHOULD take precedence"; it names one type, not a list.
        return _PAGE_TYPES.get(format_query.strip().lower())
    chosen = choose_offer(accept, _PAGE_TYPES, otherwise="text/html")
    return None if chosen is None else _PAGE_TYPES[chosen]


def choose_offer(accept: str | None, offers: Iterable[str], *, otherwise: str) -> str | None:
    """Return the media type that suits best, or None; `otherwise` is for who takes anything."""
    ranges = _read_ranges(accept or "")
    if not ranges:
        # RFC 9110 12.5.1: a request without Accept "will accept any media type". A header
        # in which nothing can be read says as much as none.
        return otherwise
    candidates = [
        (weight, specificity, specificity == _ANYTHING and name == otherwise, -position, name)
        for position, name in enumerate(offers)
        for weight, specificity in [_weigh(name, ranges)]
        if weight > 0
    ]
    return max(candidates)[-1] if candidates else None


def choose_coding(accept_encoding: str | None) -> Coding | None:
    """Return the content coding, or None when the client rules out all that is offered."""
    if accept_encoding is None:
        return Coding.IDENTITY
    weights = _read_codings(accept_encoding)
    rest = weights.get("*", 0.0)
    best: tuple[float, int, Coding] | None = None
    for position, coding in enumerate(Coding):
        weight = weights.get(coding.value)
        if weight is None:
            # RFC 9110 12.5.3: identity is acceptable unless excluded by "identity;q=0" or "*;q=0".
            is_free = coding is Coding.IDENTITY and "*" not in weights
            weight = 0.0001 if is_free else rest
        candidate = (weight, -position, coding)
        if weight > 0 and (best is None or candidate > best):
            best = candidate
    return None if best is None else best[2]


def _weigh(name: str, ranges: list[tuple[str, str, float]]) -> tuple[float, int]:
    """Return the weight of a type and how specific the range was that gave it."""
    kind, _, subtype = name.partition("/")
    best = (0.0, 0)
    for range_kind, range_subtype, weight in ranges:
        if (range_kind, range_subtype) == (kind, subtype):
            specificity = _EXACT
        elif (range_kind, range_subtype) == (kind, "*"):
            specificity = _SUBTYPE
        elif (range_kind, range_subtype) == ("*", "*"):
            specificity = _ANYTHING
        else:
            continue
        if specificity > best[1]:
            best = (weight, specificity)
    return best


def _read_ranges(header: str) -> list[tuple[str, str, float]]:
    ranges = []
    for element in header[:_LONGEST_HEADER].lower().split(","):
        name, *parameters = element.split(";")
        matched = _MEDIA_RANGE.fullmatch(name.strip())
        if matched:
            ranges.append((matched[1], matched[2], _read_weight(parameters)))
    return ranges


def _read_codings(header: str) -> dict[str, float]:
    codings: dict[str, float] = {}
    for element in header[:_LONGEST_HEADER].lower().split(","):
        name, *parameters = element.split(";")
        if _CODING.fullmatch(name.strip()):
            # RFC 9110 8.4.1.3: "A recipient SHOULD consider "x-gzip" to be equivalent to "gzip"."
            codings[name.strip().removeprefix("x-")] = _read_weight(parameters)
    return codings


def _read_weight(parameters: list[str]) -> float:
    """Return q between 0 and 1; one that cannot be read counts as 1, as if it were not there."""
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q" and _WEIGHT.fullmatch(value.strip()):
            return min(float(value), 1.0)
    return 1.0
