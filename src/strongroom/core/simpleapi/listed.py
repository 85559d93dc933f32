"""A file as a page of an upstream lists it, and what of that is believed.

Decides which lines become files: a name of this project, a sha256, a URL that can be
asked. Optional fields that cannot be read count as missing, as pip has it. Does not know
JSON or HTML (`parse_json.py`, `parse_html.py`), nor which files come through
(`screening.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv6Address
from typing import NamedTuple
from urllib.parse import quote, urljoin

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from strongroom.core.distfile import DistributionName, parse_distribution_filename
from strongroom.core.errors import InvalidName
from strongroom.core.mirrored import Skipped, UpstreamFile
from strongroom.core.model import PackageType, Yank
from strongroom.core.names import (
    DISTRIBUTION_ENDINGS,
    LONGEST_FILENAME,
    Filename,
    IndexName,
    ProjectName,
    Sha256,
    is_sha256,
    parse_filename,
    parse_project_name,
    parse_sha256,
    parse_version,
)

_URL = re.compile(
    r"https?://(?:[A-Za-z0-9._-]{1,253}|\[(?P<address>[0-9A-Fa-f:.]{2,45})\])(?::(?P<port>[0-9]{1,5}))?/[!-\[\]^-~]*",
    re.ASCII | re.IGNORECASE,
)
"""Without credentials, spaces and backslashes, so that there is one reading of it."""
USUAL_URL = r"https?://[A-Za-z0-9._-]{1,253}/[!\"$-\[\]^-~]{0,1700}"
"""One of those that need no further look: without a port, an address in brackets, a fragment."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|///")
"""What `urljoin` takes for a path of the same host when the host is missing, and others don't."""
USUAL_NAME = (
    r"([A-Za-z0-9][A-Za-z0-9._+!~]*)-([A-Za-z0-9._+!~]+)"
    r"(?:\.tar\.gz|-([A-Za-z0-9_.]+)-[A-Za-z0-9_.]+-[A-Za-z0-9_.]+\.whl)"
)
"""Sdists with one hyphen, wheels without build tag and variant: there is one reading of them."""
_IS_USUAL_NAME = re.compile(USUAL_NAME, re.ASCII)
_IS_USUAL_URL = re.compile(USUAL_URL, re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9._+%!~-]+", re.ASCII)
"""A part of a path that holds no parameter, query or fragment."""
_PLAIN = re.compile(r"[!-\[\]^-~]*")
_NEVER_IN_URL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\\]")
"""`urljoin` drops line breaks and tabs silently, and readers differ in what a backslash is."""
_KEPT_IN_URL = "!$%&'()*+,/:;=?@[]~"
_LONGEST_URL = 2000
_LARGEST_PORT = 65535
_LONGEST_SPECIFIER = 1000
_LONGEST_REASON = 500
LONGEST_TIME = 64
_LONGEST_SHOWN = 240
_LARGEST_SIZE = 1 << 53
"""No file is that large, and every JSON reader can still tell it exactly."""


class Listed(NamedTuple):
    """What a line says, unchecked: of the right types at most. `yank` and `sha256` are None where it says nothing."""

    filename: str
    url: str
    sha256: str | None = None
    requires_python: str | None = None
    yank: Yank | None = None
    has_metadata: bool = False
    metadata_sha256: str | None = None
    uploaded_at: str | None = None
    size_bytes: int | None = None
    provenance_url: str | None = None


class Columns(NamedTuple):
    """Many lines at once, each field of all of them together: a page has thousands."""

    filenames: Sequence[str]
    urls: Sequence[str]
    sha256s: Sequence[str | None]
    specifiers: Sequence[str | None]
    yanks: Sequence[Yank | None]
    have_metadata: Sequence[bool]
    metadata_sha256s: Sequence[str | None]
    times: Sequence[str | None]
    sizes: Sequence[int | None]
    provenance_urls: Sequence[str | None]

    def lines(self) -> Iterator[Listed]:
        """Return the lines one by one."""
        return map(Listed, *self)


