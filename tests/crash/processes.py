"""Processes that start in a few milliseconds: forked from a server that has imported everything and has no threads."""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess

from tests.crash import checker, writer
from tests.crash.checker import Findings, Question
from tests.crash.work import Work

_LONGEST_SECONDS = 60.0


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.crash.warm"])
    return context


class Writer:
    """A writing process, and what it has said so far."""

    def __init__(self, work: Work, *, waits: bool = False) -> None:
        """Start it; one that `waits` publishes nothing until `go`."""
        context = _context()
        self._heard: list[str] = []
        self._answers, theirs = context.Pipe(duplex=False)
        orders, self._orders = context.Pipe(duplex=False)
        self.process: ForkServerProcess = context.Process(
            target=writer.run, args=(work, theirs), kwargs={"orders": orders if waits else None}, daemon=True
        )
        self.process.start()
        theirs.close()
        orders.close()

    @property
    def pid(self) -> int:
        """Return the process's id."""
        assert self.process.pid is not None
        return self.process.pid

    def wait_until_ready(self) -> None:
        """Return when the store is open; raises `RuntimeError` when that fails."""
        if self._receive() != "ready":
            raise RuntimeError("the writer did not open the store")

    def go(self) -> None:
        """Let a waiting writer begin."""
        self._orders.send_bytes(b"go")

    def wait_for_successes(self, count: int) -> None:
        """Return when it has said that so many uploads have succeeded."""
        while count > 0:
            line = self._receive()
            if line is None:
                raise RuntimeError("the writer died by itself")
            self._heard.append(line)
            count -= line.startswith("ack ")

    def kill(self) -> None:
        """Kill the process and those that it started; nothing of them runs any more afterwards."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def last_words(self) -> list[list[str]]:
        """Return all that it said after `ready`, in words a line, once it has ended."""
        while (line := self._receive()) is not None:
            self._heard.append(line)
        self.process.join(_LONGEST_SECONDS)
        self._answers.close()
        self._orders.close()
        self.process.close()
        return [line.split(" ", 3) for line in self._heard if line != "ready"]

    def _receive(self) -> str | None:
        if not self._answers.poll(_LONGEST_SECONDS):
            raise RuntimeError("the writer hangs")
        try:
            return self._answers.recv_bytes().decode()
        except (EOFError, OSError):  # the last line may be cut by the kill: it was not received then
            return None


def ask(question: Question) -> Findings:
    """Check in a fresh process."""
    context = _context()
    answers, theirs = context.Pipe(duplex=False)
    process = context.Process(target=checker.run, args=(question, theirs), daemon=True)
    process.start()
    theirs.close()
    findings = _answer(answers)
    process.join(_LONGEST_SECONDS)
    process.close()
    return findings


def _answer(answers: Connection) -> Findings:
    try:
        if answers.poll(_LONGEST_SECONDS):
            found: Findings = answers.recv()
            return found
        return Findings(faults=["the restart hangs"])
    except EOFError:
        return Findings(faults=["the restart failed"])
    finally:
        answers.close()
