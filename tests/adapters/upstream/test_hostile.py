"""The client and the reader of pages against every misbehaving upstream: never wrong, never an odd error."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest

from strongroom.adapters.upstream.client import AiohttpClient
from strongroom.core.errors import UpstreamFault
from strongroom.core.names import IndexName
from strongroom.core.simpleapi.parse import parse_page
from strongroom.ports import Missing, Origin, PageBody
from tests.upstream.hostile import SCENARIOS, HostileServer
from tests.upstream.scenario import Expected, Scenario

ONE = (ip_network("127.0.0.1/32"),)
PUBLIC = IndexName("public")
PATIENCE_SECONDS = 30.0
SHORT_PATIENCE_SECONDS = 2.0
NOW = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def hostile() -> Iterator[HostileServer]:
    """Serve all scenarios."""
    with HostileServer() as server:
        yield server


async def obtain(client: AiohttpClient, scenario: Scenario, *, origin: Origin) -> bytes | None:
    """Return the wheel as a mirror would have it, None where there is none; raises `UpstreamFault`."""
    answer = await client.get_page(origin, scenario.project, etag=None)
    if not isinstance(answer, PageBody):
        return None
    page = parse_page(answer, index=PUBLIC, project=scenario.project, now=NOW)
    for file in page.files:
        async with client.open_file(origin, file.url) as body:
            if isinstance(body, Missing):
                return None
            content = b"".join([chunk async for chunk in body.chunks()])
        return content if hashlib.sha256(content).hexdigest() == file.sha256 else None
    return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a scenario: the wheel's bytes, or a fault, or neither."""

    content: bytes | None = None
    fault: UpstreamFault | None = None


@pytest.fixture(scope="module")
def outcomes(hostile: HostileServer) -> dict[str, Outcome]:
    """Try all scenarios, many at a time: some take as long as our patience."""
    turns = asyncio.Semaphore(10)

    async def try_out(scenario: Scenario, seconds: float) -> Outcome:
        client = AiohttpClient(networks=ONE, seconds=seconds)
        try:
            return Outcome(await obtain(client, scenario, origin=Origin(hostile.url_of(scenario))))
        except UpstreamFault as fault:
            return Outcome(fault=fault)
        finally:
            await client.close()

    async def play(scenario: Scenario) -> Outcome:
        if scenario.is_slow:
            return await try_out(scenario, SHORT_PATIENCE_SECONDS)
        async with turns:
            return await try_out(scenario, PATIENCE_SECONDS)

    async def main() -> list[Outcome]:
        async with asyncio.timeout(120):
            return await asyncio.gather(*(play(scenario) for scenario in SCENARIOS))

    return dict(zip((scenario.name for scenario in SCENARIOS), asyncio.run(main()), strict=True))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_nothing_wrong_comes_through(outcomes: dict[str, Outcome], scenario: Scenario) -> None:
    """Served or refused as the scenario says, and only ever the true bytes; a fault says its cause and what to do."""
    outcome = outcomes[scenario.name]
    assert outcome.content in (None, scenario.truth.content)
    if scenario.expected is not Expected.EITHER:
        assert (outcome.content is not None) == (scenario.expected is Expected.SERVED)
    if outcome.fault is not None:
        assert outcome.fault.hint
        assert len(outcome.fault.message) < 300
        assert "secret" not in outcome.fault.sentence


def test_there_are_many_scenarios() -> None:
    """At least three hundred, each with a name of its own."""
    assert len(SCENARIOS) >= 300
    assert len({scenario.project for scenario in SCENARIOS}) == len(SCENARIOS)
