"""What one URL costs: `python -m bench.passage [--rounds 5]`: installs of 114 wheels by uv, without a cache of its own.

With an empty cache they are held against direct installs from the same upstream, once as
quick as the loopback is and once as far away as a real one (20 ms, 20 MB/s a connection);
with a filled cache against a plain static file server. The rows are measured by turns
and medians are compared, so that whatever else the machine does falls on all of them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests import clients
from tests.functional.passage import wheels
from tests.functional.passage.installs import Installer, Source, place_to_install
from tests.functional.passage.scene import Passage, passage
from tests.upstream.server import UpstreamServer, site_of

from bench.static_site import serving_files, write_site

COLD_TARGET, WARM_TARGET = 1.25, 1.05
FAR_SECONDS, FAR_BYTES_A_SECOND = 0.02, 20e6
NAMES = wheels.PROJECTS


@dataclass(frozen=True, slots=True)
class Measured:
    """The seconds of each row's installs."""

    installer: Installer
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def install(self, row: str, url: str) -> None:
        """Install once more; it must succeed."""
        done = self.installer.uv(Source(url, NAMES))
        if done.exit_code != 0:
            raise RuntimeError(done.said)
        self.seconds.setdefault(row, []).append(done.seconds)

    def print_ratio(self, row: str, *, to: str, target: float) -> None:
        """Print both medians, their ratio, and the median of the rounds' ratios."""
        ours, theirs = median(self.seconds[row]), median(self.seconds[to])
        pairs = [one / other for one, other in zip(self.seconds[row], self.seconds[to], strict=True)]
        verdict = "" if median(pairs) <= target else "   MISSED"
        sys.stdout.write(
            f"{row:24}{ours:8.2f} s   {to:24}{theirs:8.2f} s   ratio {ours / theirs:5.2f}"
            f"   by rounds {median(pairs):5.2f}   target {target}{verdict}\n"
        )


def main() -> None:
    """Measure all rows by turns, and print them."""
    parser = argparse.ArgumentParser(prog="python -m bench.passage", description="Measure what one URL costs.")
    parser.add_argument("--rounds", type=int, default=5, help="installs of each row")
    rounds = parser.parse_args().rounds
    clients.install()
    site = site_of(wheels.download())
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-") as folder, place_to_install() as place:
        measured = Measured(Installer(place))
        with UpstreamServer(site) as upstream, serving_files(write_site(site, Path(folder) / "static")) as static:
            for number in range(rounds):
                _measure_round(measured, upstream, folder=Path(folder) / str(number), static=static)
    _print(measured)


def _measure_round(measured: Measured, upstream: UpstreamServer, *, folder: Path, static: str) -> None:
    for distance in ("near", "far"):
        _move(upstream, distance)
        with _new_server(upstream, folder / distance) as made:
            measured.install(f"{distance}, direct", upstream.url)
            measured.install(f"{distance}, empty cache", made.through.url)
            if distance == "near":
                measured.install("static files", static)
                measured.install("filled cache", made.through.url)


def _move(upstream: UpstreamServer, distance: str) -> None:
    is_far = distance == "far"
    upstream.delay_seconds = FAR_SECONDS if is_far else 0
    upstream.bytes_a_second = FAR_BYTES_A_SECOND if is_far else None


@contextmanager
def _new_server(upstream: UpstreamServer, folder: Path) -> Iterator[Passage]:
    folder.mkdir(parents=True)
    with passage(upstream, folder) as made:
        made.server.get("/simple/nobody-has-this/", token=made.token)  # the cache is to be empty, not the process new
        yield made


def _print(measured: Measured) -> None:
    measured.print_ratio("near, empty cache", to="near, direct", target=COLD_TARGET)
    measured.print_ratio("far, empty cache", to="far, direct", target=COLD_TARGET)
    measured.print_ratio("filled cache", to="static files", target=WARM_TARGET)


if __name__ == "__main__":
    main()
