"""The command line without the second that its imports take: `strongroom` in a process forked from one that has them.

A process of its own for each command, with its own words, folder, environment and files, that runs the program's
`__main__` from its first line to its exit code; only the modules that every command needs are there already. Does
not run what starts processes of its own, nor under variables that Python reads at its start: `can_run` says so.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import BinaryIO

_ROOT = Path(__file__).parents[2]
_READY = ("strongroom.cli.main", "strongroom.cli.store", "strongroom.bootstrap", "sqlalchemy.dialects.sqlite")
_SERVERS = {"serve", "worker", "replicate"}
_MOST_BYTES = 128 * 1024


def can_run(words: tuple[str, ...], environment: Mapping[str, str]) -> bool:
    """Return whether a fork does the same as a new interpreter."""
    return not _SERVERS & set(words) and not any(name.startswith("PYTHON") for name in environment)


def run_forked(
    words: tuple[str, ...], *, folder: Path, environment: Mapping[str, str], stdin: str = "", seconds: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; raises `TimeoutExpired` when it takes longer than that."""
    told, tell = os.pipe()
    with (
        open(told, "rb", buffering=0) as reply,
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
    ):
        given.write(stdin.encode())
        given.seek(0)
        request = json.dumps({"words": words, "folder": str(folder), "environment": dict(environment)}).encode()
        files = [given.fileno(), output.fileno(), errors.fileno(), tell]
        try:
            socket.send_fds(_parent(), [request], files)
        finally:
            os.close(tell)
        code = _wait(reply, words, seconds=seconds)
        return subprocess.CompletedProcess(words, code, _text(output), _text(errors))


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n")


def _wait(reply: BinaryIO, words: tuple[str, ...], *, seconds: float) -> int:
    """Hear the command's process id and then its exit code."""
    ends_at, said = time.monotonic() + seconds, b""
    while said.count(b"\n") < 2:
        if not select.select([reply], [], [], max(0.0, ends_at - time.monotonic()))[0]:
            if b"\n" in said:
                os.kill(int(said.partition(b"\n")[0]), signal.SIGKILL)
            raise subprocess.TimeoutExpired(words, seconds)
        heard = reply.read(64)
        assert heard, f"nobody runs strongroom {' '.join(words)}"
        said += heard
    return int(said.split(b"\n")[1])


@cache
def _parent() -> socket.socket:
    """Start the process that forks, once; it ends when this one does."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    shell = {"PATH": os.environ["PATH"], "HOME": tempfile.gettempdir(), "LANG": "C.UTF-8"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.functional.forked", str(there.fileno())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # no terminal, as for a command
        cwd=_ROOT,
        env=shell,
        pass_fds=[there.fileno()],
    )
    there.close()

    def end() -> None:
        here.close()
        process.wait()

    atexit.register(end)
    return here


def _fork_for_all(requests: socket.socket) -> None:
    """Fork a process for each request; returns in those, with their request done, and at the end."""
    for name in _READY:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that tell the exit codes
    while True:
        request, files, _, _ = socket.recv_fds(requests, _MOST_BYTES, 4)
        if not request:
            return
        if os.fork() == 0:
            requests.close()
            break
        for file in files:
            os.close(file)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *streams, tell = files
    child = os.fork()
    if child:
        _tell_how_it_ends(child, tell)
    os.close(tell)
    _run(json.loads(request), streams)


def _tell_how_it_ends(child: int, tell: int) -> None:
    os.write(tell, b"%d\n" % child)
    _, status = os.waitpid(child, 0)
    os.write(tell, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _run(request: dict[str, object], streams: list[int]) -> None:
    """Be `python -m strongroom` with these words; raises what that raises, at its end `SystemExit`."""
    words, folder, environment = request["words"], request["folder"], request["environment"]
    assert isinstance(words, list)
    assert isinstance(environment, dict)
    for number, file in enumerate(streams):
        os.dup2(file, number)
        os.close(file)
    os.chdir(f"{folder}")
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = f"{folder}"
    sys.argv = ["strongroom", *words]
    runpy.run_module("strongroom", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _fork_for_all(socket.socket(fileno=int(sys.argv[1])))
