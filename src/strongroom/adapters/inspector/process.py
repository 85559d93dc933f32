"""Inspects archives in a few long-lived child processes with hard limits.

Decides how much time and memory a file may take and what becomes of a child that
takes more: it is killed, its file refused, and the next file gets a fresh one. What
an archive may contain is the core's decision (`core/archive`).
"""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from pathlib import Path

import msgspec

from strongroom.adapters.inspector.child_pool import ChildPool
from strongroom.adapters.inspector.child_process import ChildProcess
from strongroom.adapters.inspector.messages import Answer, Job, Unreadable, decode_answer, encode, from_answer
from strongroom.core.archive import Inspected
from strongroom.core.errors import StorageFault, Unavailable
from strongroom.core.names import Filename
from strongroom.core.policy import Refuse

_GIB = 1 << 30
_CHILD_MODULE = "strongroom.adapters.inspector.child"

_TOO_EXPENSIVE = Refuse(
    "archive-too-expensive",
    "Reading the archive takes more time or memory than an upload may use",
    "Split the package, or leave out what is not needed.",
)
_CRASHED = Refuse(
    "archive-inspection-failed",
    "The archive could not be inspected: the inspecting process ended unexpectedly",
    "Build the file again; if that does not help, report it with the file.",
)


@dataclass(frozen=True, slots=True)
class Budget:
    """What inspecting may cost. A file gets the fixed seconds and those for each GiB of its size."""

    children: int = 2
    jobs_per_child: int = 200
    memory_bytes: int = 512 << 20
    cpu_seconds: int = 20
    cpu_seconds_per_gib: int = 20
    wall_seconds: float = 60
    wall_seconds_per_gib: float = 60


_DEFAULT_BUDGET = Budget()


class ProcessInspector:
    """The inspector for servers. Children start with the first file, and end with `close`."""

    def __init__(self, budget: Budget = _DEFAULT_BUDGET) -> None:
        self._budget = budget
        self._pool = ChildPool(
            _CHILD_MODULE, str(budget.memory_bytes), most=budget.children, jobs_per_child=budget.jobs_per_child
        )

    async def inspect(self, path: Path, filename: Filename, *, size_bytes: int) -> Inspected | Refuse:
        """Inspect the file; raises `StorageFault` if it cannot be read, `Unavailable` after `close`."""
        gib = size_bytes / _GIB
        budget = self._budget
        job = Job(str(path), filename, int(budget.cpu_seconds + budget.cpu_seconds_per_gib * gib))
        async with self._pool.borrow() as child:
            try:
                async with asyncio.timeout(budget.wall_seconds + budget.wall_seconds_per_gib * gib):
                    answer = await self._ask(child, job)
            except TimeoutError:
                return _TOO_EXPENSIVE
        if answer is None:
            return await self._explain(child)
        if isinstance(answer, Unreadable):
            raise StorageFault("archive-unreadable", f"The uploaded file could not be read back: {answer.reason}")
        return from_answer(answer)

    async def close(self) -> None:
        """End all children, also those at work."""
        await self._pool.close()

    async def _ask(self, child: ChildProcess, job: Job) -> Answer | None:
        """Return the child's answer, None if it gave none; one that cannot be read is its last."""
        body = await child.ask(encode(job))
        try:
            return None if body is None else decode_answer(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            child.is_ready = False
            return None

    async def _explain(self, child: ChildProcess) -> Refuse:
        if self._pool.is_closed:
            raise Unavailable("server-stopping", "The server is stopping", "Try again in a moment.")
        if child.ended_itself_with == -signal.SIGKILL:  # by the system, which had no memory left
            raise Unavailable("inspector-killed", "The look into the file was cut short", "Try again in a moment.")
        return _TOO_EXPENSIVE if child.ended_itself_with == -signal.SIGXCPU else _CRASHED
