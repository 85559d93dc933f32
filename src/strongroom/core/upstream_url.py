"""The address of an upstream as people type it: checked for its form, credentials split off.

Decides what such a URL may look like. Does not resolve its host nor ask it: which
addresses may be connected to is decided where connections are made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

from strongroom.core.errors import InvalidRequest

_LONGEST = 2000
_USUAL_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[0-9a-z](?:[0-9a-z._-]*[0-9a-z])?\.?|[0-9a-f:.]*:[0-9a-f:.]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class UpstreamUrl:
    """A checked URL, with a slash at its end, and the `username:password` that stood in it (empty: none)."""

    url: str
    userinfo: str = ""

    def __repr__(self) -> str:
        """Show the URL only: the rest is a secret."""
        return f"UpstreamUrl({self.url!r})"


def check_upstream_url(raw: str) -> UpstreamUrl:
    """Return the URL of a simple API and the credentials in it; raises `InvalidRequest`."""
    if len(raw) > _LONGEST or not raw.isascii() or not raw.isprintable() or set(raw) & set(' "<>\\^`{|}'):
        raise _refused("it is too long, or holds characters that no URL has")
    try:
        parts = urlsplit(raw)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _refused("its host or its port cannot be read") from None
    if parts.scheme not in ("http", "https"):
        raise _refused("it does not begin with https:// or http://")
    if not host or not _HOST.fullmatch(host) or port == 0:
        raise _refused("it names no host, or an odd one")
    if parts.query or parts.fragment or "?" in raw or "#" in raw:
        raise _refused("it has a query or a fragment")
    if {".", ".."} & set(unquote(parts.path).split("/")):
        raise _refused("its path has a step back")
    bracketed = f"[{host}]" if ":" in host else host
    place = bracketed if port in (None, _USUAL_PORTS[parts.scheme]) else f"{bracketed}:{port}"
    path = parts.path if parts.path.endswith("/") else f"{parts.path}/"
    return UpstreamUrl(urlunsplit((parts.scheme, place, path, "", "")), _userinfo(parts.username, parts.password))


def _userinfo(username: str | None, password: str | None) -> str:
    if username is None and password is None:
        return ""
    return f"{unquote(username or '')}:{unquote(password or '')}"


def _refused(cause: str) -> InvalidRequest:
    return InvalidRequest(
        "upstream-url",
        f"This is not the address of an upstream: {cause}",
        "Write the address of its simple API, such as https://upstream.example/simple/.",
    )
