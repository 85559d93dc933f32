"""One malformed archive and the code that it must be refused with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from strongroom.core.names import Filename


@dataclass(frozen=True, slots=True)
class Sample:
    """A class of malformed archives: what is wrong, how to make one, and the code of the refusal."""

    title: str
    code: str
    build: Callable[[], bytes]
    filename: Filename
