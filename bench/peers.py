"""Side by side: `python -m bench.peers [--seconds 3] [--files 1000]`: this server, pypiserver and pypiron.

The same wheels are uploaded to each over HTTP (and that is timed), then the same requests
repeated, one server after the other, with `wrk` if it is installed. The peers are
installed below `.tools/`; one that cannot be is left out. Loopback only; the client
shares the machine, so only the ratios mean something.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.form import basic_auth
from tests.crash.wheel import Wheel, make_wheel
from tests.functional.server import free_port

from bench.peer_client import Target, find_links, rate_of, request_of, upload_rate, use_wrk
from bench.wire import Address, ask

TOOLS = Path(__file__).parents[1] / ".tools"
SMALL, BIG = "small-7", "big"
_START_SECONDS = 30
_PASSWORD = "bench-password"  # noqa: S105 - of servers that live for a minute on the loopback address
_JSON = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True, slots=True)
class Peer:
    """Another server: how it is started (with `{port}` and `{data}`) and where it takes uploads."""

    name: str
    requirement: str
    command: tuple[str, ...]
    upload: str
    environment: dict[str, str] = field(default_factory=dict)
    credentials: str = ""


PEERS = (
    Peer(
        "pypiserver",
        "pypiserver==2.4.2",
        ("pypi-server", "run", "-i", "127.0.0.1", "-p", "{port}", "-P", ".", "-a", ".", "{data}"),
        "/",
    ),
    Peer(
        "pypiron",
        "pypiron==0.0.29",
        ("pypiron", "serve", "--bind-addr", "127.0.0.1:{port}", "--data-dir", "{data}"),
        "/legacy/",
        {"PYPIRON_ADMIN_PASS": _PASSWORD},
        "admin",
    ),
)


def main() -> None:
    """Measure everybody, and print a table with the ratios to this server."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description="Compare with other servers.")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each row is measured")
    parser.add_argument("--files", type=int, default=1000, help="files of the large project")
    wanted = parser.parse_args()
    wheels = [make_wheel(BIG, f"1.{number}", payload=bytes(100)) for number in range(wanted.files)]
    wheels.append(make_wheel(SMALL, "1.0", payload=bytes(9_000)))
    rows = {"strongroom": _measure_own(wheels, wanted.seconds)}
    for peer in PEERS:
        if _install(peer):
            rows[peer.name] = _measure_peer(peer, wheels, seconds=wanted.seconds)
    _print(rows)


def _measure_own(wheels: list[Wheel], seconds: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-") as folder:
        data = Path(folder) / "data"
        port = free_port()
        strongroom, alone = (sys.executable, "-m", "strongroom"), {"STRONGROOM_DEFAULT_UPSTREAM": "none"}
        with _running((*strongroom, "serve", "--data", str(data), "--port", str(port)), port, environment=alone):
            settings = {"STRONGROOM_DATA": str(data), **alone}
            _output((*strongroom, "user", "create", "bench"), settings)
            token = _output((*strongroom, "token", "create", "--user", "bench"), settings)
            return _measure(Target(("127.0.0.1", port), "/legacy/", basic_auth(token)), wheels, seconds=seconds)


def _measure_peer(peer: Peer, wheels: list[Wheel], *, seconds: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix=f"{peer.name}-bench-") as folder:
        port = free_port()
        words = [word.format(port=port, data=folder) for word in peer.command]
        command = (str(TOOLS / f"bench-{peer.name}" / "bin" / words[0]), *words[1:])
        credentials = basic_auth(_PASSWORD, user=peer.credentials) if peer.credentials else ""
        with _running(command, port, environment=peer.environment):
            return _measure(Target(("127.0.0.1", port), peer.upload, credentials), wheels, seconds=seconds)


def _measure(target: Target, wheels: list[Wheel], *, seconds: float) -> dict[str, float]:
    found = {"uploads": upload_rate(target, wheels)}
    links = find_links(target, SMALL)
    gzip = ("Accept-Encoding: gzip",)
    json = (f"Accept: {_JSON}",)
    rows: dict[str, tuple[str, tuple[str, ...]]] = {
        "small page": (f"/simple/{SMALL}/", json),
        f"page of {len(wheels) - 1} files, gzip": (f"/simple/{BIG}/", json + gzip),
        "wheel of 10 KB": (links[0], ()),
        "its metadata": (f"{links[0]}.metadata", ()),
    }
    if links[1]:
        rows["small page, 304"] = (f"/simple/{SMALL}/", (*json, f"If-None-Match: {links[1]}"))
    for name, (path, headers) in rows.items():
        if ask(target.address, request_of(target, path, headers=headers))[9:12] in {b"200", b"304"}:
            found[name] = rate_of(target, path, headers=headers, seconds=seconds)
    return found


def _install(peer: Peer) -> bool:
    """Make the peer's environment if it is not there; return whether it is there now."""
    home = TOOLS / f"bench-{peer.name}"
    if (home / "bin" / peer.command[0]).exists():
        return True
    TOOLS.mkdir(exist_ok=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(home)], check=False)  # noqa: S603 - our own interpreter
    python = str(home / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", peer.requirement, "setuptools<81"]
    return made.returncode == 0 and subprocess.run(pip, check=False).returncode == 0  # noqa: S603 - a pinned package


@contextmanager
def _running(command: tuple[str, ...], port: int, *, environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(  # noqa: S603 - the servers of the comparison
        command, env=environment | {"PATH": "/usr/bin:/bin"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(("127.0.0.1", port))
        yield
    finally:
        process.terminate()
        process.wait(_START_SECONDS)


def _wait(address: Address) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            ask(address, b"GET /simple/ HTTP/1.1\r\nHost: bench.example\r\nConnection: close\r\n\r\n")
        except LookupError:
            return  # it answers, in chunks
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _output(command: tuple[str, ...], settings: dict[str, str]) -> str:
    done = subprocess.run(  # noqa: S603 - our own command line
        command, env={"PATH": "/usr/bin:/bin"} | settings, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def _print(rows: dict[str, dict[str, float]]) -> None:
    own = rows["strongroom"]
    sys.stdout.write(f"requests a second, measured with {'wrk' if use_wrk() else 'the client of this benchmark'}\n")
    sys.stdout.write(f"{'':28}" + "".join(f"{name:>14}" for name in rows) + "   ours / theirs\n")
    for name, rate in own.items():
        others = [found.get(name) for server, found in rows.items() if server != "strongroom"]
        numbers = "".join("             -" if other is None else f"{other:14,.0f}" for other in (rate, *others))
        ratios = "  ".join("-" if other is None else f"{rate / other:.2f}" for other in others)
        sys.stdout.write(f"{name:28}{numbers}   {ratios}\n")


if __name__ == "__main__":
    main()
