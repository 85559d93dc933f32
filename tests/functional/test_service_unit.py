"""deploy/strongroom.service asks nothing of the program that it cannot do: a server lives under the unit's own limits.

systemd is not run. What it would tell and forbid is told and forbidden here: the socket that hears
READY=1, no new privileges, no memory that is written and then executed (PR_SET_MDWE does what
MemoryDenyWriteExecute= does); and with strace, every system call that was made is one that the filter lets through.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.files import UNIT
from tests.functional.projects import make_dists
from tests.functional.server import clean_environment, free_port
from tests.functional.wire import basic, request, upload

PASSWORD = "correct horse battery staple"
ONLY_ROOT_ASKS = {"fchown"}
"""SQLite, as root, gives the files that it makes to the database's owner. Tests may be root; the unit is not."""
_NO_NEW_PRIVILEGES, _DENY_WRITE_EXECUTE, _REFUSE_GAIN = 38, 65, 1


@dataclass(frozen=True, slots=True)
class Confined:
    """A server that runs as the unit has it, and the program beside it."""

    folder: Path
    environment: dict[str, str]
    url: str
    trace: Path

    def run(self, *words: str, stdin: str = "") -> str:
        """Run a command of the program under the same limits; it must succeed."""
        done = subprocess.run(
            [*_traced(self.trace.with_name(f"{words[0]}.trace")), sys.executable, "-m", "strongroom", *words],
            input=stdin,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            preexec_fn=_confine,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@contextmanager
def confined(folder: Path) -> Iterator[tuple[Confined, list[bytes]]]:
    """Start a server under the unit's limits, yield it with what the service manager heard, and stop it in time."""
    port, trace = free_port(), folder / "serve.trace"
    told = {"STRONGROOM_DATA": str(folder / "data"), "STRONGROOM_PORT": str(port)}
    environment = clean_environment(folder) | told
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, (folder / "log").open("wb") as log:
        manager.bind(str(folder / "notify"))
        manager.settimeout(60)
        process = subprocess.Popen(
            [*_traced(trace), sys.executable, "-m", "strongroom", "serve"],
            cwd=folder,
            env=environment | {"NOTIFY_SOCKET": str(folder / "notify")},
            stdout=log,
            stderr=log,
            preexec_fn=_confine,
            start_new_session=True,
        )
        try:
            heard = [manager.recv(100)]
            yield Confined(folder, environment, f"http://127.0.0.1:{port}", trace), heard
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(_stop_seconds())
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _traced(trace: Path) -> list[str]:
    found = shutil.which("strace")
    return [] if found is None else [found, "-f", "-qq", "-e", "signal=none", "-o", str(trace)]


def _confine() -> None:
    """Forbid to this process and its children what the unit forbids; an older kernel forbids less."""
    libc = ctypes.CDLL(None)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    libc.prctl(_DENY_WRITE_EXECUTE, _REFUSE_GAIN, 0, 0, 0)


def _stop_seconds() -> int:
    (found,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.M)
    return int(found)


def _allowed_calls() -> set[str]:
    """Return the calls that the unit's lines of SystemCallFilter= let through, as systemd knows its own words."""
    allowed: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(), re.M):
        found = {call for word in line.removeprefix("~").split() for call in _members(word)}
        allowed = allowed - found if line.startswith("~") else allowed | found
    return allowed


def _members(word: str) -> set[str]:
    if not word.startswith("@"):
        return {word}
    done = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True)
    lines = [line.strip() for line in done.stdout.splitlines()[1:]]
    return {call for line in lines if line and not line.startswith("#") for call in _members(line)}


def _made_calls(folder: Path) -> set[str]:
    lines = (line for path in folder.glob("*.trace") for line in path.read_text(errors="replace").splitlines())
    found = (re.match(r"\d+\s+(?:<\.\.\. )?(\w+)[( ]", line) for line in lines)
    return {match[1] for match in found if match}


@pytest.mark.timeout(180)
def test_a_server_lives_within_the_unit(tmp_path: Path) -> None:
    """It says that it is ready when it is, hashes passwords, inspects archives, serves and stops."""
    with confined(tmp_path) as (server, heard):
        assert heard == [b"READY=1"]
        assert request("GET", f"{server.url}/readyz").status == 200
        server.run("user", "create", "alice", "--password-stdin", stdin=f"{PASSWORD}\n")
        token = server.run("token", "create", "--user", "alice")
        for dist in make_dists(tmp_path / "project", "acme-confined"):
            assert upload(f"{server.url}/legacy/", dist.path, token=token, name="acme-confined").status == 200
        signed_in = {"Authorization": basic(PASSWORD, user="alice")}
        assert request("GET", f"{server.url}/simple/acme-confined/", headers=signed_in).status == 200
    if shutil.which("strace") and shutil.which("systemd-analyze"):
        made = _made_calls(tmp_path)
        assert {"execve", "fsync", "prlimit64"} <= made
        assert made - _allowed_calls() <= ONLY_ROOT_ASKS


def test_the_unit_waits_long_enough() -> None:
    """Systemd kills nobody before the requests in flight had their time."""
    from strongroom.config import Settings

    assert _stop_seconds() > Settings().drain_seconds + 10
    assert "Type=notify" in UNIT.read_text()
