"""Who sent a request, from where, and whether a web page of somebody else made a browser send it."""

from __future__ import annotations

import asyncio
import base64
from ipaddress import IPv4Network, ip_network

import pytest
from starlette.types import Scope

from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.core.access import Network, Signed
from strongroom.core.errors import Forbidden, Unauthenticated
from strongroom.http.auth import Authenticator
from strongroom.http.cache import Cache
from strongroom.http.cross_site import origin_of
from strongroom.services.sign_in import SignIn
from tests.factories import a_user
from tests.fakes import FakePasswords, FrozenClock, SeededSecrets

PROXIES = (ip_network("10.0.0.0/8"),)
PASSWORD = "four plain random words"


def an_authenticator(*, proxies: tuple[Network, ...] = (), password: str = PASSWORD) -> Authenticator:
    """Make one that knows Bob by his password."""
    catalog, clock = MemoryCatalog(), FrozenClock()
    asyncio.run(catalog.write(lambda tx: tx.users.add(a_user("bob", password=password))))
    sign_in = SignIn(catalog, SeededSecrets(), FakePasswords(), clock)
    return Authenticator(
        sign_in, Cache(catalog, clock), clock=clock, trusted_proxies=proxies, own_origin="https://packages.example"
    )


def a_request(*headers: tuple[str, str], method: str = "POST", client: str = "10.0.0.1") -> Scope:
    """Make a request with these headers, which may repeat."""
    raw = [(name.encode(), value.encode()) for name, value in headers]
    return {"type": "http", "method": method, "headers": raw, "client": (client, 40000)}


def basic(user: str, password: str) -> tuple[str, str]:
    """Return the header with these credentials."""
    return "authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("headers", "seen"),
    [
        ((), "10.0.0.1"),
        (("192.0.2.7",), "192.0.2.7"),
        (("203.0.113.9, 192.0.2.7",), "192.0.2.7"),
        (("203.0.113.9, 192.0.2.7, 10.0.0.2",), "192.0.2.7"),
        (("203.0.113.9", "192.0.2.7"), "192.0.2.7"),
        (("203.0.113.9", "192.0.2.7, 10.0.0.2"), "192.0.2.7"),
        (("192.0.2.7", "10.0.0.2"), "192.0.2.7"),
        (("203.0.113.9, nonsense",), "None"),
        (("203.0.113.9, ",), "None"),
        (("::ffff:192.0.2.7",), "192.0.2.7"),
    ],
)
def test_the_address_is_what_the_last_trusted_proxy_saw(headers: tuple[str, ...], seen: str) -> None:
    """A client can send the header too: only what trusted proxies added counts, also on a line of its own."""
    scope = a_request(*(("x-forwarded-for", value) for value in headers))
    assert str(an_authenticator(proxies=PROXIES).address(scope)) == seen


def test_a_stranger_is_not_believed() -> None:
    """Without a trusted proxy in between, the header is what the client says of itself."""
    claim = ("x-forwarded-for", "192.0.2.7")
    assert str(an_authenticator(proxies=PROXIES).address(a_request(claim, client="203.0.113.9"))) == "203.0.113.9"
    assert str(an_authenticator().address(a_request(claim))) == "10.0.0.1"


NEAR = (ip_network("127.0.0.0/8"),)


