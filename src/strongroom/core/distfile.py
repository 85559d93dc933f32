"""A distribution: what its filename and its core metadata say, and that they agree.

Reads metadata leniently, as organisations have it: any version from 1.0 on, unknown
fields, odd licences, local versions, direct URLs. Decides only on what the index
itself needs: name, version, and a Requires-Python that clients can read. Reports all
faults together. Does not open archives (`archive/`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import Parser
from functools import lru_cache
from typing import NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from strongroom.core.errors import InvalidName, UploadRefused
from strongroom.core.model import PackageType
from strongroom.core.names import Filename, ProjectName, parse_project_name, parse_version

_SDIST_ENDINGS = (".tar.gz", ".zip")
_TAG = re.compile(r"[A-Za-z0-9_.]+", re.ASCII)
_USUAL_WHEEL = re.compile(r"([^-]+)-([^-]+)-([A-Za-z0-9_.]+)-[A-Za-z0-9_.]+-[A-Za-z0-9_.]+\.whl", re.ASCII)
"""Without build tag and variant: what nearly all are called."""
_BUILD_TAG = re.compile(r"[0-9][A-Za-z0-9_.]*", re.ASCII)
_VARIANT = re.compile(r"[0-9a-z_.]+", re.ASCII)
_METADATA_VERSION = re.compile(r"([12])\.([0-9]{1,2})", re.ASCII)
_EMPTY_LINE = re.compile(rb"\r?\n\r?\n")
_BLANKS = re.compile(r"\s+")
_LONGEST_SPECIFIER = 1000
_BUILD_AGAIN = "Build the file again; its name and its metadata come from the same project settings."


class DistributionName(NamedTuple):
    """What a filename says. `python_tag` is `source` for an sdist."""

    project: ProjectName
    version: Version
    package_type: PackageType
    python_tag: str


@dataclass(frozen=True, slots=True)
class Distribution:
    """A wheel or sdist as the index knows it.

    `display_name` is the project's name as its author writes it. `has_static_metadata`
    says whether the metadata can be trusted without a build: PEP 643 for sdists.
    """

    filename: Filename
    project: ProjectName
    display_name: str
    version: Version
    package_type: PackageType
    python_tag: str
    metadata_version: str
    requires_python: str | None
    summary: str | None
    has_static_metadata: bool


@dataclass(frozen=True, slots=True)
class _Fields:
    """The metadata's fields that are read here; empty where one is missing or given twice."""

    metadata_version: str
    name: str
    version: str
    requires_python: str
    summary: str


def parse_distribution_filename(
    filename: Filename, *, name: str | None = None, version: str | None = None
) -> DistributionName:
    """Return what the filename says; raises `InvalidName`.

    Where an old sdist's name can be split in several places (`a-1-2.tar.gz`), the
    metadata's `name` and `version` choose, if given; else the last hyphen does.
    """
    if filename.endswith(".whl"):
        return _parse_wheel(filename)
    return _parse_sdist(filename, name=name, version=version)


def read_distribution(filename: Filename, metadata: bytes) -> Distribution:
    """Return the distribution; raises one `UploadRefused` that names all faults, with the first one's code."""
    fields = _read_fields(metadata)
    faults = list(_find_faults(filename, fields))
    if faults:
        messages = ". ".join(fault.message for fault in faults)
        raise UploadRefused(faults[0].code, messages, faults[0].hint)
    told = parse_distribution_filename(filename, name=fields.name, version=fields.version)
    is_wheel = told.package_type is PackageType.WHEEL
    return Distribution(
        filename=filename,
        project=told.project,
        display_name=fields.name,
        version=Version(fields.version),
        package_type=told.package_type,
        python_tag=told.python_tag,
        metadata_version=fields.metadata_version,
        requires_python=_read_requires_python(fields.requires_python),
        summary=_read_summary(fields.summary),
        has_static_metadata=is_wheel or Version(fields.metadata_version) >= Version("2.2"),
    )


def _find_faults(filename: Filename, fields: _Fields) -> Iterator[UploadRefused]:
    if not _METADATA_VERSION.fullmatch(fields.metadata_version):
        yield UploadRefused(
            "metadata-format", "The metadata has no Metadata-Version of 1.0 or higher, given once", _BUILD_AGAIN
        )
    try:
        told = parse_distribution_filename(filename, name=fields.name, version=fields.version)
    except InvalidName as fault:
        yield UploadRefused(fault.code, fault.message, fault.hint)
        return
    yield from _compare_name(fields.name, told.project)
    yield from _compare_version(fields.version, told.version)


def _compare_name(name: str, project: ProjectName) -> Iterator[UploadRefused]:
    if not name:
        yield UploadRefused("metadata-name-missing", "The metadata has no Name, or several", _BUILD_AGAIN)
        return
    try:
        named = parse_project_name(name)
    except InvalidName as fault:
        yield UploadRefused("metadata-name-invalid", f"In the metadata {fault.message}", fault.hint)
        return
    if named != project:
        yield UploadRefused(
            "metadata-name", f"The metadata is of project '{named}', the filename of '{project}'", _BUILD_AGAIN
        )


