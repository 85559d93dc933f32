"""What a URL path of the lane asks for: a project list, a page, a file, or a better spelling.

The lane's only router, written by hand because it runs for each request. Locations of
redirects are relative, so that they hold behind any path prefix. Does not know which
indexes and projects exist.
"""

from __future__ import annotations

from dataclasses import dataclass

from strongroom.core.access import IndexTarget, ProjectTarget
from strongroom.core.errors import InvalidName
from strongroom.core.names import (
    RESERVED_INDEX_NAMES,
    Filename,
    IndexName,
    ProjectName,
    parse_filename,
    parse_index_name,
    parse_project_name,
)

_METADATA = ".metadata"


@dataclass(frozen=True, slots=True)
class ListPath:
    """The project list of an index."""

    target: IndexTarget


@dataclass(frozen=True, slots=True)
class PagePath:
    """The page of a project. `files_url` leads from it to the index's files, relatively."""

    target: ProjectTarget
    files_url: str


@dataclass(frozen=True, slots=True)
class FilePath:
    """A file, or its METADATA (PEP 658)."""

    target: ProjectTarget
    filename: Filename
    wants_metadata: bool


@dataclass(frozen=True, slots=True)
class Misspelt:
    """The same under another URL: a missing slash, a name that is not normalised."""

    location: str


@dataclass(frozen=True, slots=True)
class NoPlace:
    """A path of the lane's shape that can name nothing. `index` is None where not even that is a name."""

    index: IndexName | None


LanePath = ListPath | PagePath | FilePath | Misspelt | NoPlace


def read_path(path: str, default_index: IndexName) -> LanePath | None:
    """Return what the path asks for, or None when it is not the lane's."""
    match path.split("/"):
        case ["", "simple", *rest]:
            return _read_simple(default_index, rest, files_url=f"../../{default_index}/files/")
        case ["", "legacy", "+simple", *rest]:
            # hatch looks for existing files below the upload URL (clients.md 1.12).
            return _read_simple(default_index, rest, files_url=f"../../../{default_index}/files/")
        case ["", index, "simple", *rest] if index not in RESERVED_INDEX_NAMES:
            return _read_simple(_find_index(index), rest, files_url="../../files/")
        case ["", index, "legacy", "+simple", *rest] if index not in RESERVED_INDEX_NAMES:
            return _read_simple(_find_index(index), rest, files_url="../../../files/")
        case ["", index, "files", project, filename] if index not in RESERVED_INDEX_NAMES and filename:
            return _read_file(_find_index(index), project, raw_filename=filename)
        case ["", "packages", index, "files", project, filename] if filename:
            # The JSON API's spelling: bandersnatch mirrors only what lies below /packages.
            return _read_file(_find_index(index), project, raw_filename=filename)
        case _:
            return None


def _read_simple(index: IndexName | None, rest: list[str], *, files_url: str) -> LanePath | None:
    match rest:
        case []:
            # PEP 503: "the server SHOULD redirect"; bandersnatch asks without the slash.
            return Misspelt("+simple/" if files_url.startswith("../../../") else "simple/")
        case [""]:
            return NoPlace(None) if index is None else ListPath(IndexTarget(index))
        case [project] | [project, ""]:
            return _read_page(index, project, files_url=files_url, has_slash=len(rest) == 2)
        case _:
            return None


def _read_page(index: IndexName | None, raw: str, *, files_url: str, has_slash: bool) -> LanePath:
    name = _find_project(raw)
    if index is None or name is None:
        return NoPlace(index)
    if not has_slash:
        return Misspelt(f"{name}/")
    if name != raw:
        return Misspelt(f"../{name}/")
    return PagePath(ProjectTarget(index, name), files_url)


def _read_file(index: IndexName | None, raw_project: str, *, raw_filename: str) -> LanePath:
    project = _find_project(raw_project)
    wants_metadata = raw_filename.endswith(_METADATA)
    try:
        filename = parse_filename(raw_filename.removesuffix(_METADATA))
    except InvalidName:
        return NoPlace(index)
    if index is None or project is None:
        return NoPlace(index)
    if project != raw_project:
        return Misspelt(f"../{project}/{raw_filename}")
    return FilePath(ProjectTarget(index, project), filename, wants_metadata)


def _find_index(raw: str) -> IndexName | None:
    try:
        return parse_index_name(raw)
    except InvalidName:
        return None


def _find_project(raw: str) -> ProjectName | None:
    try:
        return parse_project_name(raw)
    except InvalidName:
        return None
