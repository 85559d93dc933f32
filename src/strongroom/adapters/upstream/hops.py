"""The way from URL to URL: what a request may name, and where a redirect may lead.

Decides on schemes, origins and credentials; the addresses behind the names are judged
by `guard.py`.
"""

from __future__ import annotations

import re
from base64 import b64encode

from yarl import URL

from strongroom.adapters.upstream import faults
from strongroom.core.errors import UpstreamFault
from strongroom.ports import Origin

MOST_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HOST = re.compile(r"[0-9A-Za-z._-]+|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(?:%[0-9A-Za-z._-]+)?", re.ASCII)


def parse_url(raw: str, *, host: str) -> URL:
    """Return an absolute URL without userinfo and fragment; raises `UpstreamFault`.

    A URL of plain ASCII keeps its path and query as they are written, since its author may
    have signed them; what it says before an @ is not used: credentials are set here, not by
    pages. `host` is who gave the URL.
    """
    try:
        url = _read(raw)
        known = url.scheme in ("http", "https") and url.port is not None and _names_a_host(url, raw)
    except ValueError:
        known = False
    if not known:
        raise faults.malformed(host, "gave an address that is not an http or https URL")
    stripped = url.with_fragment(None)
    return stripped if stripped.raw_user is None else stripped.with_user(None)


def redirected(url: URL, location: str | None) -> URL:
    """Return where a redirect leads; raises `UpstreamFault`.

    RFC 9110, 10.2.2: "the field value is resolved" against the URL that was asked.
    """
    host = url.raw_host or ""
    if not location:
        raise faults.malformed(host, "redirected to nowhere")
    try:
        joined = str(url.join(_read(location)))
    except ValueError:
        raise faults.malformed(host, "redirected to something that is not a URL") from None
    target = parse_url(joined, host=host)
    if url.scheme == "https" and target.scheme != "https":
        raise UpstreamFault(
            "upstream-downgrade",
            f"The upstream {host} redirected from https to http, where anybody could change what is sent",
            "Set the URL that the upstream wants to be asked at.",
        )
    return target


def credentials_for(origin: Origin, url: URL) -> dict[str, str]:
    """Return the Authorization header for a URL: empty on all but the upstream's own scheme, host and port."""
    if origin.username is None or _place(url) != _place(parse_url(origin.url, host="")):
        return {}
    userinfo = f"{origin.username}:{origin.password or ''}".encode()
    return {"Authorization": f"Basic {b64encode(userinfo).decode()}"}


def _read(raw: str) -> URL:
    if not raw.isprintable():
        raise ValueError("a control character")
    return URL(raw, encoded=raw.isascii() and " " not in raw)


def _names_a_host(url: URL, raw: str) -> bool:
    host = url.raw_host or ""
    is_bracketed = "[" in raw.partition("://")[2].partition("/")[0]
    return bool(_HOST.fullmatch(host)) and is_bracketed == (":" in host)


def _place(url: URL) -> tuple[str, str, int | None]:
    return url.scheme, (url.raw_host or "").lower(), url.port
