"""The JSON API in PyPI's shape: `/pypi/{project}/json` and `/pypi/{project}/{version}/json`.

Dependabot, Renovate and bandersnatch read it. Decides which release is the latest and
which file's METADATA describes it. Unlike the simple API this one says null where
nothing is known, as PyPI does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from packaging.metadata import RawMetadata, parse_email
from packaging.version import Version

from strongroom.core.mirrored import Offered, UpstreamFile
from strongroom.core.model import PackageType
from strongroom.core.pages import ProjectPage
from strongroom.core.simpleapi.render import render_upload_time


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """A release among the others of its project. `metadata` is the METADATA of one of its files."""

    page: ProjectPage
    version: Version
    metadata: bytes


@dataclass(frozen=True, slots=True)
class Places:
    """Absolute URLs, each ending in a slash: of files (`{project}/{filename}`), of project pages (`{project}/`)."""

    files: str
    projects: str


def choose_release(page: ProjectPage, version: Version | None) -> Version | None:
    """Return the asked-for version as it was published, if there is one, or the latest.

    The latest is a final release before a pre-release, and one that is not wholly
    yanked before one that is.
    """
    releases = _group_by_version(page.files)
    if version is not None:
        return next((published for published in releases if published == version), None)
    return max(
        releases,
        key=lambda item: (_has_unyanked(releases[item]), not item.is_prerelease, item),
        default=None,
    )


def find_described_file(page: ProjectPage, version: Version) -> Offered | None:
    """Return the file whose metadata stands for the release: a wheel if there is one."""
    described = [file for file in page.files if file.version == version and _is_described(file)]
    wheels = (file for file in described if file.package_type is PackageType.WHEEL)
    return next(wheels, described[0] if described else None)


def render_project(facts: ReleaseFacts, places: Places) -> bytes:
    """Return the body of `/pypi/{project}/json`, which lists all releases."""
    return msgspec.json.encode(_body(facts, places, with_releases=True))


def render_release(facts: ReleaseFacts, places: Places) -> bytes:
    """Return the body of `/pypi/{project}/{version}/json`; PyPI gives it no `releases`."""
    return msgspec.json.encode(_body(facts, places, with_releases=False))


def _body(facts: ReleaseFacts, places: Places, *, with_releases: bool) -> dict[str, object]:
    releases = _group_by_version(facts.page.files)
    body: dict[str, object] = {
        "info": _info(facts, places, files=releases[facts.version]),
        "last_serial": facts.page.serial,
    }
    if with_releases:
        body["releases"] = {
            str(version): [_file(file, places) for file in files] for version, files in releases.items()
        }
    body["urls"] = [_file(file, places) for file in releases[facts.version]]
    body["vulnerabilities"] = []
    body["ownership"] = {"organization": None, "roles": []}
    return body


def _info(facts: ReleaseFacts, places: Places, *, files: Sequence[Offered]) -> dict[str, object]:
    raw, _unparsed = parse_email(facts.metadata)
    project_url = f"{places.projects}{facts.page.project}/"
    yanked = not _has_unyanked(files)
    reasons = [file.yank.reason for file in files if file.yank is not None and file.yank.reason]
    return {
        "name": facts.page.display_name,
        "version": str(facts.version),
        **_described(raw),
        "requires_python": raw.get("requires_python") or next((f.requires_python for f in files), None),
        "package_url": project_url,
        "project_url": project_url,
        "release_url": f"{project_url}{facts.version}/",
        "bugtrack_url": None,
        "docs_url": None,
        "downloads": {"last_day": -1, "last_month": -1, "last_week": -1},
        "yanked": yanked,
        "yanked_reason": reasons[0] if yanked and reasons else None,
    }


def _described(raw: RawMetadata) -> dict[str, object]:
    """Return the part of `info` that METADATA says, with PyPI's keys."""
    return {
        "summary": raw.get("summary"),
        "description": raw.get("description", ""),
        "description_content_type": raw.get("description_content_type"),
        "keywords": ",".join(raw.get("keywords", [])) or None,
        "license": raw.get("license"),
        "license_expression": raw.get("license_expression"),
        "license_files": raw.get("license_files"),
        "classifiers": raw.get("classifiers", []),
        "author": raw.get("author"),
        "author_email": raw.get("author_email"),
        "maintainer": raw.get("maintainer"),
        "maintainer_email": raw.get("maintainer_email"),
        "home_page": raw.get("home_page"),
        "download_url": raw.get("download_url"),
        "platform": ",".join(raw.get("platforms", [])) or None,
        "project_urls": raw.get("project_urls"),
        "requires_dist": raw.get("requires_dist"),
        "provides_extra": raw.get("provides_extra"),
        "dynamic": raw.get("dynamic"),
    }


def _file(file: Offered, places: Places) -> dict[str, object]:
    digests = {"sha256": file.sha256, **_more_digests(file)}
    metadata: dict[str, str] | bool = False
    if file.serves_metadata:
        metadata = {"sha256": file.metadata_sha256} if file.metadata_sha256 else True
    return {
        "comment_text": None,
        "core-metadata": metadata,
        "digests": digests,
        "downloads": -1,
        "filename": file.filename,
        "has_sig": False,
        "md5_digest": digests.get("md5"),
        "packagetype": file.package_type.value,
        "python_version": file.python_tag,
        "requires_python": file.requires_python,
        "size": file.size_bytes,
        "upload_time": None if file.uploaded_at is None else _seconds(file.uploaded_at),
        "upload_time_iso_8601": None if file.uploaded_at is None else render_upload_time(file.uploaded_at),
        "url": f"{places.files}{file.project}/{file.filename}",
        "yanked": file.yank is not None,
        "yanked_reason": None if file.yank is None else file.yank.reason or None,
    }


def _more_digests(file: Offered) -> dict[str, str]:
    if isinstance(file, UpstreamFile):
        return {}
    digests = {"blake2b_256": file.blake2b_256, "md5": file.md5}
    return {name: digest for name, digest in digests.items() if digest is not None}


def _is_described(file: Offered) -> bool:
    return file.serves_metadata if isinstance(file, UpstreamFile) else file.metadata_sha256 is not None


def _group_by_version(files: Sequence[Offered]) -> dict[Version, list[Offered]]:
    releases: dict[Version, list[Offered]] = {}
    for file in files:
        releases.setdefault(file.version, []).append(file)
    return releases


def _has_unyanked(files: Sequence[Offered]) -> bool:
    return any(file.yank is None for file in files)


def _seconds(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
