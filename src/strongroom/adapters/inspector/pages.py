"""Reads upstreams' pages: short ones at once, long ones in a child process.

A long page takes a second of Python. In a thread of the server it would hold up all
others, because threads take turns; in a process of its own it costs them nothing.
Decides where a page is read. What it says is the core's decision (`core/simpleapi`).
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

import msgspec

from strongroom.adapters.inspector.child_process import ChildProcess
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
"""Up to this size a page is read in the event loop: HTML takes 1.9 milliseconds then, JSON less."""
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
    """Reads long pages in one child, which starts with the first of them and ends with `close`."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._child: ChildProcess | None = None
        self._is_closed = False

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
        """End the child, also at work."""
        self._is_closed = True
        if self._child is not None:
            await self._child.end()

    async def _ask(self, job: PageJob) -> PageAnswer | None:
        """Return the child's answer; None if it gave none. Raises `Unavailable` if no child can be started."""
        async with self._turn:
            child = await self._find_child()
            try:
                async with asyncio.timeout(_SECONDS):
                    body = await child.ask(encode(job))
                return None if body is None else decode_answer(body)
            except (TimeoutError, msgspec.DecodeError, UnicodeDecodeError):
                child.is_ready = False
                return None
            finally:
                if self._is_closed or not child.is_ready:
                    self._child = None
                    await child.end()

    async def _find_child(self) -> ChildProcess:
        if self._is_closed:
            raise Unavailable("server-stopping", "The server is stopping", "Try again in a moment.")
        if self._child is None or not self._child.is_alive:
            self._child = await ChildProcess.start(_CHILD_MODULE, str(_MEMORY_BYTES))
        return self._child


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
