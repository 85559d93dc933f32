"""Reads that wait at the same time share a thread and a snapshot.

Handing work to a thread and back costs more than most reads take, and each thread more
that wants the interpreter slows all others down. So one thread reads for all who wait;
another one helps when that takes a moment. Nobody reads in a snapshot that is older than
his wish. Does not know what is read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, suppress
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import Connection

from strongroom.core.errors import Unavailable

T = TypeVar("T")

TOGETHER = 8
"""Reads in one snapshot: it keeps the database from letting go of older rows."""
MOMENT_SECONDS = 0.005
"""How long reads wait for a busy thread before another one helps."""


class Reads:
    """Runs reads in the threads; `begin` opens a transaction on a snapshot."""

    def __init__(
        self, threads: Executor, begin: Callable[[], AbstractContextManager[Connection]], *, at_once: int
    ) -> None:
        """Use so many of the threads at most."""
        self._threads = threads
        self._begin = begin
        self._at_once = at_once
        self._lock = Lock()
        self._waiting: deque[_Read] = deque()
        self._asked = 0
        self._running = 0
        self._helped: asyncio.AbstractEventLoop | None = None

    async def read(self, fn: Callable[[Connection], T]) -> T:
        """Return what the function returns; raises what it raises, `Unavailable` after the threads were shut down."""
        with self._lock:
            self._asked += 1
            read = _Read(fn, self._asked)
            self._waiting.append(read)
            is_idle = self._running == 0
        if is_idle:
            self._start()
        elif self._helped is not read.loop:
            self._help_soon(read.loop)
        result: T = await read.done
        return result

    def _help_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        self._helped = loop
        loop.call_later(MOMENT_SECONDS, self._help, loop)

    def _help(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have one thread more read while some wait; look again later, for that one may meet a slow read, too."""
        self._helped = None
        if self._waiting and self._running < self._at_once:
            with suppress(Unavailable):  # the threads are shut down: those that run take what waits
                self._start()
            self._help_soon(loop)

    def _start(self) -> None:
        with self._lock:
            self._running += 1
        try:
            submit(self._threads, self._work)
        except Unavailable:
            with self._lock:
                self._running -= 1
            raise

    def _work(self) -> None:
        while (first := self._take_first()) is not None:
            self._run(first, asked=self._asked)

    def _run(self, read: _Read, *, asked: int) -> None:
        """Read for those, too, who had asked before this transaction; after one that failed it may be broken."""
        left = TOGETHER
        try:
            with self._begin() as connection:
                while True:
                    read.run(connection)
                    read.tell()
                    left -= 1
                    following = self._take_following(asked) if left else None
                    if following is None:
                        return
                    read = following
        except Exception as fault:
            read.fail(fault)

    def _take_first(self) -> _Read | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._running -= 1
            return None

    def _take_following(self, asked: int) -> _Read | None:
        """Return the next one, unless he asked later: he may know of what this snapshot does not show."""
        with self._lock:
            return self._waiting.popleft() if self._waiting and self._waiting[0].number <= asked else None


class _Read:
    """A read that waits, and then what came of it. Any: each has a result of its own type."""

    def __init__(self, fn: Callable[[Connection], Any], number: int) -> None:
        self.number = number
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[Any] = self.loop.create_future()
        self._fn = fn
        self._result: Any = None
        self._fault: Exception | None = None
        self._is_told = False

    def run(self, connection: Connection) -> None:
        """Read, unless nobody waits any more; raises what the function raises."""
        if not self.done.cancelled():
            self._result = self._fn(connection)

    def fail(self, fault: Exception) -> None:
        """Tell of the fault; nothing happens where the result was told already."""
        if not self._is_told:
            self._fault = fault
            self.tell()

    def tell(self) -> None:
        """Give the result to whoever waits for it, in his event loop."""
        self._is_told = True
        with suppress(RuntimeError):  # it is closed: nobody waits there any more
            self.loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if self.done.done():
            return
        if self._fault is None:
            self.done.set_result(self._result)
        else:
            self.done.set_exception(self._fault)


def submit(threads: Executor, call: Callable[[], T]) -> Future[T]:
    """Have the call run in a thread; raises `Unavailable` after they were shut down."""
    try:
        return threads.submit(call)
    except RuntimeError as error:
        raise Unavailable("catalog-closed", "The server is stopping", "Try again later.") from error
