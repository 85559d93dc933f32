"""The router's own duties."""

from __future__ import annotations

import asyncio

from httpx2 import ASGITransport, AsyncClient, Response
from starlette.requests import Request
from starlette.responses import Response as Answer

from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.core.caller import Caller
from strongroom.http.app import Guard, build_router
from strongroom.http.auth import Authenticator
from strongroom.http.cache import Cache
from strongroom.http.entrance import Catching
from strongroom.http.routes import Public, Route
from strongroom.services.sign_in import SignIn
from tests.factories import MAIN
from tests.fakes import FakePasswords, FrozenClock, SeededSecrets


async def fail(_request: Request, _caller: Caller) -> Answer:
    """Fail as no handler should."""
    raise RuntimeError("a secret of the inside")


async def ask(path: str) -> Response:
    """Ask a server whose only page is broken."""
    catalog, clock = MemoryCatalog(), FrozenClock()
    cache = Cache(catalog)
    sign_in = SignIn(catalog, SeededSecrets(), FakePasswords(), clock)
    guard = Guard(Authenticator(sign_in, cache, clock=clock, trusted_proxies=()), cache, MAIN)
    app = Catching(build_router(guard, [Route("/broken", ("GET",), fail, Public("it tells nothing"))]))
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://packages.example") as client:
        return await client.get(path)


def test_an_unexpected_fault_is_a_problem_like_any_other() -> None:
    """The client hears that the server failed, in the form of all errors, and nothing of its inside."""
    reply = asyncio.run(ask("/broken"))

    assert (reply.status_code, reply.headers["content-type"]) == (500, "application/problem+json")
    assert reply.json()["code"] == "server-fault"
    assert "secret" not in reply.text
