"""No upstream, page or redirect makes this server connect to its own network (security paper, S20)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import ip_network

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from strongroom.adapters.upstream.client import AiohttpClient
from strongroom.adapters.upstream.connector import guarded_connector
from strongroom.adapters.upstream.guard import AddressGuard, Network
from strongroom.core.errors import UpstreamFault
from strongroom.core.names import ProjectName
from strongroom.ports import Missing, Origin
from tests.adapters.upstream.addresses import DOCUMENTATION, HOSTS, ODD, PRIVATE_4, PRIVATE_6, PUBLIC, SCHEMES
from tests.adapters.upstream.spy import attempted_connections
from tests.upstream.listener import Listener, Reply, Request

DEMO = ProjectName("demo")
ORIGIN = Origin("https://upstream.example/simple/")
SPELLINGS_OF_ONE = (
    "127.0.0.1", "127.0.0.1.", "127.0.0.1..", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]",
    "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
)  # fmt: skip
"""The allowed address of `ONE`, written properly or nearly so."""
ONE: tuple[Network, ...] = (ip_network("127.0.0.1/32"),)


class ListedResolver(AbstractResolver):
    """Resolves every name to what the next list says; the last one stays."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the list."""
        self.asked.append(host)
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Hold nothing."""


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    """Listen on the loopback address, and redirect wherever the path says."""

    def answer(request: Request) -> Reply:
        if request.path.startswith("/to"):
            return Reply(status=302, headers={"Location": bytes.fromhex(request.query).decode()})
        return Reply(body=b"secret")

    with Listener(answer) as started:
        yield started


def run(ask: Callable[[AiohttpClient], Awaitable[object]], client: Callable[[], AiohttpClient]) -> object:
    """Return what the question gives, with a client of its own."""

    async def main() -> object:
        made = client()
        try:
            return await ask(made)
        finally:
            await made.close()

    return asyncio.run(main())


def refused(ask: Callable[[AiohttpClient], Awaitable[object]], client: Callable[[], AiohttpClient]) -> UpstreamFault:
    """Ask, and return the refusal."""
    with pytest.raises(UpstreamFault) as caught:
        run(ask, client)
    return caught.value


async def fetch(client: AiohttpClient, url: str) -> bytes | Missing:
    """Fetch a file from wherever a page says that it is."""
    async with client.open_file(ORIGIN, url) as body:
        return body if isinstance(body, Missing) else b"".join([chunk async for chunk in body.chunks()])


@pytest.mark.parametrize("address", [*PRIVATE_4, *PRIVATE_6])
def test_no_private_address_passes(address: str) -> None:
    """The refusal names the setting that would allow it."""
    with pytest.raises(UpstreamFault) as caught:
        AddressGuard().check("upstream.example", address)
    assert caught.value.code == "address-refused"
    assert "upstream_networks" in caught.value.hint
    assert address in caught.value.message


@pytest.mark.parametrize("address", DOCUMENTATION)
def test_a_gateway_may_stand_in_for_the_public_internet(address: str) -> None:
    """RFC 5737: nobody is there, so a name that resolves to it is answered by a gateway; written out it is refused."""
    AddressGuard().check("upstream.example", address)
    with pytest.raises(UpstreamFault):
        AddressGuard().check(address, address)
    with pytest.raises(UpstreamFault):
        AddressGuard().check_host(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    """Also the edges of the private blocks, and IPv4 addresses inside of IPv6 ones."""
    AddressGuard().check("upstream.example", address)
    AddressGuard().check_host(address)


@pytest.mark.parametrize("text", ["", "upstream.example", "127.0.0.1/8", "1.2.3", "08.8.8.8", "::g"])
def test_what_is_not_an_address_is_refused(text: str) -> None:
    """A resolver that gives something else is not believed."""
    with pytest.raises(UpstreamFault, match="not an IP address"):
        AddressGuard().check("upstream.example", text)


@pytest.mark.parametrize(
    ("network", "address", "is_allowed"),
    [
        ("10.1.0.0/16", "10.1.2.3", True),
        ("10.1.0.0/16", "10.2.2.3", False),
        ("10.1.0.0/16", "::ffff:10.1.2.3", True),
        ("10.1.0.0/16", "64:ff9b::10.1.2.3", True),
        ("10.1.0.0/16", "::ffff:10.2.2.3", False),
        ("fd00:1::/32", "fd00:1::5", True),
        ("fd00:1::/32", "fd00:2::5", False),
        ("127.0.0.1/32", "127.0.0.1", True),
        ("127.0.0.1/32", "127.0.0.2", False),
        ("127.0.0.1/32", "::1", False),
    ],
)
def test_a_named_network_is_allowed_and_no_other(network: str, address: str, *, is_allowed: bool) -> None:
    """The setting opens what it names, however an address of it is written."""
    guard = AddressGuard((ip_network(network),))
    if is_allowed:
        guard.check("mirror", address)
    else:
        with pytest.raises(UpstreamFault):
            guard.check("mirror", address)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("as_link", [True, False], ids=["link", "origin"])
def test_no_host_that_is_an_address_is_connected(listener: Listener, host: str, *, as_link: bool) -> None:
    """In whichever way it is written, as an upstream's own URL or a page's link: no connection at all."""
    url = f"http://{host}:{listener.port}/simple/"
    before = listener.connections
    with attempted_connections() as attempted:
        fault = refused(
            lambda client: fetch(client, url) if as_link else client.get_page(Origin(url), DEMO, etag=None),
            AiohttpClient,
        )
    assert (attempted, listener.connections) == ([], before)
    assert fault.code in ("address-refused", "upstream-malformed")


@pytest.mark.parametrize("host", [host for host in ODD if host not in SPELLINGS_OF_ONE])
def test_an_odd_address_is_refused_where_its_network_is_allowed(listener: Listener, host: str) -> None:
    """127.0.0.1 may be asked, 2130706433 may not: nobody needs it, and no two systems read it alike."""
    url = f"http://{host}:{listener.port}/simple/"
    with attempted_connections() as attempted:
        refused(lambda client: fetch(client, url), lambda: AiohttpClient(networks=ONE))
    assert attempted == []


@pytest.mark.parametrize("url", SCHEMES)
def test_only_http_is_spoken(listener: Listener, url: str) -> None:
    """No file, no other scheme, nothing without a host: no connection, and no name is resolved."""
    resolver = ListedResolver(("127.0.0.1",))
    with attempted_connections() as attempted:
        fault = refused(
            lambda client: fetch(client, url.replace("{port}", str(listener.port))),
            lambda: AiohttpClient(networks=ONE, resolver=resolver),
        )
    assert (attempted, resolver.asked) == ([], [])
    assert fault.code in ("address-refused", "upstream-malformed")


@pytest.mark.parametrize("address", [*PRIVATE_4, *PRIVATE_6])
@pytest.mark.parametrize("beside", [(), ("8.8.8.8",)], ids=["alone", "beside a public one"])
def test_no_name_that_resolves_to_a_private_address_is_connected(address: str, beside: tuple[str, ...]) -> None:
    """One private address among public ones is enough: no connection to any of them."""
    with attempted_connections() as attempted:
        fault = refused(
            lambda client: fetch(client, "https://files.example/x.whl"),
            lambda: AiohttpClient(resolver=ListedResolver((*beside, address))),
        )
    assert attempted == []
    assert fault.code == "address-refused"
    assert "files.example" in fault.message


def test_a_name_that_moves_is_judged_at_each_connection(listener: Listener) -> None:
    """DNS rebinding: the address that was good for the first connection says nothing of the second."""
    resolver = ListedResolver(("127.0.0.1",), ("127.0.0.2",))
    url = f"http://moving.example:{listener.port}/x"
    with attempted_connections() as attempted:
        assert (
            run(lambda client: fetch(client, url), lambda: AiohttpClient(networks=ONE, resolver=resolver)) == b"secret"
        )
        refused(lambda client: fetch(client, url), lambda: AiohttpClient(networks=ONE, resolver=resolver))
    assert attempted == ["127.0.0.1"]


@pytest.mark.parametrize("host", [host for host in HOSTS if host not in SPELLINGS_OF_ONE])
def test_no_redirect_leads_inside(listener: Listener, host: str) -> None:
    """A public upstream (here: the one allowed address) sends us to the metadata service, and we don't go."""
    target = f"http://{host}:{listener.port}/latest/meta-data/".encode().hex()
    with attempted_connections() as attempted:
        fault = refused(
            lambda client: fetch(client, f"{listener.root}to?{target}"), lambda: AiohttpClient(networks=ONE)
        )
    assert attempted == ["127.0.0.1"]
    assert fault.code in ("address-refused", "upstream-malformed")


