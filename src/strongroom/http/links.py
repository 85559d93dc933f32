"""Which requests for a file are sent on to the bucket, instead of being answered with the bytes.

Decides by the index's setting and by what the client needs: a part that is read soon, a
name for what a browser saves. Does not make the link (`ports.Blobs.link`), and no link
ever stands in a page: it is as good as the right to read, for a short time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from strongroom.core.model import Downloads
from strongroom.http.errors import Headers

LINK_SECONDS = 300
"""How long a link holds: a download must begin within that time, and may take longer."""
WORTH_BYTES = 256 * 1024
"""What is larger is worth the client's second request."""


def goes_to_bucket(downloads: Downloads, *, length_bytes: int, headers: Mapping[bytes, bytes]) -> bool:
    """Return whether so many bytes of a file shall come from the bucket itself."""
    match downloads:
        case Downloads.REDIRECT:
            return True
        case Downloads.STREAM:
            return False
        case Downloads.AUTO:
            # A browser would name the file by the link's last part, which is a digest.
            return length_bytes > WORTH_BYTES and b"sec-fetch-mode" not in headers
        case _:  # pragma: no cover
            assert_never(downloads)


def link_headers(url: str) -> Headers:
    """Return the headers of the 302; nobody may keep it (RFC 9111 5.2.2.5), since the link ends soon."""
    return [
        (b"location", url.encode()),
        (b"content-length", b"0"),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
    ]
