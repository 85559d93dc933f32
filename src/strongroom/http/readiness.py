"""Whether this worker could serve and publish now: a few checks, run together and not too often.

Strangers may ask, so an answer is kept for a moment, each check runs once at a time
and however many wait for it, and what is found is told in words that give nothing
away. A check that hangs counts as failed, and stays so until it comes back. Does not
decide what a load balancer does with that.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from strongroom.core.errors import StorageFull, StrongroomError, Unavailable
from strongroom.ports import Blobs, Catalog

_KEPT_SECONDS = 0.5
_PATIENCE_SECONDS = 1.0
"""With the time that an answer is kept, an outage shows within two seconds."""

_log = logging.getLogger(__name__)

Look = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; the code is empty when all is well."""

    check: str
    code: str = ""

    @property
    def is_good(self) -> bool:
        """Return whether all is well."""
        return not self.code


class Readiness:
    """Looks at what the server needs. One per worker process."""

    def __init__(
        self,
        looks: Mapping[str, Look],
        *,
        kept_seconds: float = _KEPT_SECONDS,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        """Take the checks by their names; each returns, or raises what is wrong."""
        self._looks = looks
        self._kept_seconds = kept_seconds
        self._patience_seconds = patience_seconds
        self._running: dict[str, asyncio.Task[Finding]] = {}
        self._looking: asyncio.Task[tuple[Finding, ...]] | None = None
        self._found: tuple[Finding, ...] = ()
        self._found_at = float("-inf")

    async def look(self) -> tuple[Finding, ...]:
        """Return what each check found, at most a moment ago; never takes much longer than the patience."""
        if time.monotonic() - self._found_at < self._kept_seconds:
            return self._found
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return await asyncio.shield(self._looking)  # others wait for it, too, if this client goes away

    async def close(self) -> None:
        """Give up what is still running."""
        tasks = [task for task in (self._looking, *self._running.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> tuple[Finding, ...]:
        for name, look in self._looks.items():
            if name not in self._running:  # else it has hung since the last time
                self._running[name] = asyncio.create_task(_find(name, look))
        await asyncio.wait(self._running.values(), timeout=self._patience_seconds)
        found = tuple(self._take(name) for name in self._looks)
        _tell_change(self._found, found)
        self._found, self._found_at = found, time.monotonic()
        return found

    def _take(self, name: str) -> Finding:
        task = self._running[name]
        if not task.done():
            return Finding(name, "too-slow")
        del self._running[name]
        return task.result()


def store_looks(catalog: Catalog, blobs: Blobs) -> dict[str, Look]:
    """Return the checks of the two stores: reading, writing, schema, disk space."""

    async def look_at_catalog() -> None:
        health = await catalog.check()
        if not health.is_writable:
            raise Unavailable("read-only", "The catalog takes no writes now")
        if not health.is_migrated:
            raise Unavailable("not-migrated", "The catalog's schema is older than this program's")

    return {"catalog": look_at_catalog, "blobs": blobs.check}


async def _find(name: str, look: Look) -> Finding:
    try:
        await look()
    except StorageFull:
        return Finding(name, "disk-full")
    except StrongroomError as fault:
        return Finding(name, fault.code)
    except Exception:
        _log.exception("a readiness check failed", extra={"fields": {"check": name}})
        return Finding(name, "server-fault")
    return Finding(name)


def _tell_change(before: tuple[Finding, ...], found: tuple[Finding, ...]) -> None:
    """Log what changed, once: nobody wants a line for each time that a load balancer asks."""
    if before == found or (not before and all(finding.is_good for finding in found)):
        return
    faults = {finding.check: finding.code for finding in found if not finding.is_good}
    if faults:
        _log.warning("not ready", extra={"fields": faults})
    else:
        _log.info("ready again")
