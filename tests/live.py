"""One URL before the real upstream: `python -m tests.live`, which is `make live`.

Installs six large public projects and two internal packages with uv and with pip:
directly from the upstream up to the time that the cooldown leaves, then through a new
server's `main` alone, with its cache empty, filled, and filled but offline. The
upstream is the one that a first run takes by itself. Prints a table; the exit status is
1 if anything failed or any version differs.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from strongroom.adapters.upstream.default import default_upstream_url
from tests import clients
from tests.functional.passage.installs import Installed, Installer, Source, describe_difference, place_to_install
from tests.functional.passage.scene import COOLDOWN, passage_to
from tests.functional.server import Server

OWN = ("STRONGROOM_", "UV_", "PIP_", "VIRTUAL_ENV", "PYTHON")
"""Variables of this machine that the run must not see; its proxies and certificates count."""
KEPT = ("PIP_CERT", "PIP_PROXY", "PIP_CLIENT_CERT")
MOST_FAULTS = 5
_LINE = "{:28}{:>10}{:>12}   {}\n"


@dataclass(frozen=True, slots=True)
class Step:
    """An install, and by what name it goes into the table."""

    name: str
    done: Installed


def main() -> int:
    """Run all installs; return the exit status."""
    upstream = default_upstream_url()
    if upstream is None:
        sys.exit("No upstream can be reached from here: pip names no public index.")
    clients.install()
    sys.stdout.write(f"the upstream: {upstream}\n" + _LINE.format("", "seconds", "projects", ""))
    with place_to_install() as place:
        installer = Installer(place, _outward())
        differing = sum(_judge(upstream, name, install=install) for name, install in _tools(installer))
    return 1 if differing else 0


def _judge(upstream: str, name: str, *, install: Callable[[Source], Installed]) -> int:
    """Print a line for each install of this tool, and return how many went wrong."""
    wrong = 0
    expected: dict[str, str] = {}
    for step in _steps(upstream, name, install=install):
        expected = expected or step.done.versions
        has_ended_well = step.done.exit_code == 0 and len(expected) > 0
        faults = describe_difference(expected, step.done.versions) if has_ended_well else ["the install failed"]
        is_right = not faults
        verdict = "the same versions" if is_right else "; ".join(faults[:MOST_FAULTS])
        sys.stdout.write(_LINE.format(step.name, f"{step.done.seconds:.1f}", len(step.done.versions), verdict))
        sys.stdout.write("" if is_right else f"{step.done.said}\n")
        sys.stdout.flush()
        wrong += not is_right
    return wrong


def _steps(upstream: str, name: str, *, install: Callable[[Source], Installed]) -> Iterator[Step]:
    with tempfile.TemporaryDirectory(prefix="strongroom-live-") as folder:
        server = Server(Path(folder) / "data", settings={**_outward(), "STRONGROOM_DEFAULT_UPSTREAM": ""})
        with passage_to(server, upstream, folder=Path(folder)) as made:
            yield Step(f"{name}, directly", install(made.direct(not_after=datetime.now(UTC) - COOLDOWN)))
            yield Step(f"{name}, empty cache", install(made.through))
            yield Step(f"{name}, filled cache", install(made.through))
            made.restart_offline()
            yield Step(f"{name}, offline", install(made.through))


def _tools(installer: Installer) -> tuple[tuple[str, Callable[[Source], Installed]], ...]:
    return ("uv", installer.uv), ("pip", installer.pip)


def _outward() -> dict[str, str]:
    """Return this machine's environment as far as it says how to get out, with a way to the loopback address."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT or not name.startswith(OWN)}
    proxies = {name: kept.get(name, "") for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")}
    near = ",".join(filter(None, ("127.0.0.1", "localhost", kept.get("NO_PROXY"), kept.get("no_proxy"))))
    return kept | proxies | {"NO_PROXY": near, "no_proxy": near}


if __name__ == "__main__":
    sys.exit(main())
