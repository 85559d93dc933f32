"""One malformed archive and the code that it must be refused with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from strongroom.core.names import Filename


@dataclass(frozen=True, slots=True)
class Sample:
    """A class of malformed archives: what is wrong, how to make one, and the code of the refusal."""

    title: str
    code: str
    build: Callable[[], bytes] = field(repr=False)
    filename: Filename

    @property
    def is_heavy(self) -> bool:
        """Whether the archive is a bomb, or takes more than a moment to make or to read."""
        return "bomb" in self.code or self.code in ("tar-too-many-entries", "tar-pax-too-large", "entry-too-large")
