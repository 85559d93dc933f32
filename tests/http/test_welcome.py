"""The pages for a person: what the server is, and the one-time link."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from httpx2 import ASGITransport, AsyncClient, Response

from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.core.caller import operator
from strongroom.core.names import parse_user_name
from strongroom.http.app import Guard, build_router
from strongroom.http.auth import Authenticator
from strongroom.http.body import BodyGuard
from strongroom.http.cache import Cache
from strongroom.http.welcome import Welcome
from strongroom.services.setup import Setup
from strongroom.services.sign_in import SignIn
from tests.factories import MAIN
from tests.fakes import FakePasswords, FrozenClock, SeededSecrets

HTML, JSON = "text/html,application/xhtml+xml", "application/json"


class Hall:
    """A server with nothing but its welcome."""

    def __init__(self) -> None:
        self.catalog, self.clock, secrets = MemoryCatalog(), FrozenClock(), SeededSecrets()
        self.setup = Setup(self.catalog, secrets, self.clock)
        cache = Cache(self.catalog, self.clock)
        sign_in = SignIn(self.catalog, secrets, FakePasswords(), self.clock)
        authenticator = Authenticator(sign_in, cache, clock=self.clock, trusted_proxies=())
        self.app = BodyGuard(build_router(Guard(authenticator, cache, MAIN), Welcome(self.setup, "/packages").routes()))

    async def link(self) -> str:
        """Return a fresh link."""
        issued = await self.setup.issue_link(operator("root"))
        assert issued is not None
        return f"/setup?key={issued.secret}"

    async def ask(self, method: str, path: str, *, accept: str = HTML, user: str | None = None) -> Response:
        """Send one request."""
        transport = ASGITransport(app=self.app)
        async with AsyncClient(transport=transport, base_url="http://packages.example") as client:
            data = None if user is None else {"user": user}
            return await client.request(method, path, headers={"accept": accept}, data=data)

    async def users(self) -> list[str]:
        """Return the names of all users."""
        return await self.catalog.read(lambda tx: [user.name for user in tx.users.list()])


def test_the_front_page_says_what_this_is_and_nothing_of_what_it_holds() -> None:
    """A person without credentials learns where the index is, below the proxy's prefix, and how to sign in."""
    answer = asyncio.run(Hall().ask("GET", "/"))

    assert answer.status_code == 200
    assert 'href="/packages/simple/"' in answer.text
    assert "__token__" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_looking_at_the_form_leaves_the_link_good() -> None:
    """GET and HEAD change nothing, so that a preview of the link does no harm."""

    async def scene(hall: Hall) -> tuple[int, list[str]]:
        link = await hall.link()
        for method in ("GET", "HEAD", "GET"):
            assert (await hall.ask(method, link)).status_code == 200
        assert await hall.users() == []
        return (await hall.ask("POST", link, user="ada")).status_code, await hall.users()

    assert asyncio.run(scene(Hall())) == (200, ["ada"])


@pytest.mark.parametrize(
    ("accept", "media_type"), [(HTML, "text/html"), (JSON, "application/json"), ("*/*", "text/plain")]
)
def test_the_token_is_shown_once_in_the_form_that_was_asked_for(accept: str, media_type: str) -> None:
    """A browser gets a page, a script JSON or the bare token; a second use is refused and makes nobody."""

    async def scene(hall: Hall) -> tuple[Response, Response, list[str]]:
        link = await hall.link()
        first = await hall.ask("POST", link, accept=accept, user="ada")
        return first, await hall.ask("POST", link, accept=accept, user="eve"), await hall.users()

    first, second, users = asyncio.run(scene(Hall()))

    assert first.headers["content-type"].startswith(media_type)
    assert "strongroom_" in first.text
    assert first.headers["cache-control"] == "no-store"
    assert (second.status_code, users) == (401, ["ada"])
    assert "strongroom_" not in second.text
    assert "www-authenticate" not in second.headers


def test_an_old_link_is_refused_with_what_to_do() -> None:
    """After half an hour the link is void, and the page says how to get another."""

    async def scene(hall: Hall) -> tuple[Response, list[str]]:
        link = await hall.link()
        hall.clock.advance(timedelta(minutes=31))
        return await hall.ask("POST", link, user="ada"), await hall.users()

    answer, users = asyncio.run(scene(Hall()))

    assert (answer.status_code, users) == (401, [])
    assert "strongroom user create NAME --admin" in answer.text


def test_a_bad_user_name_leaves_the_link_good() -> None:
    """The page says what a user name is, escaped, and the next attempt works."""

    async def scene(hall: Hall) -> tuple[Response, list[str]]:
        link = await hall.link()
        refused = await hall.ask("POST", link, user="<script>")
        await hall.ask("POST", link, user="ada")
        return refused, await hall.users()

    refused, users = asyncio.run(scene(Hall()))

    assert (refused.status_code, users) == (400, [parse_user_name("ada")])
    assert "<script>" not in refused.text


def test_a_long_form_is_not_read() -> None:
    """Everybody may send one, so it has room for a name and not for a thousand; the link stays good."""

    async def scene(hall: Hall) -> tuple[Response, Response]:
        link = await hall.link()
        return await hall.ask("POST", link, user="a" * 2000), await hall.ask("POST", link, user="ada")

    long, short = asyncio.run(scene(Hall()))

    assert (long.status_code, short.status_code) == (413, 200)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_redirects_to_the_host_that_was_asked_for(method: str) -> None:
    """A slash too many leads nowhere: the way from there would be absolute, without https, and take the key along."""

    async def scene(hall: Hall) -> Response:
        return await hall.ask(method, (await hall.link()).replace("?", "/?"))

    answer = asyncio.run(scene(Hall()))

    assert answer.status_code == 404
    assert "location" not in answer.headers
