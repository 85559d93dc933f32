"""Trial after trial on one data directory: write, kill, look, until the kills are done.

The ledger is the oracle: what was acknowledged before a kill must be there after it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.checker import Question
from tests.crash.processes import Writer, ask
from tests.crash.work import Work

_TRIALS_A_DIRECTORY = 5
_LONGEST_DELAY_SECONDS = 0.06
_MOST_SUCCESSES = 3
_WHILE_OPENING = 0.2
_OPENING_SECONDS = 0.15


@dataclass(slots=True)
class Tally:
    """What a proof counted."""

    kills: int = 0
    acknowledged: int = 0
    unanswered: int = 0
    appeared: int = 0
    """Committed and listed although the answer never came: the retry found them there."""
    faults: list[str] = field(default_factory=list)
    restarts_seconds: list[float] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Count another proof's trials as well."""
        self.kills += other.kills
        self.acknowledged += other.acknowledged
        self.unanswered += other.unanswered
        self.appeared += other.appeared
        self.faults += other.faults
        self.restarts_seconds += other.restarts_seconds

    @property
    def slowest_restart_seconds(self) -> float:
        """Return how long the slowest restart took, its checks included where there is no server."""
        return max(self.restarts_seconds, default=0.0)

    @property
    def median_restart_seconds(self) -> float:
        """Return what a restart takes as a rule: a test's machine may have other things to do now and then."""
        return sorted(self.restarts_seconds)[len(self.restarts_seconds) // 2]

    def sentence(self) -> str:
        """Say it in one line."""
        return (
            f"{self.kills} kills, {self.acknowledged} files acknowledged, {self.unanswered} uploads cut off "
            f"({self.appeared} of them committed), slowest restart {self.slowest_restart_seconds:.2f} s, "
            f"{len(self.faults)} faults"
        )


class Ledger:
    """One data directory and what was promised about it."""

    def __init__(self, data: Path, tally: Tally, *, is_hasty: bool = False) -> None:
        """Promise nothing yet."""
        self.data = data
        self._tally = tally
        self._is_hasty = is_hasty
        self._acknowledged: dict[str, str] = {}

    def work(self, trial: int, writer: int, *, tasks: int = 2, limit: int | None = None) -> Work:
        """Return a writer's job on this directory."""
        return Work(self.data, trial, writer, tasks=tasks, limit=limit, is_hasty=self._is_hasty)

    def settle(self, *writers: Writer) -> bool:
        """Hear the dead writers out, check what they left, and return whether all of them were cut off."""
        unanswered: list[str] = []
        cut_off = True
        for words in (writer.last_words() for writer in writers):
            answered = {line[3] for line in words if line[0] == "ack"}
            unanswered += [line[1] for line in words if line[0] == "try" and line[1] not in answered]
            self._acknowledged |= {line[1]: line[2] for line in words if line[0] == "ack"}
            self._tally.faults += [" ".join(line) for line in words if line[0] == "bad"]
            self._tally.acknowledged += len(answered)
            cut_off = cut_off and ["done"] not in words
        self._check(unanswered)
        return cut_off

    def _check(self, unanswered: list[str]) -> None:
        began = time.monotonic()
        before = len(self._acknowledged)
        findings = ask(Question(self.data, self._acknowledged, tuple(unanswered)))
        self._tally.restarts_seconds.append(time.monotonic() - began)
        self._tally.unanswered += len(unanswered)
        self._tally.appeared += findings.listed - before if not findings.faults else 0
        self._tally.faults += findings.faults
        self._acknowledged |= findings.retried


def kill_at_random(
    scratch: Path, kills: int, *, seed: int, is_hasty: bool = False, tell: Callable[[Tally], None] | None = None
) -> Tally:
    """Kill two writing processes at once, like a server with two workers, so many times."""
    chance, tally, trial = random.Random(seed), Tally(), 0
    while tally.kills < kills and not (is_hasty and tally.faults):
        if trial % _TRIALS_A_DIRECTORY == 0:
            ledger = Ledger(scratch / f"random-{trial}", tally, is_hasty=is_hasty)
        trial += 1
        writers = [Writer(ledger.work(trial, number)) for number in (1, 2)]
        if chance.random() < _WHILE_OPENING:
            time.sleep(chance.uniform(0.0, _OPENING_SECONDS))
        else:
            writers[0].wait_until_ready()
            writers[0].wait_for_successes(chance.randint(0, _MOST_SUCCESSES))
            time.sleep(chance.uniform(0.0, _LONGEST_DELAY_SECONDS))
        chance.shuffle(writers)
        writers[0].kill()
        if chance.random() < 0.5:  # one worker dies, the other goes on for a while
            time.sleep(chance.uniform(0.0, 0.1))
        writers[1].kill()
        tally.kills += 1
        ledger.settle(*writers)
        if tell is not None:
            tell(tally)
    return tally