@pytest.mark.parametrize(
    ("headers", "client", "proxies", "is_near"),
    [
        ((), "127.0.0.1", (), True),
        ((), "192.0.2.7", (), False),
        ((("x-forwarded-for", "127.0.0.1"),), "127.0.0.1", (), False),
        ((("forwarded", "for=127.0.0.1"),), "127.0.0.1", (), False),
        ((("via", "1.1 proxy"),), "127.0.0.1", (), False),
        ((("x-forwarded-for", "192.0.2.7"),), "127.0.0.1", NEAR, False),
        ((("x-forwarded-for", "127.0.0.9"),), "127.0.0.1", NEAR, False),
        ((("x-forwarded-proto", "https"),), "127.0.0.1", NEAR, False),
        ((), "127.0.0.1", NEAR, True),
        ((("x-forwarded-for", "192.0.2.7"),), "127.0.0.1", PROXIES, False),
        ((("via", "1.1 proxy"),), "127.0.0.1", PROXIES, False),
        ((("x-forwarded-for", "127.0.0.1"),), "10.0.0.1", PROXIES, False),
        ((), "127.0.0.1", PROXIES, True),
        ((("x-forwarded-for", "127.0.0.9, 192.0.2.7"),), "127.0.0.1", NEAR, False),
        ((), "not an address", (), False),
    ],
)
def test_who_comes_through_a_proxy_is_near_only_by_a_trusted_ones_word(
    headers: tuple[tuple[str, str], ...],
    client: str,
    proxies: tuple[IPv4Network, ...],
    is_near: bool,  # noqa: FBT001 - a case
) -> None:
    """Behind a proxy on this machine every stranger has its address: that opens nothing."""
    scope = a_request(*headers, client=client)
    authenticator = an_authenticator(proxies=proxies)

    assert authenticator.is_near(scope, NEAR) is is_near
    assert not authenticator.is_near(scope, ())


@pytest.mark.parametrize(("client", "proxies", "is_near"), [("10.0.0.1", PROXIES, True), ("192.0.2.1", PROXIES, False)])
def test_a_network_that_is_named_is_near_through_a_trusted_proxy(
    client: str,
    proxies: tuple[IPv4Network, ...],
    is_near: bool,  # noqa: FBT001 - a case
) -> None:
    """Prometheus behind the house's own proxy is who it is; through any other one, nobody is."""
    scope = a_request(("x-forwarded-for", "192.0.2.7"), client=client)

    assert an_authenticator(proxies=proxies).is_near(scope, (ip_network("192.0.2.0/24"),)) is is_near


def test_only_a_trusted_proxy_is_one() -> None:
    """Whoever else sends a request speaks for himself."""
    authenticator = an_authenticator(proxies=PROXIES)

    assert authenticator.is_from_proxy(a_request(client="10.0.0.1"))
    assert not authenticator.is_from_proxy(a_request(client="192.0.2.7"))
    assert not an_authenticator().is_from_proxy(a_request(client="10.0.0.1"))


def test_a_password_counts_with_its_spaces() -> None:
    """Spaces around a password belong to it; around a token they come from copying."""
    authenticator = an_authenticator(password=f" {PASSWORD} ")
    signed = asyncio.run(authenticator.identify(a_request(basic("bob", f" {PASSWORD} "))))
    assert isinstance(signed, Signed)
    assert signed.user == "bob"
    with pytest.raises(Unauthenticated):
        asyncio.run(authenticator.identify(a_request(basic("bob", PASSWORD))))


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "https://packages.example"},
        {"origin": "https://evil.example", "host": "packages.example"},
        {"origin": "http://packages.example:8080", "host": "packages.example"},
        {"origin": "null", "host": "packages.example"},
        {"origin": "https://evil.example"},
    ],
)
def test_a_page_of_another_site_changes_nothing(headers: dict[str, str]) -> None:
    """A browser that knows the credentials sends them along with any page's form, an upload for example."""
    authenticator = an_authenticator()
    scope = a_request(basic("bob", PASSWORD), *headers.items())
    with pytest.raises(Forbidden) as refused:
        asyncio.run(authenticator.caller(scope))
    assert refused.value.code == "cross-site"
    assert asyncio.run(authenticator.caller({**scope, "method": "GET"})).principal


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin", "origin": "https://other.example"},
        {"sec-fetch-site": "none"},
        {"origin": "http://packages.example:8000", "host": "packages.example:8000"},
        {"origin": "https://packages.example", "host": "10.0.0.5:8000"},
    ],
)
def test_what_is_no_page_of_another_site_is_let_in(headers: dict[str, str]) -> None:
    """Uploaders send none of these headers; a proxy may have changed the host, so the public URL counts too."""
    scope = a_request(basic("bob", PASSWORD), *headers.items())
    assert asyncio.run(an_authenticator().caller(scope)).principal


def test_the_public_url_says_which_pages_are_our_own() -> None:
    """Its path is no part of an origin."""
    assert origin_of("https://Packages.example:8443/prefix") == "https://packages.example:8443"
    assert origin_of(None) is None
