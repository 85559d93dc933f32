"""Project pages and lists as HTML 1.4 and JSON 1.4.

The only place that escapes. HTML has PyPI's exact shape, one anchor a line and no
other anchors, because hatch, Renovate and Dependabot read it with regular
expressions; it is pure ASCII, so no charset can be guessed wrong. JSON omits what is
not known: uv rejects a whole page for one null. Does not decide which files show.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import msgspec
from packaging.version import Version

from strongroom.core.mirrored import Offered
from strongroom.core.model import ProjectStatus
from strongroom.core.pages import ProjectList, ProjectPage
from strongroom.core.simpleapi.negotiate import PageType

API_VERSION = "1.4"
_LENGTH_WITHOUT_ZONE = len("2026-01-01T00:00:00.000000")


@dataclass(frozen=True, slots=True)
class Links:
    """Where a page's URLs point.

    `files` is the directory of `{project}/{filename}`, relative to the page.
    `integrity` is the absolute one of `{project}/{version}/{filename}/provenance`
    (PEP 740: "a fully qualified URL"), or None where no public URL is known.
    """

    files: str
    integrity: str | None = None


def render_project_page(page: ProjectPage, page_type: PageType, *, links: Links) -> bytes:
    """Return the body of a project's page."""
    return _project_json(page, links) if page_type is PageType.JSON else _project_html(page, links)


def render_project_list(projects: ProjectList, page_type: PageType) -> bytes:
    """Return the body of an index's project list."""
    return _list_json(projects) if page_type is PageType.JSON else _list_html(projects)


def render_upload_time(moment: datetime) -> str:
    """PEP 700: `yyyy-mm-ddThh:mm:ss.ffffffZ`, in UTC."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[:_LENGTH_WITHOUT_ZONE] + "Z"


class _Meta(msgspec.Struct):
    last_serial: int = msgspec.field(name="_last-serial")
    api_version: str = msgspec.field(name="api-version", default=API_VERSION)


class _Status(msgspec.Struct, omit_defaults=True):
    status: str
    reason: str | None = None


class _Hashes(msgspec.Struct, gc=False):
    sha256: str


class _File(msgspec.Struct, omit_defaults=True, rename="kebab", gc=False):
    filename: str
    url: str
    hashes: _Hashes
    yanked: bool | str
    size: int | None = None
    upload_time: datetime | str | None = None
    requires_python: str | None = None
    core_metadata: _Hashes | Literal[True] | None = None
    dist_info_metadata: _Hashes | Literal[True] | None = None
    provenance: str | None = None


class _Project(msgspec.Struct, omit_defaults=True, rename="kebab"):
    meta: _Meta
    name: str
    versions: tuple[str, ...]
    files: list[_File]
    project_status: _Status | None = None


class _Entry(msgspec.Struct):
    name: str
    last_serial: int = msgspec.field(name="_last-serial")


class _List(msgspec.Struct):
    meta: _Meta
    projects: list[_Entry]


def _project_json(page: ProjectPage, links: Links) -> bytes:
    return msgspec.json.encode(
        _Project(
            meta=_Meta(page.serial),
            name=page.project,
            versions=page.versions,
            files=_files_json(page, links),
            project_status=_status_json(page),
        )
    )


def _status_json(page: ProjectPage) -> _Status | None:
    # PEP 792: "If not present, the project's status is active."
    if page.status is ProjectStatus.ACTIVE and not page.status_reason:
        return None
    return _Status(page.status.value, page.status_reason or None)


def _files_json(page: ProjectPage, links: Links) -> list[_File]:
    # One loop, and fields by position: a page has thousands of files, and calls and names cost half as much again.
    folder = f"{links.files}{page.project}/"
    release: Version | None = None
    provenance_folder = ""
    lines: list[_File] = []
    for file in page.files:
        metadata: _Hashes | Literal[True] | None = None
        if file.serves_metadata:
            metadata = _Hashes(file.metadata_sha256) if file.metadata_sha256 else True
        provenance: str | None = None
        if links.integrity is not None and file.has_provenance:
            if file.version is not release:  # its text is slow to make, and neighbours share it
                release = file.version
                provenance_folder = f"{links.integrity}{page.project}/{release}/"
            provenance = f"{provenance_folder}{file.filename}/provenance"
        lines.append(
            _File(
                file.filename,
                # A filename's alphabet (`names.parse_filename`) needs no quoting in a URL's path.
                folder + file.filename,
                _Hashes(file.sha256),
                # PEP 691: "either a boolean ... or an arbitrary, but non-empty, string".
                False if file.yank is None else file.yank.reason or True,
                file.size_bytes,
                _time_json(file.uploaded_at),
                file.requires_python or None,
                metadata,
                metadata,
                provenance,
            )
        )
    return lines


def _time_json(moment: datetime | None) -> datetime | str | None:
    """Return what becomes `render_upload_time`'s text: msgspec writes that itself, unless a second is full."""
    if moment is None or (moment.microsecond and moment.tzinfo is UTC):
        return moment
    return render_upload_time(moment)


