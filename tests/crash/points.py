"""A kill at each system call of the write path, by strace's fault injection.

A first run only counts: which of the calls does one upload make, how often in each
thread? Then one upload for each of them, whose process dies on entering that call.
strace counts in each thread for itself, so a call of a busier thread can stand in for
the same call of another one; random kills cover what is between.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.crash.processes import Writer
from tests.crash.trials import Ledger, Tally
from tests.crash.work import Work

CALLS = (
    "write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2",
    "link", "linkat", "unlink", "unlinkat", "close", "mkdir", "ftruncate",
)  # fmt: skip
_TRIALS_A_DIRECTORY = 12
_ATTACHED = re.compile(r"Process \d+ attached")
_CALL = re.compile(r"(\d+) +(?:\d+\.\d+ )?(\w+)\(")


@dataclass(frozen=True, slots=True)
class Point:
    """The n-th call of that name in one thread."""

    call: str
    n: int


@cache
def can_inject() -> bool:
    """Return whether strace is there and may trace; without it only random kills are possible."""
    if shutil.which("strace") is None:
        return False
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    return tried.returncode == 0


@contextmanager
def traced(pid: int, *options: str) -> Iterator[None]:
    """Attach strace to a process and all its threads; on leaving, wait until it has nothing left to trace."""
    strace = subprocess.Popen(
        ["strace", "-f", "-p", str(pid), *options], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert strace.stderr is not None
    try:
        line = strace.stderr.readline()
        if not _ATTACHED.search(line):
            raise RuntimeError(f"strace did not attach: {line.strip()}")
        yield
        strace.stderr.read()
        strace.wait()
    finally:
        if strace.poll() is None:
            strace.kill()
            strace.wait()
        strace.stderr.close()


def record_upload(work: Work, log: Path, *options: str, calls: Sequence[str] = CALLS) -> list[list[str]]:
    """Let a writer publish under strace, undisturbed; return what it said."""
    writer = Writer(work, waits=True)
    writer.wait_until_ready()
    with traced(writer.pid, "-e", f"trace={','.join(calls)}", "-o", str(log), *options):
        writer.go()
    return writer.last_words()


def count_calls(scratch: Path) -> list[Point]:
    """Return the points of one upload to a store that is there: a new one checkpoints its whole schema at the end."""
    log = scratch / "count.strace"
    for trial in (1, 2):
        record_upload(Work(scratch / "count", trial, 1, tasks=1, limit=1), log)
    in_threads: Counter[tuple[str, str]] = Counter(
        (match[1], match[2]) for line in log.read_text().splitlines() if (match := _CALL.match(line))
    )
    most: dict[str, int] = {}
    for (_, call), times in in_threads.items():
        most[call] = max(most.get(call, 0), times)
    return [Point(call, n) for call in CALLS for n in range(1, most.get(call, 0) + 1)]


def kill_at_points(scratch: Path, points: list[Point], *, tell: Callable[[Tally], None] | None = None) -> Tally:
    """Kill one writing process at each of the points."""
    tally = Tally()
    for trial, point in enumerate(points):
        if trial % _TRIALS_A_DIRECTORY == 0:
            ledger = Ledger(scratch / f"points-{trial}", tally)
        writer = Writer(ledger.work(trial + 1, 1, tasks=1, limit=1), waits=True)
        writer.wait_until_ready()
        inject = f"inject={point.call}:signal=KILL:when={point.n}"
        with traced(writer.pid, "-e", f"trace={point.call}", "-e", inject, "-o", "/dev/null"):
            writer.go()
        tally.kills += ledger.settle(writer)
        if tell is not None:
            tell(tally)
    return tally
