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


async def answer(_request: Request, _caller: Caller) -> Answer:
    """Answer without any store."""
    return Answer(b"alive")


async def ask(path: str, *, is_closed: bool = False) -> Response:
    """Ask a server with one page that is broken and one that works without the catalog."""
    catalog, clock = MemoryCatalog(), FrozenClock()
    if is_closed:
        await catalog.close()
    cache = Cache(catalog, clock)
    sign_in = SignIn(catalog, SeededSecrets(), FakePasswords(), clock)
    guard = Guard(Authenticator(sign_in, cache, clock=clock, trusted_proxies=()), cache, MAIN)
    handlers = {"/broken": fail, "/alive": answer}
    routes = [Route(place, ("GET",), handler, Public("it tells nothing")) for place, handler in handlers.items()]
    app = Catching(build_router(guard, routes))
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://packages.example") as client:
        return await client.get(path)


def test_an_unexpected_fault_is_a_problem_like_any_other() -> None:
    """The client hears that the server failed, in the form of all errors, and nothing of its inside."""
    reply = asyncio.run(ask("/broken"))

    assert (reply.status_code, reply.headers["content-type"]) == (500, "application/problem+json")
    assert reply.json()["code"] == "server-fault"
    assert "secret" not in reply.text


def test_what_is_public_needs_no_catalog() -> None:
    """A process is alive while its database is away, and whoever restarts dead ones must not restart it."""
    assert asyncio.run(ask("/alive", is_closed=True)).text == "alive"
