"""Whole servers killed under traffic: `strongroom serve` with one or two workers, every process of it at once.

At a random moment, or (with strace) on the n-th system call of some kind that a
worker makes. Then the restart, and the same questions over HTTP.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.crash.points import can_inject, traced
from tests.crash.traffic import Client, Notes, Traffic
from tests.crash.tree import kill_tree, name_of, process_tree
from tests.crash.trials import Tally
from tests.crash.work import PROJECTS, wheel_of
from tests.functional.server import Server

RESTART_SECONDS = 5.0
_TRIALS_A_DIRECTORY = 4
_CALLS = ("write", "pwrite64", "fsync", "fdatasync", "link", "unlink", "close", "mkdir")


class Victim:
    """A server on its data directory, and what was promised about that."""

    def __init__(self, data: Path, *, workers: int, tally: Tally) -> None:
        """Make the server; `begin` starts it."""
        self._server = Server(data, "--workers", str(workers), settings={"STRONGROOM_MIN_FREE_BYTES": "0"})
        self._tally = tally
        self._acknowledged: dict[str, str] = {}
        self._token = ""

    def begin(self) -> None:
        """Start it for the first time; make the token."""
        self.start()
        self._server.admin("user", "create", "proof")
        self._token = self._server.admin("token", "create", "--user", "proof")

    def start(self) -> None:
        """Start it and note how long that took."""
        self._tally.restarts_seconds.append(self._server.start())

    def end(self) -> None:
        """Kill it for good."""
        kill_tree(self._server.pid)
        self._server.kill()

    def kill_under_traffic(self, trial: int, chance: random.Random) -> None:
        """Let the clients work, kill the server, start it again and look."""
        traffic = Traffic(self._server.port, self._token, trial=trial)
        try:
            if can_inject() and chance.random() < 0.5:
                self._kill_at_call(chance)
            else:
                traffic.wait_for_successes(chance.randint(0, 40))
                time.sleep(chance.uniform(0.0, 0.1))
        finally:
            self.end()
            notes = traffic.end()
        self._tally.kills += 1
        self._tally.acknowledged += len(notes.acknowledged)
        self._tally.unanswered += len(notes.unanswered)
        self._tally.faults += notes.faults
        self._acknowledged |= notes.acknowledged
        self.start()
        self._check(notes)

    def _kill_at_call(self, chance: random.Random) -> None:
        """Let a worker die on a system call; it may be one that never comes, so not for longer than a second."""
        workers = [pid for pid in process_tree(self._server.pid)[1:] if " serve " in name_of(pid)]
        worker = chance.choice(workers or [self._server.pid])
        call = chance.choice(_CALLS)
        inject = f"inject={call}:signal=KILL:when={chance.randint(1, 300)}"
        timer = threading.Timer(1.5, lambda: kill_tree(self._server.pid))
        with traced(worker, "-e", f"trace={call}", "-e", inject, "-o", "/dev/null"):
            timer.start()
        timer.cancel()
        timer.join()

    def _check(self, notes: Notes) -> None:
        client = Client(self._server.port, self._token)
        possible = {wheel.filename: wheel.sha256 for wheel in map(wheel_of, notes.unanswered)}
        lost = dict(self._acknowledged)
        for file in (file for project in PROJECTS for file in client.list(project)):
            promised = lost.pop(file["filename"], None)
            if promised is None and file["filename"] in possible:
                promised = possible[file["filename"]]
                self._tally.appeared += 1
            if promised != file["sha256"]:
                self._tally.faults.append(f"{file['filename']}: listed with {file['sha256']}, not {promised}")
            fault = client.find_fault(file)
            self._tally.faults += [] if fault is None else [fault]
        self._tally.faults += [f"{filename}: acknowledged, and lost" for filename in lost]
        self._retry(client, notes)
        client.close()
        verified = self._server.run("verify")
        if verified.returncode != 0:
            self._tally.faults.append(f"strongroom verify: {verified.stdout} {verified.stderr}")

    def _retry(self, client: Client, notes: Notes) -> None:
        for version in notes.unanswered:
            wheel = wheel_of(version)
            status, answer = client.upload(wheel)
            self._acknowledged[wheel.filename] = wheel.sha256
            if status != 200:
                self._tally.faults.append(f"{wheel.filename}: the retry is answered {status} {answer}")


def kill_servers(scratch: Path, kills: int, *, seed: int, tell: Callable[[Tally], None] | None = None) -> Tally:
    """Kill a server so many times, with one worker and with two in turn."""
    chance, tally, trial = random.Random(seed), Tally(), 0
    while tally.kills < kills:
        victim = Victim(scratch / f"server-{trial}", workers=1 + trial // _TRIALS_A_DIRECTORY % 2, tally=tally)
        try:
            victim.begin()
            for _ in range(min(_TRIALS_A_DIRECTORY, kills - tally.kills)):
                trial += 1
                victim.kill_under_traffic(trial, chance)
                if tell is not None:
                    tell(tally)
        finally:
            victim.end()
    return tally
