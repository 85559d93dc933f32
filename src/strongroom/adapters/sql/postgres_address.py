"""Whether the way to a PostgreSQL server is one on which somebody could stand in for it.

Reads the address as the driver would, without connecting. By default libpq encrypts if
the server likes to, and believes whoever answers (`sslmode=prefer`). Does not look at
what the server asks of its clients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_VERIFIED = frozenset({"verify-ca", "verify-full"})


def is_unverified(address: str, *, environment: Mapping[str, str]) -> bool:
    """Return whether a server elsewhere is reached without proof that it is the one; False for what is no address."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        return False
    if not url.drivername.startswith("postgres"):
        return False
    mode = _last(url, "sslmode") or environment.get("PGSSLMODE", "")
    return mode not in _VERIFIED and not all(_is_near(host) for host in _hosts(url, environment))


def _hosts(url: URL, environment: Mapping[str, str]) -> Iterator[str]:
    named = (
        [url.host] if url.host else [part for key in ("hostaddr", "host") for part in url.normalized_query.get(key, ())]
    )
    for part in named or [environment.get("PGHOST", "")]:
        yield from part.split(",")


def _last(url: URL, key: str) -> str:
    return (url.normalized_query.get(key) or ("",))[-1]


def _is_near(host: str) -> bool:
    """Return whether it is a socket's directory, none at all (then it is the socket), or the loopback address."""
    if host in {"", "localhost"} or host.startswith(("/", "@")):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
