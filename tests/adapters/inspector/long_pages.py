"""Upstreams' pages, short and long, with all that a page can say; and scenes with their reader."""

from __future__ import annotations

import asyncio
import html
import json
from collections.abc import Callable, Coroutine
from typing import Any

from strongroom.adapters.inspector.child_process import ChildProcess
from strongroom.adapters.inspector.pages import SHORT_BYTES, ProcessPages
from strongroom.core.mirrored import UpstreamPage
from strongroom.core.simpleapi.parse import parse_page
from strongroom.ports import PageBody, PageReader
from tests.factories import DEMO, PUBLIC, UPSTREAM_URL, sha256_of
from tests.fakes import START

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html; charset=utf-8"
URL = f"{UPSTREAM_URL}demo/"
ETAG = '"a-tag"'
SHORT, LONG = 3, 300
"""So many releases."""
REASON = 'Moved to <acme> \u00fc "soon"'


def a_json_page(releases: int) -> PageBody:
    """Make a page whose lines say all that one can say; it has a status, and lines that are left out."""
    files: list[dict[str, object]] = [
        {
            "filename": f"demo-{number}.0-py3-none-any.whl",
            "url": f"../../files/demo-{number}.0-py3-none-any.whl",
            "hashes": {"sha256": sha256_of(str(number))},
            "requires-python": f">=3.{number % 14}",
            "yanked": f"broken \u00fc {number}" if number % 3 else number % 2 == 1,
            "core-metadata": {"sha256": sha256_of(f"metadata {number}")} if number % 4 else True,
            "upload-time": f"2024-01-02T03:04:{number % 60:02}.00{number % 10}1Z",
            "size": number,
            "provenance": f"https://files.upstream.example/{number}/provenance",
        }
        for number in range(releases)
    ]
    files += [
        {
            "filename": "demo-1.0+corp.3.tar.gz",
            "url": "https://files.upstream.example/s",
            "hashes": {"sha256": "short"},
        },
        {"filename": "other-1.0.tar.gz", "url": "https://files.upstream.example/o", "hashes": {}},
    ]
    status = {"status": "deprecated", "reason": REASON}
    page = {"meta": {"api-version": "1.4"}, "name": "demo", "project-status": status, "files": files}
    return PageBody(json.dumps(page).encode(), JSON, URL, ETAG)


def an_html_page(releases: int) -> PageBody:
    """Make the like in HTML, without an ETag."""
    anchors = [
        f'<a href="/files/demo-{number}.0.tar.gz#sha256={sha256_of(str(number))}" data-requires-python="&gt;=3.8"'
        f' data-yanked="broken &uuml; {number}">demo-{number}.0.tar.gz</a><br/>'
        for number in range(releases)
    ]
    anchors += ['<a href="/files/demo-x.tar.gz#sha256=00">demo-x.tar.gz</a>']
    head = (
        '<meta name="pypi:project-status" content="archived">'
        f'<meta name="pypi:project-status-reason" content="{html.escape(REASON)}">'
    )
    text = f"<!DOCTYPE html><html><head>{head}</head><body>{''.join(anchors)}</body></html>"
    return PageBody(text.encode(), HTML, URL)


def long(content: str, content_type: str = JSON) -> PageBody:
    """Make an answer that is long, whatever it says."""
    return PageBody(content.ljust(SHORT_BYTES + 1).encode(), content_type, URL, ETAG)


def parse(body: PageBody) -> UpstreamPage:
    """Return what the core makes of the page."""
    return parse_page(body, index=PUBLIC, project=DEMO, now=START)


BODIES = [a_json_page(SHORT), a_json_page(LONG), an_html_page(SHORT), an_html_page(LONG)]
BODY_IDS = ["short JSON", "long JSON", "short HTML", "long HTML"]
PAGE = a_json_page(LONG)
"""A long one, which does not fit into a pipe either."""


def play(scene: Callable[[ProcessPages], Coroutine[Any, Any, None]]) -> None:
    """Run a scene with a reader, close that, and leave no process behind."""

    async def run() -> None:
        pages = ProcessPages()
        try:
            await scene(pages)
        finally:
            await pages.close()
            assert not pages._pool.children

    asyncio.run(run())


async def read(pages: PageReader, body: PageBody = PAGE) -> UpstreamPage:
    """Read the page of `demo`."""
    return await pages.read(body, index=PUBLIC, project=DEMO, now=START)


def children_of(pages: ProcessPages) -> dict[int, ChildProcess]:
    """Return the reader's children by process id."""
    return {child._process.pid: child for child in pages._pool.children}


def child_of(pages: ProcessPages) -> int | None:
    """Return the process id of the reader's child, if it has one; it has no second."""
    pids = children_of(pages)
    assert len(pids) < 2
    return next(iter(pids), None)
