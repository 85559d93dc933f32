"""How long single requests take: `python -m tests.functional.passage.stopwatch PORT TOKEN COUNT PATH...`.

Prints, for each path, its 99th percentile in milliseconds. A process of its own, so that
no other thread of the test holds the interpreter while the clock runs.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.functional.wire import basic

_ROOT = Path(__file__).parents[3]


def measure(port: int, token: str, *paths: str, count: int) -> list[float]:
    """Ask for each path so often, in a process of its own; return each one's 99th percentile in milliseconds."""
    command = [sys.executable, "-m", "tests.functional.passage.stopwatch", str(port), token, str(count), *paths]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=_ROOT)
    assert done.returncode == 0, done.stderr
    return [float(number) for number in json.loads(done.stdout)]


def percentile_99(numbers: Sequence[float]) -> float:
    """Return the number that one in a hundred exceeds."""
    return sorted(numbers)[int(len(numbers) * 0.99)]


def _measure_here(port: int, token: str, *paths: str, count: int) -> list[float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": basic(token), "Accept": "application/vnd.pypi.simple.v1+json"}
    taken: dict[str, list[float]] = {path: [] for path in paths}
    for number in range(count * len(paths)):
        path = paths[number % len(paths)]
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        said = response.read()
        taken[path].append((time.perf_counter() - began) * 1000)
        assert response.status == 200, (path, response.status, said[:300])
    connection.close()
    return [percentile_99(taken[path]) for path in paths]


if __name__ == "__main__":
    port, token, count, *paths = sys.argv[1:]
    sys.stdout.write(json.dumps(_measure_here(int(port), token, *paths, count=int(count))))
