"""Which addresses this server may connect to for the sake of an upstream.

Only addresses of the public internet, and networks that the settings name: an upstream,
its pages and its redirects are written by strangers, and the machine's own network is not
for them (OWASP's SSRF advice). Judges the address that a connection is about to use, not
a name, so that a name may resolve to whatever it likes. Connects nothing.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from strongroom.core.errors import UpstreamFault

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_6TO4 = IPv6Network("2002::/16")
_NEVER_GLOBAL = (
    IPv6Network("::/96"),  # IPv4-compatible, dead since RFC 4291
    IPv6Network("::ffff:0:0:0/96"),  # IPv4-translated, RFC 2765
    IPv6Network("64:ff9b:1::/48"),  # NAT64 for local use, RFC 8215
    IPv6Network("fec0::/10"),  # site-local, dead since RFC 3879
    IPv6Network("3fff::/20"),  # documentation, RFC 9637
    IPv6Network("5f00::/16"),  # segment routing identifiers, RFC 9602
    IPv4Network("192.0.0.0/24"),  # IETF protocol assignments; a cloud's metadata service lives in it
    IPv4Network("192.88.99.0/24"),  # 6to4 relays, dead since RFC 7526
)
"""What Python's `is_global` takes for public, or took until lately."""
_DOCUMENTATION = (IPv4Network("192.0.2.0/24"), IPv4Network("198.51.100.0/24"), IPv4Network("203.0.113.0/24"))
"""Used by nobody (RFC 5737): a name that resolves to one is answered by this machine's own gateway, which stands in
for the public internet, as sandboxes and filtering proxies do. There is nothing inside to be reached at it."""
_ENDS_IN_A_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0[xX][0-9A-Fa-f]*)$", re.ASCII)
_CANONICAL = re.compile(r"(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2})){3}", re.ASCII)


class AddressGuard:
    """Judges addresses by what is public and what the settings allow."""

    def __init__(self, allowed: tuple[Network, ...] = ()) -> None:
        """Allow these networks beside all public addresses."""
        self._allowed = allowed

    def check(self, host: str, address: str) -> None:
        """Raise `UpstreamFault` unless a connection to the address may be made; `host` is who is named in it."""
        try:
            parsed = ip_address(address)
        except ValueError:
            raise _refused(host, f"{address!r} is not an IP address") from None
        if not self._is_allowed(parsed) and not (host != address and _is_gateway(parsed)):
            shown = "" if host == address else f" resolves to {address}, which"
            raise _refused(host, f"the host{shown} is not an address of the public internet")

    def check_host(self, host: str) -> None:
        """Raise `UpstreamFault` for a host that is an address which may not be used, or an oddly written one.

        Systems read `2130706433`, `0x7f.1` and `0177.0.0.1` as 127.0.0.1: a host that ends in a
        number is four decimal numbers or nothing (WHATWG URL, "ends in a number checker").
        """
        bare = host.rstrip(".")
        if ":" in bare or _CANONICAL.fullmatch(bare):
            self.check(host, bare)
        elif not bare or _ENDS_IN_A_NUMBER.search(bare):
            raise _refused(host, "the host is an oddly written address")

    def _is_allowed(self, address: Address) -> bool:
        if any(address in network for network in self._allowed):
            return True
        inner = _embedded(address)
        return self._is_allowed(inner) if inner else _is_public(address)


def _embedded(address: Address) -> IPv4Address | None:
    """Return the IPv4 address that packets to this IPv6 address reach in the end."""
    if address.version == 4:
        return None
    bits = int(address)
    if address in _MAPPED or address in _NAT64:
        return IPv4Address(bits & 0xFFFFFFFF)
    if address in _6TO4:
        return IPv4Address(bits >> 80 & 0xFFFFFFFF)
    return None


def _is_gateway(address: Address) -> bool:
    return any(address in network for network in _DOCUMENTATION)


def _is_public(address: Address) -> bool:
    special = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    return address.is_global and not special and not any(address in network for network in _NEVER_GLOBAL)


def _refused(host: str, why: str) -> UpstreamFault:
    return UpstreamFault(
        "address-refused",
        f"No connection is made to {host[:100]}: {why}",
        "If it is an upstream of yours, allow its network with the setting upstream_networks"
        " (STRONGROOM_UPSTREAM_NETWORKS=10.1.2.0/24, networks separated by commas).",
    )
