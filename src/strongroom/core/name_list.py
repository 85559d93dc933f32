"""Looking names up in an upstream's list, which is one blob of sorted lines (`mirrored.NameList`).

Decides whether a name stands there, and which names look like it. So a private name is
never sent upstream in order to ask about it. Does not read what upstreams send
(`simpleapi/parse_list.py`).
"""

from __future__ import annotations

from strongroom.core.names import ProjectName

_LOOKS_LIKE = bytes.maketrans(b"lio", b"110")
_STRETCH = 1 << 16


def holds_name(blob: bytes, name: ProjectName) -> bool:
    """Return whether the name stands in the list, by binary search: tens of microseconds."""
    wanted = name.encode("ascii")
    low, high = 0, len(blob)
    while low < high:
        start = blob.rfind(b"\n", low, (low + high) // 2) + 1 or low
        end = blob.find(b"\n", start)
        line = blob[start : end if end >= 0 else len(blob)]
        if line == wanted:
            return True
        if line < wanted:
            low = start + len(line) + 1
        else:
            high = start
    return False


def find_lookalikes(blob: bytes, name: ProjectName, *, limit: int) -> tuple[ProjectName, ...]:
    """Return names that a reader takes for this one: without `-`, and `l` and `i` as `1`, `o` as `0`.

    The public index refuses new names by the same rule. Takes tens of milliseconds.
    """
    wanted = b"\n" + _flatten(name.encode("ascii")) + b"\n"
    flat = b"\n" + _flatten(blob)
    found: list[ProjectName] = []
    counted, lines = 0, 0
    position = flat.find(wanted)
    while position >= 0 and len(found) < limit:
        lines += flat.count(b"\n", counted, position)
        counted = position
        other = _line_at(blob, lines)
        if other != name:
            found.append(other)
        position = flat.find(wanted, position + len(wanted) - 1)
    return tuple(found)


def _flatten(text: bytes) -> bytes:
    return text.translate(_LOOKS_LIKE, b"-._")


def _line_at(blob: bytes, number: int) -> ProjectName:
    """Return the line of this number, the first being 0."""
    start = 0
    while (count := blob.count(b"\n", start, start + _STRETCH)) < number:
        number -= count
        start += _STRETCH
    for _ in range(number):
        start = blob.find(b"\n", start) + 1
    return ProjectName(blob[start : blob.find(b"\n", start)].decode("ascii"))
