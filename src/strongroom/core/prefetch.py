"""Which files of a page a lock file wants ahead of time, and which of them are here already.

Decides by filename and sha256 where the lock file names them, else all files of the
pinned version, else those of the latest version that will do. Judges the rules as a
download does (`screening.py`). Fetches nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from packaging.version import Version

from strongroom.core.mirrored import Copy, Offered, UpstreamFile, UpstreamPage
from strongroom.core.names import Filename, IndexName, ProjectName
from strongroom.core.policy import Refuse, Verdict
from strongroom.core.screening import Gate, Screen
from strongroom.core.wanted import Wanted


class State(StrEnum):
    """What is the matter with a wanted file."""

    HERE = "here"
    TO_FETCH = "to fetch"
    FETCHED = "fetched"
    HIDDEN = "hidden"
    MISSING = "missing"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Item:
    """A wanted file, or without a filename a project of which no file was found.

    `index` is the one that it comes from. `code` and `reason` say why it does not come.
    """

    project: ProjectName
    state: State
    filename: Filename | None = None
    version: Version | None = None
    index: IndexName | None = None
    size_bytes: int | None = None
    code: str = ""
    reason: str = ""
    file: UpstreamFile | None = None


@dataclass(frozen=True, slots=True)
class Shelf:
    """The page of an upstream, the rules on the way from it, and what is kept of its files."""

    page: UpstreamPage
    gates: tuple[Gate, ...]
    copies: Mapping[Filename, Copy]


def choose_files(wanted: Wanted, shelf: Shelf, *, now: datetime) -> tuple[Item, ...]:
    """Return the wanted files of an upstream's page, at least one item.

    What a rule hides is told where the lock file names the file, and where nothing else is left.
    """
    if not shelf.page.status.offers_files:
        because = f" ({shelf.page.status_reason})" if shelf.page.status_reason else ""
        reason = f"its upstream put '{wanted.project}' in quarantine{because}"
        return (_without_file(wanted, State.HIDDEN, code="project-quarantined", reason=reason),)
    screen = Screen(shelf.gates, shelf.page.project, now=now)
    verdicts = {file.filename: screen.judge(file, shelf.copies.get(file.filename)) for file in shelf.page.files}
    if wanted.filenames:
        return tuple(_find_named(wanted, shelf, verdicts=verdicts))
    found = _find_candidates(wanted, shelf.page, verdicts=verdicts)
    passing = [file for file in found if not isinstance(verdicts[file.filename], Refuse)]
    items = tuple(_judged(file, shelf, verdict=verdicts[file.filename]) for file in passing or found)
    return items or (find_nothing(wanted, where=f"the upstream of '{shelf.page.index}'"),)


def match_own(wanted: Wanted, files: Iterable[Offered]) -> tuple[Item, ...]:
    """Return the wanted ones among files that this server has itself; there is nothing to fetch."""
    found = [file for file in files if _fits(wanted, file)]
    return tuple(
        Item(wanted.project, State.HERE, file.filename, file.version, index=file.index, size_bytes=file.size_bytes)
        for file in found
    )


def find_nothing(wanted: Wanted, *, where: str) -> Item:
    """Return that nobody has what is wanted."""
    reason = f"{where} has no {describe(wanted)}"
    return _without_file(wanted, State.MISSING, code="not-found", reason=reason)


def describe(wanted: Wanted) -> str:
    """Name what is wanted as messages do."""
    return f"{wanted.project}{f'=={wanted.version}' if wanted.version else wanted.specifier}"


def find_lacking(items: Iterable[Item]) -> tuple[ProjectName, ...]:
    """Return the projects of which no file is or comes here, and those of which a file failed."""
    found: dict[ProjectName, set[State]] = {}
    for item in items:
        found.setdefault(item.project, set()).add(item.state)
    good = {State.HERE, State.TO_FETCH, State.FETCHED}
    return tuple(name for name, states in sorted(found.items()) if State.FAILED in states or not states & good)


def count_states(items: Iterable[Item]) -> Counter[State]:
    """Return how many items there are of each state."""
    return Counter(item.state for item in items)


def _find_named(wanted: Wanted, shelf: Shelf, *, verdicts: Mapping[Filename, Verdict]) -> Iterator[Item]:
    files = {file.filename: file for file in shelf.page.files}
    # A lock file may leave out the digests of some files; then they cannot be told apart.
    are_paired = len(wanted.sha256s) == len(wanted.filenames)
    digests = dict(zip(wanted.filenames, wanted.sha256s, strict=True)) if are_paired else {}
    for filename in wanted.filenames:
        file = files.get(filename)
        if file is None:
            reason = f"the upstream of '{shelf.page.index}' does not list it"
            yield Item(wanted.project, State.MISSING, filename, wanted.version, code="not-found", reason=reason)
        elif digests.get(filename, file.sha256) != file.sha256:
            reason = f"its sha256 is {file.sha256} upstream, and another one in the lock file"
            yield _item(file, State.FAILED, code="digest-mismatch", reason=reason)
        else:
            yield _judged(file, shelf, verdict=verdicts[filename])


def _find_candidates(wanted: Wanted, page: UpstreamPage, *, verdicts: Mapping[Filename, Verdict]) -> list[UpstreamFile]:
    fitting = [file for file in page.files if _fits(wanted, file)]
    if wanted.version is not None or wanted.sha256s:
        return fitting
    passing = [file for file in fitting if file.yank is None and not isinstance(verdicts[file.filename], Refuse)]
    version = _latest(wanted, passing or fitting)
    return [file for file in fitting if file.version == version]


def _latest(wanted: Wanted, files: Iterable[UpstreamFile]) -> Version | None:
    """Return the latest version as installers choose: a pre-release only where there is nothing else."""
    return max(wanted.specifier.filter({file.version for file in files}), default=None)


def _fits(wanted: Wanted, file: Offered) -> bool:
    if wanted.filenames:
        return file.filename in wanted.filenames and (not wanted.sha256s or file.sha256 in wanted.sha256s)
    if wanted.sha256s and file.sha256 not in wanted.sha256s:
        return False
    if wanted.version is not None:
        return file.version == wanted.version
    return wanted.specifier.contains(file.version, prereleases=True)


def _judged(file: UpstreamFile, shelf: Shelf, *, verdict: Verdict) -> Item:
    if isinstance(verdict, Refuse):
        return _item(file, State.HIDDEN, code=verdict.code, reason=verdict.reason)
    copy = shelf.copies.get(file.filename)
    is_here = copy is not None and copy.stored_at is not None and copy.sha256 == file.sha256
    return _item(file, State.HERE if is_here else State.TO_FETCH)


def _item(file: UpstreamFile, state: State, *, code: str = "", reason: str = "") -> Item:
    return Item(
        project=file.project,
        state=state,
        filename=file.filename,
        version=file.version,
        index=file.index,
        size_bytes=file.size_bytes,
        code=code,
        reason=reason,
        file=file,
    )


def _without_file(wanted: Wanted, state: State, *, code: str, reason: str) -> Item:
    return Item(wanted.project, state, version=wanted.version, code=code, reason=reason)
