"""Scenarios of redirects: round in circles, to other places, to what is no place at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.adapters.upstream.addresses import SCHEMES
from tests.replacing import replace
from tests.upstream.listener import Reply
from tests.upstream.scenario import Expected, Scenario, Stage, Twist

SERVED, REFUSED, EITHER = Expected.SERVED, Expected.REFUSED, Expected.EITHER
INSIDE = (
    "http://10.0.0.1/", "http://192.168.0.1/", "http://172.16.0.1/", "http://169.254.169.254/latest/meta-data/",
    "http://[::1]/", "http://[fd00:ec2::254]/", "http://[::ffff:10.0.0.1]/", "http://0.0.0.0/", "http://[::]/",
    "http://2130706433/", "http://0x7f.1/", "http://0177.0.0.1/", "http://127.1/", "http://100.100.100.200/",
    "http://[64:ff9b::10.0.0.1]/", "http://224.0.0.1/", "http://255.255.255.255/",
)  # fmt: skip
"""Places that no settings of the tests allow."""


def _to(make: Callable[[Stage], str], *, times: int = 10**9, status: int = 302) -> Twist:
    """Return a twist that redirects so many times, and then gives the true answer."""
    return lambda stage, reply: Reply(status=status, headers={"Location": make(stage)}) if stage.turn < times else reply


def _own_path(stage: Stage) -> str:
    return stage.request.path


def _scenarios() -> Iterator[tuple[str, Expected, Twist]]:
    yield "loop", REFUSED, _to(_own_path)
    yield "loop-with-query", REFUSED, _to(lambda stage: f"{_own_path(stage)}?{stage.turn}")
    yield "five-hops", SERVED, _to(_own_path, times=5)
    yield "six-hops", REFUSED, _to(_own_path, times=6)
    for status in (301, 302, 303, 307, 308):
        yield f"once-{status}", SERVED, _to(_own_path, times=1, status=status)
    yield "absolute", SERVED, _to(lambda stage: stage.own_url, times=1)
    yield "without-scheme", SERVED, _to(lambda stage: stage.own_url.removeprefix("http:"), times=1)
    yield "fragment", SERVED, _to(lambda stage: f"{_own_path(stage)}#x", times=1)
    yield "userinfo", SERVED, _to(lambda stage: stage.own_url.replace("//", "//user:secret@", 1), times=1)
    yield "upper-case", SERVED, _to(lambda stage: stage.own_url.replace("http", "HTTP", 1), times=1)
    yield "empty", REFUSED, _to(lambda stage: "")
    yield "nowhere", REFUSED, lambda stage, reply: Reply(status=302)
    yield "missing", REFUSED, _to(lambda stage: "/nothing/here")
    yield "long", REFUSED, _to(lambda stage: f"{_own_path(stage)}?{'x' * 200_000}", times=1)
    yield "spaces", EITHER, _to(lambda stage: f" {_own_path(stage)} ", times=1)
    yield "binary", REFUSED, _to(lambda stage: "/\x01\x02\x7f\xff")
    yield "unresolvable", REFUSED, _to(lambda stage: "http://nobody.invalid/")
    yield "closed-port", REFUSED, _to(lambda stage: "http://127.0.0.1:1/")
    yield "long-label", REFUSED, _to(lambda stage: f"http://{'a' * 300}.example/")
    yield "body-instead", REFUSED, lambda stage, reply: replace(reply, status=302)
    for number, place in enumerate(INSIDE):
        yield f"inside-{number}", REFUSED, _to(_always(place))
    for number, place in enumerate(place for place in SCHEMES if ":" in place and "{port}" not in place):
        if place.isprintable() and not place.startswith("http:"):
            yield f"scheme-{number}", REFUSED, _to(_always(place))


def _always(place: str) -> Callable[[Stage], str]:
    return lambda stage: place


SCENARIOS: tuple[Scenario, ...] = (
    *(Scenario(f"page-to-{name}", expected, page=twist) for name, expected, twist in _scenarios()),
    *(Scenario(f"file-to-{name}", expected, file=twist) for name, expected, twist in _scenarios()),
)