@pytest.mark.parametrize("url", [url for url in SCHEMES if ":" in url[:12] and not url.startswith(("http:", "//"))])
def test_no_redirect_leaves_http(listener: Listener, url: str) -> None:
    """Nor to a file, nor to another protocol."""
    target = url.replace("{port}", str(listener.port)).encode().hex()
    with attempted_connections() as attempted:
        refused(lambda client: fetch(client, f"{listener.root}to?{target}"), lambda: AiohttpClient(networks=ONE))
    assert attempted == ["127.0.0.1"]


def test_the_connector_alone_makes_no_refused_connection(listener: Listener) -> None:
    """Whoever forgets to ask the guard first is stopped where sockets are made."""

    async def main() -> None:
        connector = guarded_connector(AddressGuard())
        async with aiohttp.ClientSession(connector=connector) as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(f"http://127.0.0.1:{listener.port}/")

    before = listener.connections
    with attempted_connections() as attempted:
        asyncio.run(main())
    assert (attempted, listener.connections) == ([], before)


def test_localhost_is_only_connected_when_allowed(listener: Listener) -> None:
    """The system's own resolver is judged like any other."""
    url = f"http://localhost:{listener.port}/x"
    networks = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    with attempted_connections() as attempted:
        assert refused(lambda client: fetch(client, url), AiohttpClient).code == "address-refused"
        assert attempted == []
    assert run(lambda client: fetch(client, url), lambda: AiohttpClient(networks=networks)) == b"secret"