def _compare_version(version: str, told: Version) -> Iterator[UploadRefused]:
    if not version:
        yield UploadRefused("metadata-version-missing", "The metadata has no Version, or several", _BUILD_AGAIN)
        return
    parsed = _find_version(version)
    if parsed is None:
        yield UploadRefused(
            "metadata-version-invalid",
            f"The metadata's version {version[:80]!a} is not a version (PEP 440)",
            "Write a PEP 440 version such as 1.2.0, 2.0rc1 or 1.0+corp.3.",
        )
    elif parsed != told:
        yield UploadRefused(
            "metadata-version", f"The metadata is of version {parsed}, the filename of {told}", _BUILD_AGAIN
        )


def _parse_wheel(filename: Filename) -> DistributionName:
    """PEP 427's name, with PEP 825's variant label as a possible last part."""
    usual = _USUAL_WHEEL.fullmatch(filename)
    if usual is not None and (found := _find_version(usual[2])) is not None:
        return DistributionName(_read_project(usual[1]), found, PackageType.WHEEL, usual[3])
    parts = filename.removesuffix(".whl").split("-")
    has_build = len(parts) > 5 and _BUILD_TAG.fullmatch(parts[2]) is not None
    tags = parts[3:] if has_build else parts[2:]
    variants, tags = tags[3:], tags[:3]
    is_sound = (
        len(tags) == 3
        and len(variants) <= 1
        and all(_TAG.fullmatch(tag) for tag in tags)
        and all(_VARIANT.fullmatch(variant) for variant in variants)
    )
    if not is_sound:
        raise InvalidName(
            "wheel-filename",
            f"'{filename}' is not the name of a wheel",
            "A wheel is called name-version[-build]-python-abi-platform.whl; build tags begin with a digit.",
        )
    version = _find_version(parts[1]) or _find_version(parts[1].replace("_", "-"))
    if version is None:
        raise InvalidName("filename-version", f"'{filename}' has no PEP 440 version", _BUILD_AGAIN)
    return DistributionName(_read_project(parts[0]), version, PackageType.WHEEL, tags[0])


def _parse_sdist(filename: Filename, *, name: str | None, version: str | None) -> DistributionName:
    splits = list(_split_sdist(filename))
    if not splits:
        raise InvalidName(
            "sdist-filename",
            f"'{filename}' is not the name of an sdist",
            "An sdist is called name-version.tar.gz, with a PEP 440 version.",
        )
    project, parsed = splits[0]
    if len(splits) > 1:
        project, parsed = max(splits, key=lambda split: (_is_name(name, split[0]), _is_version(version, split[1])))
    return DistributionName(project, parsed, PackageType.SDIST, "source")


def _split_sdist(filename: Filename) -> Iterator[tuple[ProjectName, Version]]:
    """Yield each possible reading of the name, the one with the last hyphen first."""
    ending = next(ending for ending in _SDIST_ENDINGS if filename.endswith(ending))
    parts = filename.removesuffix(ending).split("-")
    for cut in range(len(parts) - 1, 0, -1):
        version = _find_version("-".join(parts[cut:]))
        try:
            project = _read_project("-".join(parts[:cut]))
        except InvalidName:
            continue
        if version is not None:
            yield project, version


@lru_cache(1024)
def _read_project(raw: str) -> ProjectName:
    """Return the project's name as `parse_project_name` does; a page repeats few spellings of it."""
    return parse_project_name(raw)


def _is_name(raw: str | None, project: ProjectName) -> bool:
    try:
        return raw is not None and parse_project_name(raw) == project
    except InvalidName:
        return False


def _is_version(raw: str | None, version: Version) -> bool:
    return raw is not None and _find_version(raw) == version


@lru_cache(4096)
def _find_version(raw: str) -> Version | None:
    """Return the version; the wheels of a release, which stand together on a page, share one."""
    try:
        return parse_version(raw)
    except InvalidName:
        return None


def _read_fields(metadata: bytes) -> _Fields:
    """Parse the headers, with Latin-1 as the fallback for old files; raises nothing."""
    # The headers only: nothing here reads the description behind the first empty line.
    head = _EMPTY_LINE.split(metadata, maxsplit=1)[0]
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        text = head.decode("latin-1")
    headers = Parser().parsestr(text, headersonly=True)

    def get_only(name: str) -> str:
        values = headers.get_all(name, [])
        return values[0].strip() if len(values) == 1 else ""

    return _Fields(
        metadata_version=get_only("Metadata-Version"),
        name=get_only("Name"),
        version=get_only("Version"),
        requires_python=get_only("Requires-Python"),
        summary=get_only("Summary"),
    )


def _read_requires_python(raw: str) -> str | None:
    """Return the specifier on one line; None for one that clients could not read either."""
    text = _BLANKS.sub(" ", raw).strip()
    if len(text) > _LONGEST_SPECIFIER:
        return None
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        return None
    return text or None


def _read_summary(raw: str) -> str | None:
    text = _BLANKS.sub(" ", raw.replace("\x00", "")).strip()
    return None if text in ("", "UNKNOWN") else text
