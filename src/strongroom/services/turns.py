"""Jobs that one process does for all: each takes its turn in the catalog first.

Decides who does a job now, by a row that expires unless it is renewed, and that a
failed job may be tried again at once. Does not know the jobs, nor when they are thought
of (`worker.py`). Each job stays harmless to repeat: a process that sleeps through the
end of its turn may wake up beside another one.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from strongroom.core.errors import StrongroomError
from strongroom.core.turns import TURN_LIFETIME, Turn, take_turn
from strongroom.ports import Catalog, Clock, Transaction

_RENEWALS_A_LIFETIME = 5
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of one process."""

    catalog: Catalog
    clock: Clock
    holder: str = field(default_factory=lambda: secrets.token_hex(8))
    renewal_seconds: float = TURN_LIFETIME.total_seconds() / _RENEWALS_A_LIFETIME
    lifetime: timedelta = TURN_LIFETIME

    def short(self, lifetime: timedelta) -> Turns:
        """Return the same process's turns, for jobs that another process should soon go on with when this one dies."""
        renewal_seconds = lifetime.total_seconds() / _RENEWALS_A_LIFETIME
        return replace(self, lifetime=lifetime, renewal_seconds=renewal_seconds)

    async def run(self, job: str, work: Callable[[], Awaitable[object]], *, every: timedelta) -> bool:
        """Do the work if it is due and nobody else does it; return whether it was done.

        Raises what the work raises, and then the job stays due; `Unavailable`.
        """
        if not await self._take(job, every=every):
            return False
        renewing = asyncio.create_task(self._keep_renewing(job))
        is_done = False
        try:
            await work()
            is_done = True
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            await self._give_back(job, is_done=is_done)
        return True

    async def list(self) -> tuple[Turn, ...]:
        """Return all turns, by job."""
        return await self.catalog.read(lambda tx: tx.turns.list())

    async def _take(self, job: str, *, every: timedelta) -> bool:
        """Take the turn; first look whether it can be, for most of the time it cannot, and a look disturbs nobody."""

        def look(tx: Transaction) -> Turn | None:
            return take_turn(tx.turns.find(job), self._turn(job), every=every, now=self.clock.now())

        def take(tx: Transaction) -> bool:
            turn = look(tx)
            if turn is not None:
                tx.turns.save(turn)
            return turn is not None

        return await self.catalog.read(look) is not None and await self.catalog.write(take)

    async def _keep_renewing(self, job: str) -> None:
        while True:
            await asyncio.sleep(self.renewal_seconds)
            try:
                await self.catalog.write(lambda tx: self._save_own(tx, self._turn(job)))
            except StrongroomError as fault:
                _log.warning("a turn could not be renewed", extra={"fields": {"job": job, "code": fault.code}})

    async def _give_back(self, job: str, *, is_done: bool) -> None:
        """End the turn. Where that fails it expires, and the job is done once more: that is harmless."""
        now = self.clock.now()
        ended = Turn(job, self.holder, expires_at=now, done_at=now if is_done else None)
        try:
            await self.catalog.write(lambda tx: self._save_own(tx, ended))
        except StrongroomError as fault:
            _log.warning("a turn is left to expire", extra={"fields": {"job": job, "code": fault.code}})

    def _turn(self, job: str) -> Turn:
        return Turn(job, self.holder, self.clock.now() + self.lifetime)

    def _save_own(self, tx: Transaction, turn: Turn) -> None:
        """Save it, unless another process has taken the turn meanwhile; when it was last done is not forgotten."""
        found = tx.turns.find(turn.job)
        if found is not None and found.holder == self.holder:
            tx.turns.save(Turn(turn.job, turn.holder, turn.expires_at, turn.done_at or found.done_at))