@dataclass(frozen=True, slots=True)
class Page:
    """Where the lines come from: `base_url` is what their URLs are relative to.

    `specifiers` remembers what was found of each Requires-Python, `folders` where each relative
    folder of URLs is, `names` and `versions` what parts of filenames say: a page has few of them.
    """

    index: IndexName
    project: ProjectName
    url: str
    base_url: str
    now: datetime
    specifiers: dict[str, str | None] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    names: dict[tuple[str, ...], DistributionName | None] = field(default_factory=dict)
    versions: dict[tuple[str, str], Version | None] = field(default_factory=dict)


def accept(listed: Listed, page: Page) -> UpstreamFile | Skipped:
    """Return the file that the line offers, or why it offers none."""
    told = find_usual_name(listed.filename, page)
    if told is None:
        try:
            told = parse_distribution_filename(parse_filename(listed.filename), name=page.project)
        except InvalidName as fault:
            return skip(listed.filename, _explain(listed.filename, fault))
    filename = Filename(listed.filename)
    if told.project != page.project:
        return skip(filename, f"It belongs to another project, '{told.project}'")
    sha256 = find_sha256(listed.sha256)
    if sha256 is None:
        return skip(filename, "The upstream gives no sha256 for it" if not listed.sha256 else "Its sha256 is not one")
    url = find_url(listed.url, page)
    if url is None:
        return skip(filename, "Its URL is not one that can be asked")
    if page.url.startswith("https:") and not url.startswith("https:"):
        return skip(filename, "It would come over http, though the upstream's page came over https")
    return UpstreamFile(
        index=page.index,
        project=page.project,
        filename=filename,
        version=told.version,
        package_type=told.package_type,
        python_tag=told.python_tag,
        url=url,
        sha256=sha256,
        first_seen_at=page.now,
        size_bytes=find_size(listed.size_bytes),
        uploaded_at=find_time(listed.uploaded_at),
        requires_python=find_specifier(listed.requires_python, page.specifiers),
        yank=find_yank(listed.yank),
        has_upstream_metadata=listed.has_metadata,
        metadata_sha256=find_sha256(listed.metadata_sha256) if listed.has_metadata else None,
        provenance_url=find_provenance(listed.provenance_url, page),
    )


def find_usual_name(filename: str, page: Page) -> DistributionName | None:
    """Return what the filename says; None for one that must be looked at more closely: it may be another project's."""
    usual = _IS_USUAL_NAME.fullmatch(filename)
    if usual is None or len(filename) > LONGEST_FILENAME:
        return None
    return read_usual_name(usual.groups(""), page)


def read_usual_name(parts: tuple[str, ...], page: Page) -> DistributionName | None:
    """Return what a usual filename says in its parts: name, version, and of a wheel the python tag, else nothing."""
    if parts not in page.names:
        page.names[parts] = _read_name(parts, page)
    return page.names[parts]


def _read_name(parts: tuple[str, ...], page: Page) -> DistributionName | None:
    name, version, python_tag = parts
    release = name, version
    if release not in page.versions:
        page.versions[release] = _find_version(name, version, project=page.project)
    found = page.versions[release]
    if found is None:
        return None
    if not python_tag:
        return DistributionName(page.project, found, PackageType.SDIST, "source")
    return DistributionName(page.project, found, PackageType.WHEEL, python_tag)


def _find_version(name: str, version: str, *, project: ProjectName) -> Version | None:
    try:
        return parse_version(version) if parse_project_name(name) == project else None
    except InvalidName:
        return None


def skip(filename: str, reason: str) -> Skipped:
    """Return the line as one that is not offered, its name fit to be shown."""
    return Skipped(clean(filename, most=_LONGEST_SHOWN) or "(no name)", reason)


