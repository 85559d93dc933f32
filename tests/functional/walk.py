"""A document walked through: its command blocks are typed into one shell, its servers stay until the end.

A comment above a block says how it is run; without one it is typed, and must succeed.

    <!-- run: the old machine -->        a server that stays until the document stops it
    <!-- run: nodes -->                  a line a process; they stay until the end
    <!-- run: stops the old machine -->  how a real machine does it; here the process is asked to end
    <!-- run: stops a node -->           likewise, the second of the nodes
    <!-- run: elsewhere -->              not here: what it does is done already
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.functional.test_readme import Block
from tests.functional.wire import request

TYPED, OLD_MACHINE, NODES = "", "the old machine", "nodes"
STOPS_OLD_MACHINE, STOPS_NODE, ELSEWHERE = "stops the old machine", "stops a node", "elsewhere"
_START_SECONDS = 60


@dataclass(slots=True)
class Process:
    """Something that a document started and left running."""

    command: str
    running: subprocess.Popen[bytes]
    log: Path
    state: Path
    """The shell's variables as they were when it was started."""

    def end(self, number: int = signal.SIGTERM) -> None:
        """Send its whole group a signal and wait for its end."""
        if self.running.poll() is None:
            os.killpg(self.running.pid, number)
        self.running.wait(60)


@dataclass(slots=True)
class Walk:
    """A shell in a folder, and what runs beside it."""

    folder: Path
    environment: Mapping[str, str]
    addresses: Mapping[str, str]
    """Where a process answers, by a word of its command."""
    old_machine: list[Process] = field(default_factory=list)
    nodes: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with no variables but those of the environment."""
        self._state.touch()

    def go(self, block: Block) -> None:
        """Run one block as its comment says."""
        ways: dict[str, Callable[[str], object]] = {
            TYPED: self.type,
            OLD_MACHINE: lambda commands: self._start(commands, self.old_machine),
            NODES: lambda commands: self._start(commands, self.nodes),
            STOPS_OLD_MACHINE: lambda _: self.old_machine[0].end(),
            STOPS_NODE: lambda _: self.nodes[1].end(),
            ELSEWHERE: lambda _: None,
        }
        ways[block.how](block.commands)

    def type(self, commands: str) -> str:
        """Run commands in the shell, whose variables stay; return what they printed. They must succeed."""
        done = subprocess.run(
            ["bash", "-c", f". {self._state}\nset -aeuo pipefail\n{commands}\nexport -p > {self._state}"],
            cwd=self.folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}\n{self.logs()}"
        return done.stdout

    def start_again(self, process: Process) -> Process:
        """Start the same command again, in its place; return the new process."""
        place = self.nodes.index(process)
        self.nodes[place] = self._launch(process.command, process.state)
        self._wait_for(self.nodes[place])
        return self.nodes[place]

    def end(self) -> None:
        """End everything that still runs."""
        for process in (*self.nodes, *self.old_machine):
            process.end()

    def logs(self) -> str:
        """Return the ends of the logs of all processes."""
        processes = (*self.old_machine, *self.nodes)
        return "\n".join(f"{process.command}\n{process.log.read_text()[-2000:]}" for process in processes)

    @property
    def _state(self) -> Path:
        return self.folder / "state"

    def _start(self, commands: str, processes: list[Process]) -> None:
        started = [self._launch(command, self._state) for command in commands.splitlines()]
        processes += started
        for process in started:
            self._wait_for(process)

    def _launch(self, command: str, variables: Path) -> Process:
        log = self.folder / f"process-{time.monotonic_ns()}.log"
        state = log.with_suffix(".state")
        shutil.copyfile(variables, state)
        with log.open("wb") as output:
            running = subprocess.Popen(
                ["bash", "-c", f". {state}\nset -a\n{command}"],
                cwd=self.folder,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return Process(command, running, log, state)

    def _wait_for(self, process: Process) -> None:
        """Wait until the process answers where it should; one that has no address needs only to live."""
        found = [address for word, address in self.addresses.items() if word in process.command]
        deadline = time.monotonic() + _START_SECONDS
        while found and not _is_ready(found[0]):
            assert process.running.poll() is None, self.logs()
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.05)
        assert process.running.poll() is None, self.logs()


def _is_ready(address: str) -> bool:
    try:
        return request("GET", f"http://{address}/readyz").status == 200
    except OSError:
        return False
