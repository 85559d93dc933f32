"""A project that a lock file or a list of requirements wants, and which of its files.

Says what is wanted. Does not read such files (`lockfiles.py`, `requirements.py`) and
does not decide which files those are that an index offers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from strongroom.core.errors import InvalidRequest
from strongroom.core.names import Filename, ProjectName, Sha256


@dataclass(frozen=True, slots=True)
class Wanted:
    """One entry. `version` is the one that it is pinned to, if it is pinned.

    `filenames` and `sha256s` are the files that the lock file names; with neither, it
    leaves the choice among the version's files to the installer. `marker` says where the
    entry counts (PEP 508); it is empty where it counts everywhere.
    """

    project: ProjectName
    version: Version | None = None
    specifier: SpecifierSet = field(default_factory=SpecifierSet)
    filenames: tuple[Filename, ...] = ()
    sha256s: tuple[Sha256, ...] = ()
    marker: str = ""


def unreadable(where: str, what: str, *, hint: str) -> InvalidRequest:
    """Return the error for a place in a file that cannot be understood."""
    return InvalidRequest("lockfile", f"{where}: {what}", hint)
