"""The real server as a process, and the CPU time that it used."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.wire import Address, ask

START_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    address: Address
    process_id: int

    def cpu_seconds(self) -> float:
        """Return the CPU time of the process and its children so far (Linux)."""
        ticks = 0
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = entry.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended meanwhile
            if self.process_id in (int(entry.parent.name), int(fields[1])):
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(directory: Path, *, workers: int) -> Iterator[Server]:
    """Run the server on the data directory until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "strongroom", "serve", "--data", str(directory), "--port", str(port)]
    command += ["--workers", str(workers)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own server
    try:
        _wait(("127.0.0.1", port))
        yield Server(("127.0.0.1", port), process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_SECONDS)


def _wait(address: Address) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            ask(address, b"GET /healthz HTTP/1.1\r\nHost: bench.example\r\n\r\n")
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
