"""An upstream's project page: from the bytes that it answered to what is kept of it.

Decides whether an answer is a page at all, and what stands after it is laid over the
one before: a filename keeps its first digest, and a file that vanished stays for those
who pinned it. A bad line is left out with its reason and never loses the page. Does not
fetch (`ports/upstream.py`), and does not judge files (`screening.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from msgspec.structs import replace as change

from strongroom.core.mirrored import Skipped, UpstreamFile, UpstreamPage
from strongroom.core.model import ProjectStatus, Yank
from strongroom.core.names import Filename, IndexName, ProjectName
from strongroom.core.simpleapi.contents import MOST_FILES, Contents, bad_page, too_many
from strongroom.core.simpleapi.listed import Page, clean
from strongroom.core.simpleapi.parse_html import read_html
from strongroom.core.simpleapi.parse_json import read_json
from strongroom.core.simpleapi.usual_lines import accept_all

_JSON_TYPES = frozenset(
    {"application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.latest+json", "application/json"}
)
_HTML_TYPES = frozenset(
    {
        "application/vnd.pypi.simple.v1+html",
        "application/vnd.pypi.simple.latest+html",
        "application/xhtml+xml",
        "text/html",
    }
)
_MOST_SKIPPED = 1000
_CHANGED = "The upstream now gives other bytes under this name"
_TWICE = "It is listed twice with different digests"


class Answer(Protocol):
    """What an upstream answered, as `ports.PageBody` holds it."""

    @property
    def content(self) -> bytes:
        """Return the page, decoded from its transfer coding."""
        ...

    @property
    def content_type(self) -> str:
        """Return the Content-Type header."""
        ...

    @property
    def url(self) -> str:
        """Return the URL after all redirects, to which others are relative."""
        ...

    @property
    def etag(self) -> str | None:
        """Return the ETag header."""
        ...


def parse_page(answer: Answer, *, index: IndexName, project: ProjectName, now: datetime) -> UpstreamPage:
    """Return the page that the answer holds; raises `UpstreamFault` where it holds none (PEP 503, 691)."""
    contents = _read(answer)
    page = Page(index=index, project=project, url=answer.url, base_url=contents.base_url or answer.url, now=now)
    files, skipped = _choose(accept_all(contents.lines, page))
    status = _read_status(contents.status)
    return UpstreamPage(
        index=index,
        project=project,
        fetched_at=now,
        etag=answer.etag,
        status=status,
        status_reason=clean(contents.status_reason or "") or None if status is not ProjectStatus.ACTIVE else None,
        files=files,
        skipped=skipped,
    )


def merge_page(earlier: UpstreamPage | None, latest: UpstreamPage, *, now: datetime) -> UpstreamPage:
    """Return the latest page with what must not be forgotten of the earlier one.

    A project that is gone as a whole stays too, if it had files: nobody else takes over its name.
    Raises `UpstreamFault` where the two have more files than any project: other names at each
    look would fill the memory, and dropping those that vanished would forget their digests.
    """
    if earlier is None or not earlier.files:
        return latest
    offered = {file.filename: file for file in latest.files}
    files: list[UpstreamFile] = []
    changed: list[Skipped] = []
    for known in earlier.files:
        found = offered.pop(known.filename, None)
        if found is None:
            files.append(_vanish(known, now, reason="no longer offered by the upstream"))
        elif found.sha256 != known.sha256:
            files.append(_vanish(known, now, reason="the upstream gives other bytes under this name"))
            changed.append(Skipped(found.filename, _CHANGED))
        else:
            files.append(_renew(known, found))
    if len(files) + len(offered) > MOST_FILES:
        raise too_many()
    skipped = (*changed, *latest.skipped)[:_MOST_SKIPPED]
    return replace(latest, is_missing=False, files=(*files, *offered.values()), skipped=skipped)


def _read(answer: Answer) -> Contents:
    media_type = answer.content_type.partition(";")[0].strip().lower()
    if media_type in _JSON_TYPES:
        return read_json(answer.content)
    if media_type in _HTML_TYPES:
        return read_html(answer.content, answer.content_type, url=answer.url)
    raise bad_page(f"is neither JSON nor HTML, but {clean(media_type, most=80) or 'of no type'}")


def _choose(lines: Sequence[UpstreamFile | Skipped]) -> tuple[tuple[UpstreamFile, ...], tuple[Skipped, ...]]:
    """Return the files, each name once, and what is left out; of two unlike ones of one name neither is believed."""
    files: dict[Filename, UpstreamFile] = {}
    skipped: list[Skipped] = []
    contradicted: set[Filename] = set()
    for line in lines:
        if isinstance(line, Skipped):
            skipped.append(line)
        elif files.setdefault(line.filename, line).sha256 != line.sha256:
            contradicted.add(line.filename)
    skipped += [Skipped(filename, _TWICE) for filename in sorted(contradicted)]
    return tuple(file for file in files.values() if file.filename not in contradicted), tuple(skipped[:_MOST_SKIPPED])


def _read_status(raw: str | None) -> ProjectStatus:
    """PEP 792: a project without a status is active; so is one whose status nobody knows."""
    try:
        return ProjectStatus((raw or "").strip().lower())
    except ValueError:
        return ProjectStatus.ACTIVE


def _renew(known: UpstreamFile, found: UpstreamFile) -> UpstreamFile:
    """Return the file as it is offered now; its age is not rewritten afterwards."""
    return change(
        found,
        first_seen_at=known.first_seen_at,
        uploaded_at=known.uploaded_at or found.uploaded_at,
        size_bytes=known.size_bytes if found.size_bytes is None else found.size_bytes,
    )


def _vanish(known: UpstreamFile, now: datetime, *, reason: str) -> UpstreamFile:
    since = known.vanished_at or now
    return change(known, vanished_at=since, yank=Yank(f"{reason} since {since:%Y-%m-%d}"))
