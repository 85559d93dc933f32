"""aiohttp's connections, guarded: each address is judged at the moment before it is connected.

The resolver judges what a name resolves to, for the sake of a clear message; the socket
factory judges again what is really connected, and no connection is made past it. With
a proxy the addresses are the proxy's business: then only hosts that are written as
addresses are judged (`exchange.py`). Loaded late: aiohttp takes half a second.
"""

from __future__ import annotations

import socket
from ipaddress import ip_address

from aiohttp import AddrInfoType, TCPConnector, ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from strongroom.adapters.upstream.guard import AddressGuard
from strongroom.core.errors import UpstreamFault

CONNECTIONS_PER_HOST = 64
_KEEPALIVE_SECONDS = 60


class GuardedResolver(AbstractResolver):
    """Resolves names as the system does, and refuses a name with an address that may not be used."""

    def __init__(self, guard: AddressGuard, resolver: AbstractResolver | None = None) -> None:
        """Judge by this guard what the resolver says; without one, the system is asked."""
        self._guard = guard
        self._resolver = resolver or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses; raises `UpstreamFault` if one of them may not be used."""
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            self._guard.check(host, result["host"])
        return found

    async def close(self) -> None:
        """Release what the resolver holds."""
        await self._resolver.close()


def guarded_connector(guard: AddressGuard, resolver: AbstractResolver | None = None) -> TCPConnector:
    """Return a connector that makes no connection which the guard refuses."""

    def make_socket(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        try:
            guard.check("that host", str(ip_address(str(address[0]))))
        except UpstreamFault as fault:
            raise PermissionError(fault.message) from fault  # the race of addresses understands only OSError
        return socket.socket(family=family, type=kind, proto=protocol)

    return TCPConnector(
        resolver=GuardedResolver(guard, resolver),
        socket_factory=make_socket,
        limit=0,
        limit_per_host=CONNECTIONS_PER_HOST,
        keepalive_timeout=_KEEPALIVE_SECONDS,
    )


def proxied_connector() -> TCPConnector:
    """Return a connector that is used towards proxies only."""
    return TCPConnector(limit=0, limit_per_host=CONNECTIONS_PER_HOST, keepalive_timeout=_KEEPALIVE_SECONDS)
