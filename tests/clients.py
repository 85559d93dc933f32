"""The real clients that the functional tests run: where each lives and in which environment it runs.

One virtual environment a client, under `.tools/`, made once and made again when its
pin list changes: `python -m tests.clients install`. Only this installing reaches a
registry, through pip's and uv's own configuration; a client that a test runs finds
every door closed but the loopback address.
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / ".tools"
REQUIREMENTS = ROOT / "tests" / "functional" / "requirements"
CLIENTS = ("uv", "pip", "pip-old", "setuptools-old", "twine", "poetry", "pdm", "hatch", "flit")
NOBODY_LISTENS = "http://127.0.0.1:9"
_STAMP = ".strongroom-stamp"


def program(client: str, name: str | None = None) -> str:
    """Return the path of a program in the client's environment; by default the client itself."""
    return str(TOOLS / client / "bin" / (name or client))


def environment(home: Path, *programs: str) -> dict[str, str]:
    """Return a clean environment: an empty home, nobody's configuration, no way out but loopback.

    Clients may keep their bytecode, as installed ones have it: compiling themselves takes longer than their work.
    """
    return {
        "PATH": ":".join([*(str(TOOLS / client / "bin") for client in programs), "/usr/bin", "/bin"]),
        "HOME": str(home),
        "XDG_CONFIG_DIRS": str(home / "no-config"),
        "LANG": "C.UTF-8",
        "COLUMNS": "400",  # so that no sentence is wrapped
        "NO_COLOR": "1",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "PDM_CHECK_UPDATE": "0",
        "FLIT_NO_NETWORK": "1",
        "HTTP_PROXY": NOBODY_LISTENS,
        "HTTPS_PROXY": NOBODY_LISTENS,
        "ALL_PROXY": NOBODY_LISTENS,
        "NO_PROXY": "127.0.0.1,localhost",
    }


def install(*, verbose: bool = False) -> None:
    """Make every client's environment that is missing or out of date; quick when none is."""
    if all(_is_ready(client) for client in CLIENTS):
        return
    TOOLS.mkdir(exist_ok=True)
    with alone():
        for client in CLIENTS:
            if not _is_ready(client):
                _make(client)
                if verbose:
                    sys.stderr.write(f"installed {client}\n")


def _is_ready(client: str) -> bool:
    stamp = TOOLS / client / _STAMP
    return stamp.is_file() and stamp.read_text() == _wanted(client)


def _wanted(client: str) -> str:
    pins = (REQUIREMENTS / f"{client}.txt").read_bytes()
    return hashlib.sha256(pins + sys.version.encode() + str(TOOLS).encode()).hexdigest()


def _make(client: str) -> None:
    home, pins = TOOLS / client, str(REQUIREMENTS / f"{client}.txt")
    python = str(home / "bin" / "python")
    if client == "uv":  # the first; it makes the others
        _run(sys.executable, "-m", "venv", "--clear", str(home))
        _run(python, "-m", "pip", "install", "--quiet", "-r", pins)
    else:
        _run(program("uv"), "venv", "--quiet", "--clear", "--python", sys.executable, str(home))
        by_uv = [program("uv"), "pip", "install", "--quiet", "--python", python, "-r", pins]
        if subprocess.run(by_uv, check=False, cwd=TOOLS).returncode != 0:  # a registry that only pip is configured for
            _run(program("uv", "python"), "-m", "pip", "--python", python, "install", "--quiet", "-r", pins)
    (home / _STAMP).write_text(_wanted(client))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, cwd=TOOLS)


@contextmanager
def alone() -> Iterator[None]:
    """Hold the lock on `.tools/`, so that one process at a time fills it."""
    with (TOOLS / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    if sys.argv[1:] != ["install"]:
        sys.exit("usage: python -m tests.clients install")
    install(verbose=True)
