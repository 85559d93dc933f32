"""Writing what is kept of upstreams: small changes that come at once share a transaction.

A transaction costs milliseconds, because it is synced to the disk; a change costs
microseconds, and an install makes hundreds of them. So those that come while a
transaction runs go into the next one together: nobody waits for company, and under load
there is some. Does not know what is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from strongroom.core.errors import Unavailable
from strongroom.ports import Catalog, Transaction

T = TypeVar("T")

_AT_ONCE = 200
"""Changes in one transaction: others wait for the catalog's lock meanwhile."""


@dataclass(frozen=True, slots=True)
class _Change:
    """A change, and the future of its result. Any: each has a result of its own type."""

    fn: Callable[[Transaction], Any]
    done: asyncio.Future[Any]

    def succeed(self, result: object) -> None:
        if not self.done.done():
            self.done.set_result(result)

    def fail(self, fault: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(fault)


class Writes:
    """Runs changes in the order in which they were given. One for all parts of the mirror."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._waiting: list[_Change] = []
        self._work: asyncio.Task[None] | None = None

    async def write(self, fn: Callable[[Transaction], T]) -> T:
        """Return what the function returns once it is committed; raises what it raises.

        A change that was given is made, also when its giver is cancelled meanwhile: so
        whoever takes something back gives a second change, and that comes after it.
        """
        change = _Change(fn, asyncio.get_running_loop().create_future())
        self._waiting.append(change)
        if self._work is None or self._work.done():  # one that was cancelled before its first step is done too
            self._work = asyncio.create_task(self._run())
        result: T = await change.done
        return result

    async def close(self) -> None:
        """Wait until all that was given is written."""
        while self._work is not None and not self._work.done():
            await asyncio.wait([self._work])

    async def _run(self) -> None:
        batch: list[_Change] = []
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                await self._commit(batch)
        finally:
            for change in (*batch, *self._waiting):
                change.done.cancel()  # does nothing to those that are done

    async def _commit(self, batch: list[_Change]) -> None:
        """Make the changes in one transaction; where that fails, each in its own, so that only the culprit fails."""
        try:
            results = await self._catalog.write(lambda tx: [change.fn(tx) for change in batch])
        except Exception as fault:
            if len(batch) > 1 and not isinstance(fault, Unavailable):
                for change in batch:
                    await self._commit([change])
                return
            for change in batch:
                change.fail(fault)
        else:
            for change, result in zip(batch, results, strict=True):
                change.succeed(result)
