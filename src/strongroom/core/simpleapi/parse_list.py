"""An upstream's list of all its projects, HTML or JSON: tens of megabytes, read as they arrive.

Decides which names stand in it; a line that is no name is passed over. Keeps the names
and little else in memory, and works on whole chunks at a time, because there are three
quarters of a million of them. Does not look names up (`name_list.py`).
"""

from __future__ import annotations

import re

from strongroom.core.errors import UpstreamFault

_NAME = rb"[A-Za-z0-9][A-Za-z0-9._-]{0,127}+"
_ANCHOR = re.compile(rb"<a(?:\s([^<>]*+))?>(?:\s*+(" + _NAME + rb")\s*+<)?+", re.IGNORECASE)
_HREF = re.compile(rb"""(?<![\w-])href\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'>]*+))""", re.IGNORECASE)
"""Matches wherever an `href=` stands, so a search ends at the first: anything lazier takes hours for a megabyte."""
_WHOLE_NAME = re.compile(_NAME)
_MEMBER = re.compile(rb'"name"\s*+:\s*+"(' + _NAME + rb')"')
_NORMALIZED = re.compile(rb"^[a-z0-9](?:[a-z0-9-]{0,126}[a-z0-9])?$", re.MULTILINE)
_SEPARATORS = re.compile(rb"[-_.]+")
_HTML_SIGNS = re.compile(rb"pypi:repository-version|simple index|links for", re.IGNORECASE)
_CARRY_BYTES = 4096
"""No entry of a list is longer; what a chunk cuts in two is read again with the next one."""
_ANCHORS_LOOKED_AT = 20
_MOST_NAMES = 3_000_000
"""Four times as many as the public index has; they are held in memory while they are sorted."""


class NameReader:
    """Reads one list: `feed` it in chunks of any size, then `finish` it once."""

    def __init__(self) -> None:
        self._names: set[bytes] = set()
        self._carry = b""
        self._is_json: bool | None = None
        self._has_sign = False
        self._opens_html = False

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; raises `UpstreamFault` when there are more names than can be."""
        text = self._carry + chunk
        if self._is_json is None:
            text = text.lstrip(b"\xef\xbb\xbf \t\r\n")
            if not text:
                return
            self._is_json = text.startswith(b"{")
        end = self._read(text)
        self._carry = text[max(end, len(text) - _CARRY_BYTES) :]
        if len(self._names) > _MOST_NAMES:
            raise UpstreamFault(
                "upstream-list-too-long",
                f"The upstream lists more than {_MOST_NAMES} projects",
                "Look at what the upstream's URL answers; no index has that many.",
            )

    def finish(self) -> bytes:
        """Return the names as `NameList` describes them; raises `UpstreamFault` for what was no whole list."""
        rest = self._carry
        is_whole = rest.rstrip().endswith(b"}") if self._is_json else b"</html" in rest.lower() or not self._opens_html
        if self._is_json is None or not self._has_sign or not is_whole:
            what = "no list of projects" if is_whole else "a list of projects that is cut short"
            raise UpstreamFault(
                "upstream-list-invalid",
                f"The upstream's answer is {what}",
                "Look at what the upstream's URL answers: it must be the Simple API, in JSON or HTML.",
            )
        return b"".join(name + b"\n" for name in sorted(self._names))

    def _read(self, text: bytes) -> int:
        """Take the names that stand whole in the text; returns where the last of them ends."""
        end = 0
        found: list[bytes] = []
        if self._is_json:
            self._has_sign = self._has_sign or b'"projects"' in text
            for match in _MEMBER.finditer(text):
                found.append(match[1])
                end = match.end()
        else:
            self._has_sign = self._has_sign or _HTML_SIGNS.search(text) is not None
            self._opens_html = self._opens_html or b"<html" in text.lower()
            for match in _ANCHOR.finditer(text):
                found.append(match[2] or _read_href(match[1] or b""))
                end = match.end() if match[2] else match.start()
            self._has_sign = self._has_sign or _names_its_links(text)
        self._names.update(_normalize(found))
        return end


def _names_its_links(text: bytes) -> bool:
    """Return whether the first anchors are called as the last parts of their URLs, as a list's are (PEP 503).

    For lists without a title: PEP 503 asks for none.
    """
    first = [match for match, _ in zip(_ANCHOR.finditer(text), range(_ANCHORS_LOOKED_AT), strict=False)]
    named: list[tuple[bytes, bytes]] = [(match[2] or b"", _read_href(match[1] or b"")) for match in first]
    alike = sum(text != b"" and _normalize([text]) == _normalize([url]) for text, url in named)
    return alike > len(first) // 2


def _read_href(attributes: bytes) -> bytes:
    """Return the last part of an anchor's URL, for anchors whose text is no name."""
    found = _HREF.search(attributes)
    if found is None:
        return b""
    path = (found[1] or found[2] or found[3] or b"").partition(b"#")[0].partition(b"?")[0]
    last = path.strip().removesuffix(b"/").rpartition(b"/")[2]
    return last if _WHOLE_NAME.fullmatch(last) else b""


def _normalize(names: list[bytes]) -> list[bytes]:
    """Return the names as PEP 503 writes them, all at once; those that are none are left out."""
    return _NORMALIZED.findall(_SEPARATORS.sub(b"-", b"\n".join(names).lower()))
