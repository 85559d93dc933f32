"""Whether a web page of another site made a browser send a request that changes something.

A browser that was once given credentials adds them to every later request to this
server, a form of somebody else's page included. Decides on what browsers say about
themselves (Fetch Metadata, Origin); installers and uploaders say nothing and pass.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.types import Scope

from strongroom.core.errors import Forbidden

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITE = (b"same-origin", b"none")


def origin_of(url: str | None) -> str | None:
    """Return scheme, host and port of a URL as the Origin header writes them."""
    if not url:
        return None
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def refuse_cross_site(scope: Scope, own_origin: str | None) -> None:
    """Raise `Forbidden` for a changing request from another site's page; `own_origin` is the public URL's."""
    if scope["method"] in _SAFE_METHODS:
        return
    headers: dict[bytes, bytes] = dict(scope["headers"])
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    if site in _OWN_SITE or (site is None and (origin is None or _is_own(origin, headers, own_origin=own_origin))):
        return
    raise Forbidden(
        "cross-site",
        "A web page of another site sent this request",
        "Use the command line, a client such as twine or uv, or a page of this server.",
    )


def _is_own(origin: bytes, headers: dict[bytes, bytes], *, own_origin: str | None) -> bool:
    """Browsers send no Sec-Fetch-Site over plain HTTP: there the Origin must be what was asked."""
    text = origin.decode("latin-1").lower()
    host = headers.get(b"host", b"").decode("latin-1").lower()
    return text == own_origin or (bool(host) and text.partition("://")[2] == host)
