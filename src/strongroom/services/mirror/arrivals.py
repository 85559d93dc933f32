"""A file that is on its way here: one fetch writes it, any number of clients follow.

Decides what a client may have already: all that has arrived but the last 64 KiB, and
those only when the whole has the promised digest and length. So nobody ever holds a
whole wrong file. The newest bytes are shared in memory, older ones are read from the
temporary file. Does not fetch and does not verify: that is `fetches.py`.
"""

from __future__ import annotations

import asyncio
import os
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable
from io import FileIO
from pathlib import Path

from strongroom.core.errors import StorageFault, StrongroomError, UpstreamFault
from strongroom.core.mirrored import Copy, UpstreamFile
from strongroom.ports import Arriving, Blobs, Incoming

HELD_BACK_BYTES = 64 * 1024
"""How much of the end waits for the digest; at least the last byte has to."""
PIECE_BYTES = 256 * 1024
"""The most that a client is given at once: as much as comes at once, which need not be cut then."""
CROWD = 8
CROWD_PIECE_BYTES = 16 * 1024
"""The same for each of a crowd: the server holds what slow clients have not taken yet."""
_RECENT_BYTES = 512 * 1024


class RecentBytes:
    """The newest bytes of a growing file, in the pieces in which they came."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._pieces: list[bytes] = []
        self.stop = 0
        """How many bytes have come in all."""

    @property
    def is_whole(self) -> bool:
        """Nothing was let go."""
        return self._starts[:1] == [0]

    def append(self, piece: bytes) -> None:
        """Add the next bytes."""
        self._starts.append(self.stop)
        self._pieces.append(piece)
        self.stop += len(piece)

    def forget_before(self, offset: int) -> None:
        """Let go of the pieces that end before the offset."""
        unneeded = max(bisect_right(self._starts, offset) - 1, 0)
        del self._starts[:unneeded], self._pieces[:unneeded]

    def forget(self) -> None:
        """Let go of all pieces."""
        self._starts.clear()
        self._pieces.clear()

    def find(self, start: int, *, stop: int) -> bytes | None:
        """Return bytes from `start` on, up to `stop` at most; None where they were let go."""
        number = bisect_right(self._starts, start) - 1
        if number < 0:
            return None
        piece, offset = self._pieces[number], start - self._starts[number]
        if offset == 0 and len(piece) <= stop - start:
            return piece  # as it came: two hundred followers share one object
        return piece[offset : offset + stop - start]


class Arrival:
    """`ports.Arriving`, and the hands of the fetch that fills it. It lives in one event loop."""

    def __init__(self, file: UpstreamFile, blobs: Blobs) -> None:
        self.file = file
        self.size_bytes: int | None = file.size_bytes
        self.has_delivered = False
        """Somebody was given bytes, so it cannot begin anew."""
        self.is_awaited = False
        """Somebody waits until it is stored."""
        self.on_awaited: Callable[[], None] | None = None
        """Is called when somebody begins to."""
        self._blobs = blobs
        self._path: Path | None = None
        self._recent = RecentBytes()
        self._source: FileIO | None = None
        self._readers = 0
        self._is_open = False
        self._is_verified = False
        self._is_over = False
        self._copy: Copy | None = None
        self._fault: StrongroomError | None = None
        self._news = asyncio.Event()

    @property
    def has_begun(self) -> bool:
        """The upstream has answered with the file."""
        return self._is_open

    async def opened(self) -> Copy | Arriving:
        """Wait for the upstream's answer, or for the copy that was here after all; raises what the fetch raised."""
        while not (self._is_open or self._is_over):
            await self._news.wait()
        return self if self._is_open else self._outcome()

    async def verified(self) -> None:
        """Wait until all bytes are here, with the promised digest; raises `UpstreamFault`, `StorageFault`."""
        while not (self._is_verified or self._is_over):
            await self._news.wait()
        if not self._is_verified:
            self._outcome()

    async def stored(self) -> Copy:
        """Wait until the file is verified and stored; raises `UpstreamFault`, `StorageFull`, `StorageFault`."""
        self.is_awaited = True
        if self.on_awaited is not None:
            self.on_awaited()
        while not self._is_over:
            await self._news.wait()
        return self._outcome()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from the beginning as they arrive; raises `UpstreamFault` before the last ones."""
        position = 0
        self._readers += 1
        try:
            while (stop := await self._wait_beyond(position)) > position:
                most_bytes = PIECE_BYTES if self._readers <= CROWD else CROWD_PIECE_BYTES
                piece = await self._read(position, stop=min(stop, position + most_bytes))
                position += len(piece)
                yield piece
        finally:
            self._readers -= 1
            self._rest()

    @property
    def received_bytes(self) -> int:
        """How much has come."""
        return self._recent.stop

    def begin(self, size_bytes: int | None, incoming: Incoming) -> None:
        """Take note of the announced length, and of the file that the bytes are written to."""
        if self._is_open and size_bytes != self.size_bytes:
            raise UpstreamFault(
                "upstream-size",
                f"The upstream announced another length of {self.file.filename} than a moment ago",
                "Try again; nothing of it was stored.",
            )
        self.size_bytes = size_bytes
        self._path = incoming.path
        self._is_open = True
        self._tell()

    def start_over(self) -> None:
        """Forget all that has come, before anybody has any of it; `begin` follows."""
        self._recent = RecentBytes()
        self._close_source()

    def add(self, piece: bytes) -> None:
        """Let the readers have the next bytes; those that are not in the file yet are kept in memory."""
        self._recent.append(piece)
        self._tell()

    def forget_written(self) -> None:
        """Let go of older bytes: all that has come can be read from the file."""
        self._recent.forget_before(self._recent.stop - _RECENT_BYTES)

    def verify(self) -> None:
        """Let the readers have all of it: these are the promised bytes."""
        if self._readers and not self._recent.is_whole:
            self._open_source()  # they go on even if the file cannot be stored, and its name is gone then
        self._is_verified = True
        self._rest()
        self._tell()

    def finish(self, copy: Copy) -> None:
        """End the arrival: the file is stored."""
        self._copy = copy
        self._end()

    def fail(self, fault: StrongroomError) -> None:
        """End the arrival unless it is finished: readers of verified bytes go on, all others get the fault."""
        if not self._is_over:
            self._fault = fault
            self._end()

    async def _wait_beyond(self, position: int) -> int:
        """Return up to where bytes may be given out, as soon as that lies beyond the position or is all."""
        while True:
            if self._is_verified:
                return self._recent.stop
            if self._fault is not None:
                self._outcome()
            free = min(self._recent.stop, (self.size_bytes or self._recent.stop) - HELD_BACK_BYTES)
            if free > position:
                self.has_delivered = True
                return free
            await self._news.wait()

    async def _read(self, start: int, *, stop: int) -> bytes:
        recent = self._recent.find(start, stop=stop)
        if recent is not None:
            return recent
        if self._is_over and self._source is None:
            return await self._read_stored(start, stop=stop)
        try:
            # Not in a thread: it was written a moment ago, so it is in memory, and the hop costs five times as much.
            piece = os.pread(self._open_source().fileno(), stop - start, start)
        except FileNotFoundError:  # it is just being stored
            await self.stored()
            return await self._read_stored(start, stop=stop)
        except OSError as error:
            raise _unreadable(error.strerror or str(error)) from error
        if not piece:
            raise _unreadable("it ended early")
        return piece

    async def _read_stored(self, start: int, *, stop: int) -> bytes:
        """Read for those who began when the arrival was over."""
        copy = self._outcome()
        return b"".join([piece async for piece in self._blobs.stream(copy.sha256, start, stop=stop)])

    def _outcome(self) -> Copy:
        if self._copy is not None:
            return self._copy
        fault = self._fault or StorageFault("arrival-open", "A file's arrival was ended without a reason")
        raise type(fault)(fault.code, fault.message, fault.hint)  # its own for each: a raised one collects tracebacks

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _end(self) -> None:
        self._is_over = True
        self._rest()
        self._tell()

    def _open_source(self) -> FileIO:
        if self._source is None:
            assert self._path is not None
            self._source = FileIO(self._path)
        return self._source

    def _rest(self) -> None:
        """Hold nothing while nobody reads: what is verified can be read from the file."""
        if self._readers == 0 and (self._is_over or self._is_verified):
            self._recent.forget()
            self._close_source()

    def _close_source(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None


def _unreadable(cause: str) -> StorageFault:
    return StorageFault("arrival-fault", f"Reading a file on its way here failed: {cause}", "Try again.")
