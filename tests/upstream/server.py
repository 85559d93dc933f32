"""A well-behaved upstream on the loopback address: a `Site` with real files, served over HTTP.

`UpstreamServer(site_of(directory))` serves a directory of wheels and sdists as a simple
index. Delay and bandwidth are bounds of all its answers; the rest is said by the
`Site`'s switches. Every request is counted.
"""

from __future__ import annotations

import base64
import gzip
import re
import zipfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from packaging.metadata import parse_email
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

from strongroom.adapters.upstream.site import RawPage, Site, SiteFile, etag_of
from strongroom.core.names import ProjectName
from tests.replacing import replace
from tests.upstream.listener import Listener, Reply, Request

_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)")


class UpstreamServer(Listener):
    """A site over HTTP. All attributes may be changed while it runs.

    `credentials` are `username:password`, asked for by Basic. `is_down`: every answer is a 503.
    """

    def __init__(self, site: Site | None = None) -> None:
        """Serve the site under `/simple/` and `/files/`; its URL is set when the server starts."""
        super().__init__(self._answer)
        self.site = site or Site()
        self.delay_seconds = 0.0
        self.bytes_a_second: float | None = None
        self.packs_pages = True
        self.credentials: str | None = None
        self.is_down = False

    @property
    def url(self) -> str:
        """Return the URL of the simple API."""
        return f"{self.root}simple/"

    def __enter__(self) -> UpstreamServer:
        """Start."""
        super().__enter__()
        self.site.url = self.url
        return self

    def _answer(self, request: Request) -> Reply:
        if self.is_down:
            return self._paced(Reply(status=503))
        if self.credentials is not None and request.headers.get("authorization") != _basic(self.credentials):
            return self._paced(Reply(status=401, headers={"WWW-Authenticate": "Basic"}))
        if request.path.startswith("/simple/"):
            return self._paced(self._answer_page(request))
        return self._paced(answer_file(self.site, request, url=self.root.rstrip("/") + request.path))

    def _answer_page(self, request: Request) -> Reply:
        name = request.path.removeprefix("/simple/").rstrip("/")
        if name and not request.path.endswith("/"):
            return Reply(status=302, headers={"Location": f"{request.path}/"})
        page = self.site.find_page(ProjectName(name)) if name else self.site.render_list()
        return answer_page(self.site, request, page=page, packs=self.packs_pages)

    def _paced(self, reply: Reply) -> Reply:
        return replace(reply, delay_seconds=self.delay_seconds, bytes_a_second=self.bytes_a_second)


def answer_page(site: Site, request: Request, *, page: RawPage | None, packs: bool = True) -> Reply:
    """Return the page, packed if the client can unpack it, or a 304 or a 404."""
    if page is None:
        return Reply(status=404, body=b"no such project")
    etag = {"ETag": etag_of(page.content)} if site.has_etags else {}
    if etag and request.headers.get("if-none-match") == etag["ETag"]:
        return Reply(status=304, headers=etag)
    headers = {"Content-Type": page.content_type, **etag}
    if packs and "gzip" in request.headers.get("accept-encoding", ""):
        return Reply(headers={**headers, "Content-Encoding": "gzip"}, body=gzip.compress(page.content, 1))
    return Reply(headers=headers, body=page.content)


def answer_file(site: Site, request: Request, *, url: str) -> Reply:
    """Return what lies under the URL, or the part of it that is asked for."""
    held = site.find(url)
    if held is None:
        return Reply(status=404, body=b"no such file")
    content = held.content
    headers = {"ETag": held.etag} if site.has_etags else {}
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    if site.has_ranges and match:
        return _part(content, match)
    announced = None if site.has_lengths else -1
    return Reply(headers=headers, body=content, announced_bytes=announced, cut_after=site.cut_after.get(url))


def _part(content: bytes, match: re.Match[str]) -> Reply:
    first, last = match.groups()
    start = max(len(content) - int(last), 0) if not first else int(first)
    stop = len(content) if not first or not last else min(int(last) + 1, len(content))
    if start >= stop:
        return Reply(status=416, headers={"Content-Range": f"bytes */{len(content)}"})
    shown = f"bytes {start}-{stop - 1}/{len(content)}"
    return Reply(status=206, headers={"Content-Range": shown}, body=content[start:stop])


def site_of(directory: Path) -> Site:
    """Return a site with the wheels and sdists of a directory; METADATA is read from the wheels."""
    site = Site()
    for path in sorted(directory.iterdir()):
        with suppress(InvalidWheelFilename, InvalidSdistFilename):
            is_wheel = path.suffix == ".whl"
            name = parse_wheel_filename(path.name)[0] if is_wheel else parse_sdist_filename(path.name)[0]
            metadata = read_metadata(path) if is_wheel else None
            needs = parse_email(metadata)[0].get("requires_python") if metadata else None
            uploaded_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            site.add(
                SiteFile(
                    ProjectName(name),
                    path.name,
                    path=path,
                    metadata=metadata,
                    uploaded_at=uploaded_at,
                    requires_python=needs,
                )
            )
    return site


def read_metadata(wheel: Path) -> bytes | None:
    """Return a wheel's METADATA."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith(".dist-info/METADATA")]
        return archive.read(names[0]) if names else None


def _basic(credentials: str) -> str:
    return f"Basic {base64.b64encode(credentials.encode()).decode()}"
