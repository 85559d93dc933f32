"""Whether the time of an answer tells a hidden project from a missing one."""

from __future__ import annotations

import time

from tests.access_matrix.identities import USERS, make_user_token
from tests.access_matrix.world import Ask, World

TIMING_LIMIT_SECONDS = 0.001
_PATHS = ("/main/simple/{}/", "/main/pypi/{}/json", "/api/v1/indexes/main/projects/{}")


def hidden_versus_missing(world: World, *, times: int) -> float:
    """Return the largest difference of the medians, in seconds; asked in turn, so that drift falls on both."""
    headers = make_user_token(world, "u-nothing")
    assert USERS["u-nothing"] == ()
    differences = []
    for path in _PATHS:
        hidden = Ask("GET", path.format("secret-main"), headers)
        missing = Ask("GET", path.format("secret-gone"), headers)
        took: dict[str, list[float]] = {hidden.path: [], missing.path: []}
        for _ in range(times):
            for request in (hidden, missing):
                began = time.perf_counter()
                assert world.run(world.exchange(request)).status == 404
                took[request.path].append(time.perf_counter() - began)
        differences.append(_median(took[hidden.path]) - _median(took[missing.path]))
    return max(differences, key=abs)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
