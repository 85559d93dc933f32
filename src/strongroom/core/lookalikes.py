"""Which names a reader takes for one another.

Folds names as PyPI does before it lets a project be created: separators go, `l` and
`i` become `1`, `o` becomes `0`. Does not decide what happens to a look-alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

N = TypeVar("N", bound=str)
_FOLDED = str.maketrans({"l": "1", "i": "1", "o": "0", "-": None, "_": None, ".": None})


def fold(name: str) -> str:
    """Return what all names share that look like this normalised one."""
    return name.lower().translate(_FOLDED)


def find_lookalikes(name: N, names: Iterable[N]) -> tuple[N, ...]:
    """Return those of the names that look like it without being it, sorted, each once."""
    folded = fold(name)
    return tuple(sorted({other for other in names if other != name and fold(other) == folded}))
