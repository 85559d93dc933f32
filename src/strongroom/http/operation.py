"""What runs the server asks of it: is it alive, can it work.

`/healthz` is cheap and says that the process answers; `/readyz` asks the stores.
Neither tells a stranger anything else.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from strongroom.core.caller import Caller
from strongroom.http.routes import Public, Route
from strongroom.ports import Blobs, Catalog


@dataclass(frozen=True, slots=True)
class Operation:
    """The handlers of health and readiness."""

    catalog: Catalog
    blobs: Blobs

    def routes(self) -> list[Route]:
        """Return the routes, all public."""
        reason = "a load balancer has no credentials, and nothing but a word is told"
        return [
            Route("/healthz", ("GET", "HEAD"), self.health, Public(reason)),
            Route("/readyz", ("GET", "HEAD"), self.readiness, Public(reason)),
        ]

    async def health(self, _request: Request, _caller: Caller) -> Response:
        """Answer that the process is alive."""
        return _word("ok")

    async def readiness(self, _request: Request, _caller: Caller) -> Response:
        """Answer that both stores can be used; raises what they raise (503, 507)."""
        await self.catalog.read(lambda tx: tx.events.serial())
        incoming = await self.blobs.receive()
        await incoming.discard()
        return _word("ready")


def _word(status: str) -> Response:
    return Response(
        msgspec.json.encode({"status": status}),
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )
