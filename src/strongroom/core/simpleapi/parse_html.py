"""A project page of the HTML Simple API (PEP 503, 592, 629, 658, 714, 740, 792), as upstreams really write it.

Decides which anchors are files, and when a page of HTML is no project page: an error
page with status 200 must not make all files of a project vanish. Believes nothing
(`listed.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urljoin

from strongroom.core.model import Yank
from strongroom.core.simpleapi.contents import MOST_FILES, Contents, bad_page, check_api_version, too_many
from strongroom.core.simpleapi.html_tags import Tag, read_tags
from strongroom.core.simpleapi.listed import Listed

_FILE_ENDINGS = (
    ".whl", ".tar.gz", ".zip", ".egg", ".exe", ".msi", ".rpm", ".deb", ".dmg",
    ".tgz", ".tar", ".tar.bz2", ".tar.xz", ".tar.z",
)  # fmt: skip
"""What was ever uploaded as a distribution; anchors to anything else are navigation."""
_SHA256 = re.compile(r"(?:^|&)sha256=([^&]*)")
_CHARSET = re.compile(r"charset=\"?([A-Za-z0-9_-]+)", re.IGNORECASE)
_LATIN = frozenset({"iso-8859-1", "latin-1", "latin1", "windows-1252", "cp1252"})
_MOST_TAGS = 5 * MOST_FILES


def read_html(content: bytes, content_type: str, *, url: str) -> Contents:
    """Return what the page holds; raises `UpstreamFault`."""
    text = _decode(content, content_type)
    anchors: list[tuple[str, dict[str, str]]] = []
    metas: dict[str, str] = {}
    names: set[str] = set()
    base_url: str | None = None
    for position, tag in enumerate(read_tags(text)):
        if position >= _MOST_TAGS or len(anchors) > MOST_FILES:
            raise too_many()
        names.add(tag.name)
        match tag:
            case Tag("a", {"href": href}) if (filename := _filename(href)).lower().endswith(_FILE_ENDINGS):
                anchors.append((filename, tag.attributes))
            case Tag("meta", {"name": name, "content": value}):
                metas.setdefault(name.strip().lower(), value)
            case Tag("base", {"href": href}) if base_url is None:
                base_url = _join(url, href)
    _check_is_page(text, metas, names=names, has_files=bool(anchors))
    return Contents(
        lines=_read_lines(anchors),
        status=metas.get("pypi:project-status"),
        status_reason=metas.get("pypi:project-status-reason"),
        base_url=base_url or "",
    )


def _check_is_page(text: str, metas: Mapping[str, str], *, names: set[str], has_files: bool) -> None:
    check_api_version(metas.get("pypi:repository-version"))
    if "html" in names and "/html" not in names:
        raise bad_page("is an HTML page that is cut short")
    # An empty project page is legal; a page to sign in on, or of an error, is not one.
    if not has_files and "pypi:repository-version" not in metas and "Links for " not in text:
        raise bad_page("is HTML that is not a project page: no files, and no sign of the Simple API")


def _decode(content: bytes, content_type: str) -> str:
    charset = _CHARSET.search(content_type)
    # Of all of Python's codecs only these: some are slow, and some are not about text.
    name = "cp1252" if charset and charset[1].lower() in _LATIN else "utf-8"
    return content.decode(name, "replace")


def _read_lines(anchors: list[tuple[str, dict[str, str]]]) -> Iterator[Listed]:
    for filename, attributes in anchors:
        url, _, fragment = attributes["href"].partition("#")
        sha256 = _SHA256.search(fragment)
        metadata = attributes.get("data-core-metadata", attributes.get("data-dist-info-metadata"))
        yield Listed(
            filename=filename,
            url=url,
            sha256=sha256[1] if sha256 else None,
            requires_python=attributes.get("data-requires-python"),
            # PEP 592: the attribute "may have no value, or may have an arbitrary string".
            yank=Yank(attributes["data-yanked"]) if "data-yanked" in attributes else None,
            has_metadata=metadata is not None and metadata.strip().lower() != "false",
            metadata_sha256=_metadata_sha256(metadata or ""),
            provenance_url=attributes.get("data-provenance"),
        )


def _metadata_sha256(value: str) -> str | None:
    """PEP 658: "<hashname>=<hashvalue>", or "true" where no hash is known."""
    name, _, digest = value.strip().partition("=")
    return digest if name.lower() == "sha256" else None


def _filename(href: str) -> str:
    """Return the last part of the URL's path, decoded: what pip and uv take for the filename."""
    path = href.strip().partition("#")[0].partition("?")[0]
    return unquote(path.rstrip("/").rpartition("/")[2])


def _join(url: str, href: str) -> str | None:
    try:
        return urljoin(url, href.strip())
    except ValueError:
        return None
