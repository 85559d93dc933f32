"""Reads that wait at the same time share a thread and a snapshot.

Handing work to a thread and back costs more than most reads take, and each thread more
that wants the interpreter slows all others down. So one thread reads for all who wait;
another one helps when that takes a moment. Does not know what is read.
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
"""Reads in one snapshot: the first has its result only when the last has."""
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
        self._running = 0
        self._help_after = 0.0

    async def read(self, fn: Callable[[Connection], T]) -> T:
        """Return what the function returns; raises what it raises, `Unavailable` after the threads were shut down."""
        read = _Read(fn)
        with self._lock:
            self._waiting.append(read)
            is_idle = self._running == 0
        if is_idle:
            self._start()
        elif self._running < self._at_once and read.loop.time() >= self._help_after:
            self._help_after = read.loop.time() + MOMENT_SECONDS
            read.loop.call_later(MOMENT_SECONDS, self._help)
        result: T = await read.done
        return result

    def _help(self) -> None:
        if self._waiting and self._running < self._at_once:
            with suppress(Unavailable):  # the threads are shut down: those that run take what waits
                self._start()

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
        while batch := self._take():
            self._run(batch)
            for loop in {read.loop for read in batch}:
                with suppress(RuntimeError):  # it is closed: nobody waits there any more
                    loop.call_soon_threadsafe(_tell, [read for read in batch if read.loop is loop])

    def _take(self) -> list[_Read]:
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
            if not batch:
                self._running -= 1
            return batch

    def _run(self, batch: list[_Read]) -> None:
        """Read for all; after one that failed the others get a new transaction, for the old one may be broken."""
        left = deque(batch)
        while left:
            begun = tuple(left)
            try:
                with self._begin() as connection:
                    while left and left.popleft().run(connection):
                        pass
            except Exception as fault:
                for read in begun:
                    read.fault = fault
                return


class _Read:
    """A read that waits, and then what came of it. Any: each has a result of its own type."""

    def __init__(self, fn: Callable[[Connection], Any]) -> None:
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[Any] = self.loop.create_future()
        self.fault: Exception | None = None
        self._fn = fn
        self._result: Any = None

    def run(self, connection: Connection) -> bool:
        """Read, unless nobody waits any more; return whether the next one may use the same transaction."""
        if self.done.cancelled():
            return True
        try:
            self._result = self._fn(connection)
        except Exception as fault:
            self.fault = fault
        return self.fault is None

    def tell(self) -> None:
        """Give the result to whoever still waits for it, in his event loop."""
        if self.done.cancelled():
            return
        if self.fault is None:
            self.done.set_result(self._result)
        else:
            self.done.set_exception(self.fault)


def submit(threads: Executor, call: Callable[[], T]) -> Future[T]:
    """Have the call run in a thread; raises `Unavailable` after they were shut down."""
    try:
        return threads.submit(call)
    except RuntimeError as error:
        raise Unavailable("catalog-closed", "The server is stopping", "Try again later.") from error


def _tell(batch: list[_Read]) -> None:
    for read in batch:
        read.tell()
