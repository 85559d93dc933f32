"""What is known of a project after the upstream answered: its answer laid over what was known before.

Does not fetch, keep or judge anything; how a page is read is `core/simpleapi/parse.py`, and
where, `ports.PageReader`.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import datetime

from strongroom.core.errors import UpstreamFault
from strongroom.core.mirrored import UpstreamPage
from strongroom.core.simpleapi.parse import merge_page
from strongroom.ports import PageBody, PageReader
from strongroom.services.mirror.memory import Address

_SHORT_FILES = 200
_log = logging.getLogger(__name__)


async def read_page(
    reader: PageReader, answer: PageBody, *, kept: UpstreamPage | None, address: Address, now: datetime
) -> UpstreamPage:
    """Return the page that came, with what is known of earlier ones; raises `UpstreamFault`."""
    try:
        latest = await reader.read(answer, index=address.index, project=address.project, now=now)
        if kept is None or max(len(kept.files), len(latest.files)) <= _SHORT_FILES:
            return _lay_over(kept, latest, now=now)
        return await asyncio.to_thread(_lay_over, kept, latest, now=now)
    except UpstreamFault:
        raise
    except Exception as fault:  # whatever a page does to its reader, those with a kept one are served
        fields = {"index": address.index, "project": address.project}
        _log.exception("an upstream page could not be read", extra={"fields": fields})
        raise UpstreamFault(
            "upstream-page",
            f"The upstream's page of '{address.project}' cannot be read",
            "This is a fault of Strongroom; its log says more.",
        ) from fault


def read_absence(kept: UpstreamPage | None, *, address: Address, now: datetime) -> UpstreamPage:
    """Return what stands for a project that the upstream does not have (any more).

    If it had files, they stay for those who pinned them, and its status with them: what
    was in quarantine does not come out of it by being removed.
    """
    if kept is None or not kept.files:
        return UpstreamPage(address.index, address.project, fetched_at=now, is_missing=True)
    nothing = replace(kept, fetched_at=now, etag=None, files=(), skipped=())
    return merge_page(kept, nothing, now=now)


def read_confirmation(kept: UpstreamPage | None, *, address: Address, now: datetime) -> UpstreamPage:
    """Return the kept page as confirmed; raises `UpstreamFault` where none was asked about."""
    if kept is None or kept.is_missing:
        raise UpstreamFault(
            "upstream-malformed",
            f"The upstream of the index '{address.index}' says that the page of '{address.project}' is unchanged, "
            "though nobody asked it that",
            "Look at the upstream with a browser, or set another URL for it.",
        )
    return replace(kept, fetched_at=now)


def _lay_over(kept: UpstreamPage | None, latest: UpstreamPage, *, now: datetime) -> UpstreamPage:
    page = merge_page(kept, latest, now=now)
    confirmed = replace(kept, fetched_at=now) if kept is not None else None
    return confirmed if confirmed is not None and page == confirmed else page
