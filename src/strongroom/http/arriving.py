"""A file that is still on its way here, on the wire.

Decides in how many messages it is sent. What a client may have already, and when, is
the mirror's decision (`services/mirror/arrivals.py`).
"""

from __future__ import annotations

from contextlib import aclosing

from strongroom.http.errors import Headers
from strongroom.http.exchange import Exchange
from strongroom.ports import Arriving


async def send_arriving(exchange: Exchange, arriving: Arriving, *, headers: Headers) -> None:
    """Send it as it arrives, in one message if it comes in one piece; raises `UpstreamFault`, `StorageFault`.

    The first bytes come before the start, so that an upstream that fails at once is answered with an error.
    """
    async with aclosing(arriving.chunks()) as chunks:
        first = await anext(chunks, b"")
        if len(first) == arriving.size_bytes:
            await exchange.respond(200, headers=headers, body=first)
            return
        await exchange.start(200, headers=headers)
        await exchange.send({"type": "http.response.body", "body": first, "more_body": True})
        async for chunk in chunks:
            await exchange.send({"type": "http.response.body", "body": chunk, "more_body": True})
        await exchange.send({"type": "http.response.body", "body": b""})
