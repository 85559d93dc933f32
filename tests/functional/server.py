"""The real server as a process of its own, and its command line."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.functional.forked import can_run, run_forked
from tests.functional.stores import variables_of
from tests.functional.wire import Answer, request

CLEAN_EXIT_SECONDS = 30


def free_port() -> int:
    """Return a port of the loopback address that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def clean_environment(home: Path) -> dict[str, str]:
    """Return what the server and its command line see: none of the machine's settings, and no upstream."""
    shell = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "NO_COLOR": "1", "COLUMNS": "400"}
    return shell | {"STRONGROOM_DEFAULT_UPSTREAM": "none"}


class Server:
    """One data directory, and the server on it while it runs."""

    def __init__(self, data: Path, *flags: str, settings: Mapping[str, str] | None = None) -> None:
        self.data = data
        self.host = "127.0.0.1"
        self.port = free_port()
        self.flags = flags
        self.words: tuple[str, ...] = ("serve",)
        self.settings = {**variables_of(data), **(settings or {})}
        self.log = data.parent / f"{data.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return the server's own URL, without a slash at its end."""
        return f"http://{self.host}:{self.port}"

    @property
    def authority(self) -> str:
        """Return host and port."""
        return f"{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """Return the id of the running process."""
        assert self._process is not None
        return self._process.pid

    def start(self, *, within_seconds: float = 60) -> float:
        """Start it, wait until /healthz answers, and return how long that took."""
        began = time.monotonic()
        command = [sys.executable, "-m", "strongroom", *self.words, "--data", str(self.data), "--port", str(self.port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *self.flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.data.parent,
                env=clean_environment(self.data.parent) | self.settings,
            )
        while not self._is_healthy():
            if self._process.poll() is not None or time.monotonic() - began > within_seconds:
                self.kill()
                raise AssertionError(f"the server does not answer:\n{self.log_text()}")
            time.sleep(0.02)
        return time.monotonic() - began

    def stop(self) -> int:
        """Ask it to end with SIGTERM and return its exit code."""
        self.terminate()
        return self.wait()

    def terminate(self) -> None:
        """Send SIGTERM."""
        os.kill(self.pid, signal.SIGTERM)

    def wait(self) -> int:
        """Wait for its end and return its exit code."""
        assert self._process is not None
        try:
            return self._process.wait(CLEAN_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the server does not stop:\n{self.log_text()}") from None
        finally:
            self.kill()

    def kill(self) -> None:
        """End the process if it is still there."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def log_text(self) -> str:
        """Return what the server has printed so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a `strongroom` command on this data directory."""
        settings = {**self.settings, "STRONGROOM_DATA": str(self.data)}
        return run_strongroom(*words, home=self.data.parent, stdin=stdin, settings=settings)

    def admin(self, *words: str) -> str:
        """Run a `strongroom` command that must succeed, and return its standard output."""
        done = self.run(*words)
        assert done.returncode == 0, f"strongroom {' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def get(self, path: str, *, token: str | None = None, accept: str | None = None) -> Answer:
        """Send a GET to the server."""
        headers = {} if accept is None else {"Accept": accept}
        return request("GET", self.url + path, token=token, headers=headers)

    def _is_healthy(self) -> bool:
        try:
            return self.get("/healthz").status == 200
        except OSError:
            return False


def run_strongroom(
    *words: str, home: Path, stdin: str = "", settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a clean environment, in a process of its own."""
    environment = clean_environment(home) | dict(settings or {})
    if can_run(words, environment):
        return run_forked(words, folder=home, environment=environment, stdin=stdin)
    return subprocess.run(
        [sys.executable, "-m", "strongroom", *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=home,
        env=environment,
    )
