"""Reads upstreams' pages: short ones at once, long ones in child processes.

A long page takes a second of Python. In a thread of the server it would hold up all
others, because threads take turns; in a process of its own it costs them nothing. A
second process starts when a page waits for the first. Decides where a page is read. What
it says is the core's decision (`core/simpleapi`).
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

import msgspec

from strongroom.adapters.inspector.child_pool import ChildPool
from strongroom.adapters.inspector.page_messages import (
    PageAnswer,
    PageFailed,
    PageJob,
    PageRead,
    PageRefused,
    decode_answer,
    encode,
)
from strongroom.core.errors import Unavailable, UpstreamFault
from strongroom.core.mirrored import Packed, UpstreamPage
from strongroom.core.names import IndexName, ProjectName
from strongroom.core.page_content import decode_content
from strongroom.core.simpleapi.parse import parse_page
from strongroom.ports import PageBody

SHORT_BYTES = 16 * 1024
"""Up to this size a page is read in the event loop: HTML takes 1.9 milliseconds then, JSON 0.5, a hostile page 6."""
MOST_CHILDREN = 2
_CHILD_MODULE = "strongroom.adapters.inspector.page_child"
_MEMORY_BYTES = 2 << 30
_SECONDS = 60.0
_log = logging.getLogger(__name__)


class PageReadingFailed(Exception):
    """A page did something to its reader that none should."""


class InlinePages:
    """Reads every page where it is asked to, in the event loop."""

    async def read(self, body: PageBody, *, index: IndexName, project: ProjectName, now: datetime) -> UpstreamPage:
        """Return what the page says; raises `UpstreamFault` for what is no page."""
        return parse_page(body, index=index, project=project, now=now)

    async def close(self) -> None: ...


class ProcessPages:
    """Reads long pages in children, which start with the first of them that wait, and end with `close`."""

    def __init__(self) -> None:
        self._pool = ChildPool(_CHILD_MODULE, str(_MEMORY_BYTES), most=MOST_CHILDREN)

    async def read(self, body: PageBody, *, index: IndexName, project: ProjectName, now: datetime) -> UpstreamPage:
        """Return what the page says; raises `UpstreamFault` for what is no page, `PageReadingFailed`."""
        if len(body.content) <= SHORT_BYTES:
            return parse_page(body, index=index, project=project, now=now)
        content_type = body.content_type.encode(errors="replace").decode()  # a header may hold bytes that are no text
        job = PageJob(body.content, content_type, body.url, body.etag, index, project, now)
        try:
            answer = await self._ask(job)
        except Unavailable as fault:
            _log.warning("a page is read without a process of its own", extra={"fields": {"cause": fault.message}})
            return await asyncio.to_thread(parse_page, body, index=index, project=project, now=now)
        match answer:
            case PageRead(content):
                return _unpack(content, job)
            case PageRefused(code, message, hint):
                raise UpstreamFault(code, message, hint)
            case PageFailed(trace):
                raise PageReadingFailed(trace)
            case None:
                raise PageReadingFailed("the process that read it ended or took too long")

    async def close(self) -> None:
        """End the children, also those at work."""
        await self._pool.close()

    async def _ask(self, job: PageJob) -> PageAnswer | None:
        """Return a child's answer; None if it gave none. Raises `Unavailable` if no child can be started."""
        async with self._pool.borrow() as child:
            try:
                async with asyncio.timeout(_SECONDS):
                    body = await child.ask(encode(job))
                return None if body is None else decode_answer(body)
            except (TimeoutError, msgspec.DecodeError, UnicodeDecodeError):
                child.is_ready = False
                return None


def _unpack(packed: bytes, job: PageJob) -> UpstreamPage:
    content = decode_content(packed)
    return UpstreamPage(
        index=IndexName(job.index),
        project=ProjectName(job.project),
        fetched_at=job.now,
        etag=job.etag,
        status=content.status,
        status_reason=content.status_reason,
        files=content.files,
        skipped=content.skipped,
        packed=Packed(packed, (content.status, content.status_reason, content.files, content.skipped)),
    )
