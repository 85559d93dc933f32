"""An upstream's contents, in memory: files, and the pages that list them, as JSON or HTML.

The memory client serves it without a network, the tests' loopback server over one, so
that both say the same. Switches make it old, poor or wrong. Renders PEP 503, 658, 691,
700, 740 and 792; decides nothing.
"""

from __future__ import annotations

import hashlib
import html
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote, urljoin, urlsplit

from strongroom.core.names import ProjectName

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "text/html"


@dataclass(frozen=True, slots=True)
class SiteFile:
    """A file of an upstream, in memory or (`path`) on the disk.

    `yanked` is the reason; empty: yanked without one, None: not yanked.
    """

    project: ProjectName
    filename: str
    content: bytes = b""
    path: Path | None = None
    metadata: bytes | None = None
    uploaded_at: datetime | None = datetime(2025, 6, 1, tzinfo=UTC)
    requires_python: str | None = None
    yanked: str | None = None
    provenance: bytes | None = None
    sha256: str = field(init=False)
    size_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        """Look at the bytes once: a page is asked for often."""
        content = self.read()
        object.__setattr__(self, "sha256", hashlib.sha256(content).hexdigest())
        object.__setattr__(self, "size_bytes", len(content))

    def read(self) -> bytes:
        """Return the bytes."""
        return self.path.read_bytes() if self.path else self.content


@dataclass(frozen=True, slots=True)
class Held:
    """What lies under a URL, with its ETag."""

    content: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class RawPage:
    """A page as someone wrote it, instead of the rendered one."""

    content: bytes
    content_type: str = JSON_TYPE


