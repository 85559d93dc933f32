"""What a scenario of a misbehaving upstream is: a truth, and how it is bent.

Each scenario is a project of its own with one wheel. The truth is a page that lists the
wheel, the wheel, and its METADATA; a scenario bends one or more of the three answers.
`Expected` says what must hold at whoever mirrors it.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from strongroom.adapters.upstream.site import HTML_TYPE, JSON_TYPE, Site, SiteFile
from strongroom.core.names import ProjectName
from tests.archives.wheels import Wheel, metadata_of
from tests.upstream.listener import Reply, Request

PREFIX = "h-"
_PADDING_BYTES = 48 * 1024


class Expected(StrEnum):
    """What must hold. In every case: only the true bytes are ever given whole, and nothing else is kept."""

    SERVED = "served"
    """The oddity is harmless: the page lists the wheel, and the wheel comes."""
    REFUSED = "refused"
    """The wheel cannot be had: the page is an error or does not list it, or its download fails."""
    EITHER = "either"
    """Served or refused, but never wrong."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A project's wheel, and what is said of it."""

    project: ProjectName
    filename: str
    content: bytes
    metadata: bytes

    @property
    def sha256(self) -> str:
        """Return the digest that the page promises."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Stage:
    """One request in a scenario. `turn` is how often its path was asked for before; `root` ends with a slash."""

    truth: Truth
    request: Request
    root: str
    turn: int

    @property
    def page_url(self) -> str:
        """Return the page's URL."""
        return f"{self.root}simple/{self.truth.project}/"

    @property
    def file_url(self) -> str:
        """Return the wheel's URL."""
        return f"{self.root}files/{self.truth.project}/{self.truth.filename}"

    @property
    def own_url(self) -> str:
        """Return the URL that is asked for."""
        return "/".join(self.root.split("/", 3)[:3]) + self.request.path


Twist = Callable[[Stage, Reply], Reply]
"""Takes the true answer and gives the bent one."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A misbehaviour with its name. `is_slow`: it takes as long as the mirror's patience."""

    name: str
    expected: Expected
    page: Twist | None = None
    file: Twist | None = None
    metadata: Twist | None = None
    is_html: bool = False
    has_metadata: bool = True
    is_slow: bool = False

    @property
    def project(self) -> ProjectName:
        """Return the project that belongs to the scenario."""
        return ProjectName(f"{PREFIX}{self.name}")

    @property
    def truth(self) -> Truth:
        """Return the wheel that belongs to the scenario."""
        return truth_of(self.project)


@lru_cache(maxsize=2000)
def truth_of(project: ProjectName) -> Truth:
    """Return a wheel that is the same in each run, and of no other project."""
    metadata = metadata_of(project, "1.0", "Requires-Python: >=3.8")
    padding = random.Random(project).randbytes(_PADDING_BYTES)
    wheel = Wheel(name=project, metadata=metadata, files={"demo/padding.bin": padding})
    return Truth(project, wheel.filename, wheel.build(), metadata)


def site_of(scenario: Scenario, root: str) -> Site:
    """Return the well-behaved upstream that the scenario bends."""
    truth = scenario.truth
    site = Site(f"{root}simple/", is_html_only=scenario.is_html, has_metadata=scenario.has_metadata)
    site.add(SiteFile(truth.project, truth.filename, truth.content, metadata=truth.metadata, requires_python=">=3.8"))
    return site


def with_body(body: bytes, *, content_type: str | None = None) -> Twist:
    """Return a twist that gives another body."""

    def bend(stage: Stage, reply: Reply) -> Reply:
        headers = {**reply.headers, **({"Content-Type": content_type} if content_type else {})}
        return Reply(headers=without_etag(headers), body=body)

    return bend


def with_text(change: Callable[[str, Stage], str], *, content_type: str | None = None) -> Twist:
    """Return a twist that rewrites the page's text; lone surrogates become the bytes that they stand for."""

    def bend(stage: Stage, reply: Reply) -> Reply:
        text = change(reply.body.decode(), stage)
        return with_body(text.encode("utf-8", "surrogateescape"), content_type=content_type)(stage, reply)

    return bend


def with_json(change: Callable[[Any, Stage], Any]) -> Twist:  # Any: a page that may be anything
    """Return a twist that changes the page's object; what is returned is written in its place."""

    def bend(stage: Stage, reply: Reply) -> Reply:
        page = json.loads(reply.body)
        changed = change(page, stage)
        return with_body(json.dumps(page if changed is None else changed).encode(), content_type=JSON_TYPE)(
            stage, reply
        )

    return bend


def with_html(make: Callable[[Stage], str], *, content_type: str = HTML_TYPE) -> Twist:
    """Return a twist that gives HTML."""
    return lambda stage, reply: with_body(make(stage).encode("utf-8", "surrogateescape"), content_type=content_type)(
        stage, reply
    )


def raw(make: Callable[[Reply], bytes], *, then_silent: bool = False) -> Twist:
    """Return a twist that sends these bytes in place of an HTTP answer."""
    return lambda stage, reply: Reply(raw=make(reply), then_silent=then_silent)


def head(reply: Reply, *lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    """Return the head of an answer, with its content type and these lines."""
    kind = f"Content-Type: {reply.headers.get('Content-Type', 'application/octet-stream')}"
    return "\r\n".join([status, kind, *lines, "", ""]).encode("latin-1", "replace")


def without_etag(headers: dict[str, str]) -> dict[str, str]:
    """Return the headers of a body that is not the true one."""
    return {name: value for name, value in headers.items() if name not in ("ETag", "Content-Encoding")}