def _list_json(projects: ProjectList) -> bytes:
    entries = [_Entry(entry.display_name, entry.serial) for entry in projects.entries]
    return msgspec.json.encode(_List(_Meta(projects.serial), entries))


def _project_html(page: ProjectPage, links: Links) -> bytes:
    title = f"Links for {_escape(page.project)}"
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "  <head>",
        f'    <meta name="pypi:repository-version" content="{API_VERSION}">',
        *_status_html(page),
        f"    <title>{title}</title>",
        "  </head>",
        "  <body>",
        f"    <h1>{title}</h1>",
        *(_anchor(file, links) for file in page.files),
        "  </body>",
        "</html>",
        f"<!--SERIAL {page.serial}-->",
        "",
    ]
    return "\n".join(lines).encode("ascii", "xmlcharrefreplace")


def _status_html(page: ProjectPage) -> list[str]:
    if page.status is ProjectStatus.ACTIVE and not page.status_reason:
        return []
    lines = [f'    <meta name="pypi:project-status" content="{page.status.value}">']
    if page.status_reason:
        lines.append(f'    <meta name="pypi:project-status-reason" content="{_escape(page.status_reason)}">')
    return lines


def _anchor(file: Offered, links: Links) -> str:
    attributes = [f'href="{_escape(_file_url(file, links))}#sha256={file.sha256}"']
    if file.requires_python:
        attributes.append(f'data-requires-python="{_escape(file.requires_python)}"')
    if file.yank is not None:
        attributes.append(f'data-yanked="{_escape(file.yank.reason)}"')
    if file.serves_metadata:
        metadata = f"sha256={file.metadata_sha256}" if file.metadata_sha256 else "true"
        attributes.append(f'data-dist-info-metadata="{metadata}"')
        attributes.append(f'data-core-metadata="{metadata}"')
    provenance = _provenance_url(file, links)
    if provenance is not None:
        attributes.append(f'data-provenance="{_escape(provenance)}"')
    return f"    <a {' '.join(attributes)}>{_escape(file.filename)}</a><br />"


def _list_html(projects: ProjectList) -> bytes:
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "  <head>",
        f'    <meta name="pypi:repository-version" content="{API_VERSION}">',
        "    <title>Simple index</title>",
        "  </head>",
        "  <body>",
        *(f'    <a href="{entry.name}/">{_escape(entry.display_name)}</a><br />' for entry in projects.entries),
        "  </body>",
        "</html>",
        f"<!--SERIAL {projects.serial}-->",
        "",
    ]
    return "\n".join(lines).encode("ascii", "xmlcharrefreplace")


def _file_url(file: Offered, links: Links) -> str:
    # A filename's alphabet (`names.parse_filename`) needs no quoting in a URL's path.
    return f"{links.files}{file.project}/{file.filename}"


def _provenance_url(file: Offered, links: Links) -> str | None:
    if links.integrity is None or not file.has_provenance:
        return None
    return f"{links.integrity}{file.project}/{file.version}/{file.filename}/provenance"


# A line break inside an attribute would split the anchor's line; C1 controls and NUL have no reference in HTML.
_CONTROLS = {code: f"&#{code};" for code in range(1, 32)} | dict.fromkeys((0, *range(0x7F, 0xA0)), "\ufffd")
_SPECIAL = re.compile(r"[\x00-\x1f&<>\"'\x7f-\x9f]")


def _escape(text: str) -> str:
    # Names and URLs have nothing to escape, and looking is quick.
    return html.escape(text).translate(_CONTROLS) if _SPECIAL.search(text) else text
