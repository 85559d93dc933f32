"""Fetching files of upstreams: one fetch for each file, however many want it.

Decides when a file is taken: its bytes have the digest and the length that the page
promises. The fetch belongs to nobody: it goes on when its first client leaves. Bytes
that are wrong are not asked for again at once. Does not decide who may have the file.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import replace
from datetime import datetime, timedelta

from strongroom.core.errors import (
    NotFound,
    StorageFault,
    StrongroomError,
    Unavailable,
    UpstreamFault,
    UpstreamTimeout,
)
from strongroom.core.mirrored import Copy, UpstreamFile
from strongroom.core.model import Index
from strongroom.core.names import IndexName
from strongroom.ports import Arriving, Body, Incoming, Missing
from strongroom.services.mirror.arrivals import HELD_BACK_BYTES, Arrival
from strongroom.services.mirror.copies import Keeping, KeptCopies
from strongroom.services.mirror.later import LaterKeeping, Wish
from strongroom.services.mirror.parts import Parts

DEFAULT_LIMIT_BYTES = 4 * 1024**3
"""Larger than any file of the public index."""
AT_ONCE = 64
"""Fetches from one upstream: one that trickles keeps only its own files waiting, and not those of another."""
WRONG_FOR = timedelta(seconds=10)
"""How long wrong bytes are not asked for again."""

_WRITE_BYTES = 512 * 1024
_WRONG_BYTES = frozenset({"upstream-digest", "upstream-size"})
_MOST_WRONG = 10_000
_log = logging.getLogger(__name__)

AfterStoring = Callable[[UpstreamFile, Copy], Awaitable[None]]


class Fetches:
    """The running fetches of this worker process."""

    def __init__(
        self,
        parts: Parts,
        copies: KeptCopies,
        *,
        later: LaterKeeping,
        limit_bytes: int,
        after_storing: AfterStoring,
    ) -> None:
        self._parts = parts
        self._copies = copies
        self._later = later
        self._limit_bytes = limit_bytes
        self._after_storing = after_storing
        self._arrivals: dict[Hashable, Arrival] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns: defaultdict[IndexName, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))
        self._wrong: dict[Hashable, tuple[datetime, UpstreamFault]] = {}
        self._is_closed = False

    async def open_file(self, index: Index, file: UpstreamFile) -> Copy | Arriving:
        """Return the stored copy, or the file on its way here; starts the only fetch of it.

        Raises `UpstreamFault`, `NotFound` when the upstream has it no longer, `StorageFull`.
        """
        key = (file.index, file.filename, file.sha256)
        arrival = self._arrivals.get(key) or self._start(key, index, file=file)
        return await arrival.opened()

    async def close(self) -> None:
        """Store what is here, break off what is on its way, and wait until nothing of that is left behind."""
        self._is_closed = True
        await self._later.close()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, key: Hashable, index: Index, *, file: UpstreamFile) -> Arrival:
        if self._is_closed:
            raise _stopping()
        arrival = Arrival(file, self._parts.blobs)
        self._arrivals[key] = arrival
        task = asyncio.create_task(self._run(key, index, arrival=arrival))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return arrival

    async def _run(self, key: Hashable, index: Index, *, arrival: Arrival) -> None:
        """Fetch, and tell whoever waits how it ended."""
        fault: StrongroomError = _stopping()
        try:
            copy = await self._find_or_fetch(key, index, arrival=arrival)
            arrival.finish(copy)
            await self._after_storing(arrival.file, copy)
        except StrongroomError as known:
            fault = known
            self._note_wrong(key, known)
            _log.warning("a file of an upstream was not taken", extra={"fields": _describe(arrival, known)})
        except Exception:
            fault = StorageFault("fetch-failed", f"Fetching {arrival.file.filename} failed on this server")
            _log.exception("a file of an upstream was not stored", extra={"fields": _describe(arrival, fault)})
        finally:
            del self._arrivals[key]
            arrival.fail(fault)  # nothing changes for one that is finished

    async def _find_or_fetch(self, key: Hashable, index: Index, *, arrival: Arrival) -> Copy:
        """Look here first: a fetch of another process, or one that has just ended, may have stored it."""
        copy = await self._copies.find(arrival.file)
        if copy is not None and copy.stored_at is not None and await self._is_held(copy):
            return copy
        self._demand_not_wrong(key)
        async with self._turns[index.name]:
            incoming = await self._fetch_or_begin_anew(index, arrival)
        try:
            return await self._keep(arrival, incoming)
        finally:
            await incoming.discard()

    async def _fetch_or_begin_anew(self, index: Index, arrival: Arrival) -> Incoming:
        try:
            return await self._fetch(index, arrival)
        except UpstreamTimeout:
            raise
        except UpstreamFault as fault:
            if arrival.has_delivered or not arrival.has_begun or fault.code in _WRONG_BYTES:
                raise
            arrival.start_over()
            _log.info("a file of an upstream is fetched again", extra={"fields": _describe(arrival, fault)})
        return await self._fetch(index, arrival)

    async def _is_held(self, copy: Copy) -> bool:
        """Ask the store itself: whoever comes here may have failed to read what the row promises."""
        return await self._parts.blobs.find_size(copy.sha256) == copy.size_bytes

    async def _fetch(self, index: Index, arrival: Arrival) -> Incoming:
        """Return the promised bytes."""
        incoming = await self._receive(arrival.file)
        try:
            await self._fill(index, arrival, incoming=incoming)
            await self._verify(arrival, incoming)
            arrival.verify()
        except BaseException:
            await incoming.discard()
            raise
        return incoming

    async def _receive(self, file: UpstreamFile) -> Incoming:
        """Open a temporary file; a cancellation meanwhile leaves none behind.

        One of which nobody has a byte before all are written may be made with the first write.
        """
        is_short = file.size_bytes is not None and file.size_bytes <= HELD_BACK_BYTES
        opening = asyncio.ensure_future(self._parts.blobs.receive(is_short=is_short))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            await (await opening).discard()
            raise

    async def _fill(self, index: Index, arrival: Arrival, *, incoming: Incoming) -> None:
        """Write what the upstream sends, for the readers to follow."""
        file = arrival.file
        async with self._parts.client.open_file(self._parts.origin(index), file.url) as body:
            if isinstance(body, Missing):
                raise NotFound(
                    "upstream-file-missing",
                    f"The upstream lists {file.filename} and does not have it",
                    "Choose another version, or try again later.",
                )
            arrival.begin(self._agree_on_size(file, body), incoming)
            most_bytes = self._limit_bytes if arrival.size_bytes is None else arrival.size_bytes
            written_bytes = 0
            async for piece in body.chunks():
                if arrival.received_bytes + len(piece) > most_bytes:
                    raise _wrong_size(file, f"sends more than {most_bytes} bytes")
                await incoming.write(piece)
                arrival.add(piece)
                if arrival.received_bytes - written_bytes >= _WRITE_BYTES:
                    await incoming.sha256()  # "all that was written" is in the file then
                    written_bytes = arrival.received_bytes
                    self._later.wait_longer()
                    arrival.forget_written()

    def _agree_on_size(self, file: UpstreamFile, body: Body) -> int | None:
        """Return the announced length; raises `UpstreamFault` where page and answer differ, and above the limit."""
        sizes = {size for size in (file.size_bytes, body.size_bytes) if size is not None}
        if len(sizes) > 1:
            raise _wrong_size(file, f"announces {body.size_bytes} bytes where its page promises {file.size_bytes}")
        size_bytes = next(iter(sizes), None)
        if size_bytes is not None and size_bytes > self._limit_bytes:
            raise _wrong_size(file, f"announces {size_bytes} bytes, more than the {self._limit_bytes} taken here")
        return size_bytes

    async def _verify(self, arrival: Arrival, incoming: Incoming) -> None:
        file = arrival.file
        if arrival.size_bytes not in (None, arrival.received_bytes):
            raise _wrong_size(file, f"sent {arrival.received_bytes} of {arrival.size_bytes} bytes")
        sha256 = await incoming.sha256()
        if sha256 != file.sha256:
            raise UpstreamFault(
                "upstream-digest",
                f"The upstream sent other bytes for {file.filename} than its page promises: "
                f"sha256 {sha256} instead of {file.sha256}",
                "Nothing of it was stored. Try again later; if it stays so, tell whoever runs the upstream.",
            )

    async def _keep(self, arrival: Arrival, incoming: Incoming) -> Copy:
        now, size_bytes = self._parts.clock.now(), arrival.received_bytes
        keeping = Keeping(
            sha256=arrival.file.sha256,
            store=lambda: self._parts.blobs.keep(incoming),
            change=lambda copy: replace(copy, size_bytes=size_bytes, stored_at=now, last_used_at=now),
        )
        wish = Wish(arrival.file, keeping, is_urgent=arrival.is_awaited)
        arrival.on_awaited = lambda: self._later.hurry(wish)
        return await self._later.keep(wish)

    def _demand_not_wrong(self, key: Hashable) -> None:
        """Raise the fault again that wrong bytes had a moment ago, so that a crowd does not fetch them in turns."""
        until, fault = self._wrong.get(key, (None, None))
        if until is None or fault is None:
            return
        if self._parts.clock.now() < until:
            raise type(fault)(fault.code, fault.message, fault.hint)
        del self._wrong[key]

    def _note_wrong(self, key: Hashable, fault: StrongroomError) -> None:
        if isinstance(fault, UpstreamFault) and fault.code in _WRONG_BYTES:
            if len(self._wrong) >= _MOST_WRONG:
                self._wrong.clear()
            self._wrong[key] = (self._parts.clock.now() + WRONG_FOR, fault)


def _wrong_size(file: UpstreamFile, what: str) -> UpstreamFault:
    return UpstreamFault(
        "upstream-size",
        f"The upstream {what} for {file.filename}",
        "Nothing of it was stored. Try again later; if it stays so, tell whoever runs the upstream.",
    )


def _stopping() -> Unavailable:
    return Unavailable("server-stopping", "The server is stopping", "Try again in a moment.")


def _describe(arrival: Arrival, fault: StrongroomError) -> dict[str, object]:
    return {
        "index": arrival.file.index,
        "filename": arrival.file.filename,
        "received_bytes": arrival.received_bytes,
        "code": fault.code,
        "cause": fault.message,
    }