def clean(text: str, *, most: int = _LONGEST_REASON) -> str:
    """Return text from outside as one printable line of bounded length."""
    # Cut first: what is thrown away need not be read.
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text[: 4 * most]).split())
    return line if len(line) <= most else f"{line[: most - 3]}..."


def find_url(raw: str, page: Page) -> str | None:
    """Return the absolute http or https URL without fragment; None where there is none to ask."""
    if _IS_USUAL_URL.fullmatch(raw):
        return raw
    text = raw.strip(" \t\r\n\f").partition("#")[0]
    if not text or len(text) > _LONGEST_URL or _NEVER_IN_URL.search(text):
        return None
    try:
        quoted = text if _PLAIN.fullmatch(text) else quote(text, safe=_KEPT_IN_URL)
        joined = quoted if _SCHEME.match(quoted) else _join(quoted, page)
    except ValueError:
        return None
    return joined if len(joined) <= _LONGEST_URL and _is_url(joined) else None


def _join(relative: str, page: Page) -> str:
    """Return what `urljoin` does, which is slow, and asked once for each folder."""
    folder, slash, name = relative.rpartition("/")
    if not slash or name in (".", "..") or not _NAME.fullmatch(name) or not _NAME.fullmatch(folder.replace("/", "")):
        return urljoin(page.base_url, relative)
    if folder not in page.folders:
        page.folders[folder] = urljoin(page.base_url, f"{folder}/")
    return page.folders[folder] + name


def _is_url(text: str) -> bool:
    found = _URL.fullmatch(text)
    if found is None or int(found["port"] or 0) > _LARGEST_PORT:
        return False
    try:
        return found["address"] is None or bool(IPv6Address(found["address"]))
    except ValueError:
        return False


def find_sha256(raw: str | None) -> Sha256 | None:
    """Return the digest; None for what is not one."""
    if not raw:
        return None
    if is_sha256(raw):
        return Sha256(raw)
    try:
        return parse_sha256(raw)
    except InvalidName:
        return None


def pick_hash(hashes: Mapping[str, object]) -> str | None:
    """Return the sha256 of a mapping of hashes as it stands there."""
    found = hashes.get("sha256")
    return found if isinstance(found, str) else None


def _explain(filename: str, fault: InvalidName) -> str:
    if filename and not filename.endswith(DISTRIBUTION_ENDINGS):
        return "It is neither a wheel (.whl) nor an sdist (.tar.gz, .zip)"
    return clean(fault.message)


def find_yank(told: Yank | None) -> Yank | None:
    """Return the yank with a reason that is fit to be shown."""
    return None if told is None else Yank(clean(told.reason))


def find_size(raw: int | None) -> int | None:
    """Return a size that a file can have."""
    return raw if raw is not None and 0 <= raw <= _LARGEST_SIZE else None


def find_time(raw: str | None) -> datetime | None:
    """Return the time in UTC, which is also meant where no zone is given (PEP 700: "UTC")."""
    if raw is None or len(raw) > LONGEST_TIME:
        return None
    try:
        time = datetime.fromisoformat(raw.strip())
        if time.tzinfo is None:
            return time.replace(tzinfo=UTC)
        return time if time.tzinfo is UTC else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def find_specifier(raw: str | None, known: dict[str, str | None]) -> str | None:
    """Return the specifier on one line; None for one that pip ignores too."""
    if not raw or len(raw) > _LONGEST_SPECIFIER:
        return None
    if raw not in known:
        text = " ".join(raw.split())
        try:
            SpecifierSet(text)
            known[raw] = text or None
        except InvalidSpecifier:
            known[raw] = None
    return known[raw]


def find_provenance(raw: str | None, page: Page) -> str | None:
    """Return the URL, unless it is a downgrade from https or none at all."""
    url = find_url(raw, page) if raw else None
    is_downgrade = url is not None and page.url.startswith("https:") and not url.startswith("https:")
    return None if is_downgrade else url
