"""How fast pages and files leave: `python -m bench [--seconds 3] [--connections 32] [--workers 1]`.

Prints requests per second and, steadier on a busy machine, the server's CPU time for a
request. Server and client share the machine, so compare the rows, not two machines.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.server import Server, serving
from bench.store import BIG, SMALL, SMALL_WHEEL, fill
from bench.wire import Load, ask, find_header, repeat

JSON = "Accept: application/vnd.pypi.simple.v1+json"
GZIP = "Accept-Encoding: gzip"
WARM_UP_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Workload:
    """A request that is repeated."""

    name: str
    path: str
    headers: tuple[str, ...] = ()
    is_signed: bool = True

    def render(self, token: str) -> bytes:
        """Return the bytes of the request."""
        credentials = base64.b64encode(f"__token__:{token}".encode()).decode()
        signed = (f"Authorization: Basic {credentials}",) if self.is_signed else ()
        lines = (f"GET {self.path} HTTP/1.1", "Host: bench.example", "User-Agent: bench", *self.headers, *signed)
        return "\r\n".join([*lines, "", ""]).encode()


PAGE = Workload("small page", f"/main/simple/{SMALL}/", (JSON,))
WORKLOADS = (
    PAGE,
    Workload("small page, gzip", PAGE.path, (JSON, GZIP)),
    Workload("page of 1,000 files, gzip", f"/main/simple/{BIG}/", (JSON, GZIP)),
    Workload("list of 1,001 projects, gzip", "/main/simple/", (JSON, GZIP)),
    Workload("wheel of 10 KB", f"/main/files/{SMALL}/{SMALL_WHEEL}"),
    Workload("part of a wheel", f"/main/files/{SMALL}/{SMALL_WHEEL}", ("Range: bytes=-2000",)),
    Workload("sidecar of 3 KB", f"/main/files/{SMALL}/{SMALL_WHEEL}.metadata"),
    Workload("missing project, 404", "/main/simple/nope/", (JSON,)),
    Workload("no credentials, 401", PAGE.path, (JSON,), is_signed=False),
)


def main() -> None:
    """Measure all workloads and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure how fast pages and files leave.")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each row is measured")
    parser.add_argument("--connections", type=int, default=32, help="connections at the same time")
    parser.add_argument("--workers", type=int, default=1, help="worker processes of the server")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-") as directory:
        token = asyncio.run(fill(Path(directory)))
        with serving(Path(directory), workers=wanted.workers) as server:
            say(f"{'':32}{'requests/s':>12}{'server CPU, us':>16}{'bytes':>10}")
            etag = find_header(ask(server.address, PAGE.render(token)), b"etag").decode()
            unchanged = Workload("small page, 304", PAGE.path, (JSON, f"If-None-Match: {etag}"))
            for workload in (unchanged, *WORKLOADS):
                load = Load(server.address, workload.render(token), wanted.connections, wanted.seconds)
                measure(workload.name, load, server=server)


def measure(name: str, load: Load, *, server: Server) -> None:
    """Repeat a request and print its line."""
    size_bytes = len(ask(load.address, load.request))
    repeat(Load(load.address, load.request, load.connections, WARM_UP_SECONDS))
    before = server.cpu_seconds()
    counted = repeat(load)
    cost = (server.cpu_seconds() - before) / counted.responses * 1e6
    say(f"{name:32}{counted.responses / counted.seconds:12,.0f}{cost:16.1f}{size_bytes:10,}")


def say(line: str) -> None:
    """Print a line of the table."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
