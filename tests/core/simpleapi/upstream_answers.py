"""Answers of upstreams for tests, and what is read from them."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from strongroom.core.mirrored import UpstreamFile, UpstreamPage
from strongroom.core.simpleapi.parse import parse_page
from tests.factories import DEMO, PUBLIC, sha256_of
from tests.fakes import START

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html; charset=utf-8"
URL = "https://upstream.example/simple/demo/"
WHEEL = "demo-1.0-py3-none-any.whl"
FILES = "https://files.upstream.example"
DIGEST = sha256_of("wheel")


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """An answer as `ports.PageBody` holds it."""

    content: bytes
    content_type: str = JSON
    url: str = URL
    etag: str | None = None


def read(content: bytes | str, content_type: str = JSON, *, url: str = URL) -> UpstreamPage:
    """Read an answer as the page of `demo`."""
    raw = content.encode() if isinstance(content, str) else content
    return parse_page(GivenAnswer(raw, content_type, url), index=PUBLIC, project=DEMO, now=START)


def a_line(filename: str = WHEEL, **fields: object) -> dict[str, object]:
    """Make a line of a JSON page; `fields` replace the usual ones, with `_` for `-`."""
    usual: dict[str, object] = {
        "filename": filename,
        "url": f"{FILES}/{filename}",
        "hashes": {"sha256": DIGEST},
    }
    return usual | {name.replace("_", "-"): value for name, value in fields.items()}


def as_json(*lines: object, **top: object) -> bytes:
    """Make a JSON page of these lines; `top` are its other fields."""
    fields = {"meta": {"api-version": "1.1"}, "name": "demo", "files": list(lines)}
    return msgspec.json.encode(fields | {name.replace("_", "-"): value for name, value in top.items()})


def an_anchor(filename: str = WHEEL, attributes: str = "", *, href: str | None = None) -> str:
    """Make an anchor of an HTML page; `attributes` as they stand there."""
    return f'<a href="{href or f"{FILES}/{filename}#sha256={DIGEST}"}" {attributes}>{filename}</a><br/>\n'


def as_html(*anchors: str, head: str = "") -> str:
    """Make an HTML page."""
    return f"<!DOCTYPE html>\n<html><head>{head}</head><body>\n{''.join(anchors)}</body></html>\n"


def only(page: UpstreamPage) -> UpstreamFile:
    """Return the only file of a page that skipped nothing."""
    assert page.skipped == ()
    (file,) = page.files
    return file
