"""The tags of an HTML page: name and attributes, in linear time whatever the page holds.

Decides where a tag begins and ends, as the HTML standard does: comments, scripts and
quoted values hide what looks like a tag. Builds no tree, reads no text, and never
fails: what is cut short ends the page.

Why not a library: `mousebender` gives up a whole page for one odd link and ignores
`<base>`; both it and pip stand on `html.parser`, which takes 23 seconds for 40 KB of
`<a ` (CPython 3.11.7), and an upstream's page is not ours to trust.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

_OPENING = re.compile(r"<(?:(!--)|(/?[a-z][^\s/>]*+)([\s/]*+>)?)", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"""[\s/]*+(?:(?P<end>>)|(?P<name>[^\s/>][^\s/>=]*+)"""
    r"""(?:\s*+=\s*+(?:"(?P<double>[^"]*+)"|'(?P<single>[^']*+)'|(?P<bare>[^\s>]*+)))?+)"""
)
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_RAW_TEXT = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)
    for name in ("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes")
}
_MOST_ATTRIBUTES = 64


class Tag(NamedTuple):
    """A tag: `a`, or `/a` where it closes. The first of two attributes of one name counts."""

    name: str
    attributes: dict[str, str]


def read_tags(text: str) -> Iterator[Tag]:
    """Yield the tags in their order."""
    position = 0
    while found := _OPENING.search(text, position):
        if found[1]:
            # `<!-->` is a whole comment, so its end may share the two hyphens of its start.
            end = text.find("-->", found.end() - 2)
            if end < 0:
                return
            position = end + 3
            continue
        name = found[2].lower()
        attributes, position = ({}, found.end()) if found[3] else _read_attributes(text, found.end())
        if position < 0:
            return
        yield Tag(name, attributes)
        if name in _RAW_TEXT:
            closing = _RAW_TEXT[name].search(text, position)
            if closing is None:
                return
            position = closing.start()


def _read_attributes(text: str, position: int) -> tuple[dict[str, str], int]:
    """Return the attributes and where the tag ends, -1 where the page does so first."""
    attributes: dict[str, str] = {}
    for _ in range(_MOST_ATTRIBUTES):
        found = _ATTRIBUTE.match(text, position)
        if found is None:
            return attributes, -1
        position = found.end()
        if found["end"]:
            return attributes, position
        value = found["double"] or found["single"] or found["bare"] or ""
        attributes.setdefault(found["name"].lower(), _decode(value))
    # Nobody's links have that many: the rest is not worth reading.
    return attributes, text.find(">", position) + 1 or -1


def _decode(value: str) -> str:
    """Replace character references; one without `;` stays, because URLs hold `&copy=1`."""
    return _REFERENCE.sub(lambda found: html.unescape(found[0]), value) if "&" in value else value