@dataclass(slots=True)
class Site:
    """An upstream's files under its simple API's `url`, and the switches that change how it answers.

    `bytes_instead` are bytes that are served in place of a URL's true ones, under the true
    digest; `cut_after` ends the body of a URL early; `raw_pages` stand for rendered pages.
    """

    url: str = "https://upstream.example/simple/"
    files: dict[tuple[ProjectName, str], SiteFile] = field(default_factory=dict)
    raw_pages: dict[ProjectName, RawPage] = field(default_factory=dict)
    statuses: dict[ProjectName, str] = field(default_factory=dict)
    bytes_instead: dict[str, bytes] = field(default_factory=dict)
    cut_after: dict[str, int] = field(default_factory=dict)
    is_html_only: bool = False
    has_metadata: bool = True
    has_sizes: bool = True
    has_upload_times: bool = True
    has_etags: bool = True
    has_ranges: bool = True
    has_lengths: bool = True

    @property
    def host(self) -> str:
        """Return the host's name."""
        return urlsplit(self.url).hostname or ""

    def add(self, file: SiteFile) -> str:
        """Put the file there, and return its URL."""
        self.files[file.project, file.filename] = file
        return self.url_of(file.project, file.filename)

    def remove(self, project: ProjectName, filename: str) -> None:
        """Take the file away."""
        del self.files[project, filename]

    def page_url(self, project: ProjectName) -> str:
        """Return the URL of the project's page."""
        return f"{self.url}{project}/"

    def url_of(self, project: ProjectName, filename: str) -> str:
        """Return the file's absolute URL; the page has it as a relative one."""
        return urljoin(self.page_url(project), _relative(project, filename))

    def find_page(self, project: ProjectName) -> RawPage | None:
        """Return the project's page, None where there is none."""
        if project in self.raw_pages:
            return self.raw_pages[project]
        files = [file for file in self.files.values() if file.project == project]
        if not files and project not in self.statuses:
            return None
        if self.is_html_only:
            return RawPage(self._render_html(files).encode(), HTML_TYPE)
        return RawPage(self._render_json(project, files), JSON_TYPE)

    def render_list(self) -> RawPage:
        """Return the list of all projects."""
        names = sorted({file.project for file in self.files.values()} | set(self.raw_pages) | set(self.statuses))
        if self.is_html_only:
            lines = "\n".join(f'<a href="{name}/">{name}</a>' for name in names)
            return RawPage(f"<!DOCTYPE html><html><body>\n{lines}\n</body></html>".encode(), HTML_TYPE)
        projects = [{"name": name} for name in names]
        return RawPage(json.dumps({"meta": {"api-version": "1.4"}, "projects": projects}).encode(), JSON_TYPE)

    def find(self, url: str) -> Held | None:
        """Return what lies under a URL: a file, its METADATA, its provenance; None where there is nothing."""
        if url in self.bytes_instead:
            return Held(self.bytes_instead[url], etag_of(self.bytes_instead[url]))
        file = self._find_file(url)
        if file is not None:
            return Held(file.read(), f'"{file.sha256[:32]}"')
        sidecar = self._find_sidecar(url)
        return Held(sidecar, etag_of(sidecar)) if sidecar is not None else None

    def _find_sidecar(self, url: str) -> bytes | None:
        address, _, ending = url.rpartition(".")
        file = self._find_file(address)
        if file is None or (ending == "metadata" and not self.has_metadata):
            return None
        return {"metadata": file.metadata, "provenance": file.provenance}.get(ending)

    def _find_file(self, url: str) -> SiteFile | None:
        project, _, filename = url.rpartition("/files/")[2].partition("/")
        file = self.files.get((ProjectName(project), unquote(filename)))
        return file if file and self.url_of(file.project, file.filename) == url else None

    def _render_json(self, project: ProjectName, files: list[SiteFile]) -> bytes:
        page = {
            "meta": {"api-version": "1.4"},
            "name": project,
            "project-status": {"status": self.statuses.get(project, "active")},
            "versions": sorted({file.filename.split("-")[1] for file in files if file.filename.count("-")}),
            "files": [self._describe(file) for file in files],
        }
        return json.dumps(page).encode()

    def _describe(self, file: SiteFile) -> dict[str, object]:
        described: dict[str, object] = {
            "filename": file.filename,
            "url": _relative(file.project, file.filename),
            "hashes": {"sha256": file.sha256},
            "requires-python": file.requires_python,
            "yanked": file.yanked or file.yanked is not None,
        }
        if self.has_sizes:
            described["size"] = file.size_bytes
        if self.has_upload_times and file.uploaded_at:
            described["upload-time"] = file.uploaded_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if self.has_metadata and file.metadata is not None:
            described["core-metadata"] = {"sha256": hashlib.sha256(file.metadata).hexdigest()}
        if file.provenance is not None:
            described["provenance"] = f"{self.url_of(file.project, file.filename)}.provenance"
        return described

    def _render_html(self, files: list[SiteFile]) -> str:
        lines = "\n".join(f"<a {self._attributes(file)}>{html.escape(file.filename)}</a><br>" for file in files)
        return f"<!DOCTYPE html><html><head></head><body>\n{lines}\n</body></html>"

    def _attributes(self, file: SiteFile) -> str:
        """PEP 503: "The URL SHOULD include a hash in the form of a URL fragment"."""
        attributes = {"href": f"{_relative(file.project, file.filename)}#sha256={file.sha256}"}
        if file.requires_python is not None:
            attributes["data-requires-python"] = file.requires_python
        if file.yanked is not None:
            attributes["data-yanked"] = file.yanked
        if self.has_metadata and file.metadata is not None:
            digest = f"sha256={hashlib.sha256(file.metadata).hexdigest()}"
            attributes |= {"data-core-metadata": digest, "data-dist-info-metadata": digest}
        return " ".join(f'{name}="{html.escape(value, quote=True)}"' for name, value in attributes.items())


def etag_of(content: bytes) -> str:
    """Return the strong ETag of these bytes."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def _relative(project: ProjectName, filename: str) -> str:
    return f"../../files/{project}/{quote(filename)}"
