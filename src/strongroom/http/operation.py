"""Whether the server lives and whether it can work: `/healthz` and `/readyz`.

Tells strangers nothing but words. Does not repair anything and does not decide what is
looked at (`readiness.py`). What is counted is told by `metrics.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from strongroom.core.caller import Caller
from strongroom.http.readiness import Readiness
from strongroom.http.routes import Public, Route


@dataclass(frozen=True, slots=True)
class Operation:
    """The handlers of health and readiness."""

    readiness: Readiness

    def routes(self) -> list[Route]:
        """Return the routes, all public."""
        reason = "a load balancer has no credentials, and nothing but words is told"
        return [
            Route("/healthz", ("GET", "HEAD"), self.health, Public(reason)),
            Route("/readyz", ("GET", "HEAD"), self.ready, Public(reason)),
        ]

    async def health(self, _request: Request, _caller: Caller) -> Response:
        """Answer that the process is alive."""
        return _answer(HTTPStatus.OK, {"status": "ok"})

    async def ready(self, _request: Request, _caller: Caller) -> Response:
        """Answer 200 when all that the server needs can be used, 503 otherwise, and what was found of each."""
        found = await self.readiness.look()
        is_ready = all(finding.is_good for finding in found)
        checks = [
            {"check": finding.check, "status": "ok"}
            if finding.is_good
            else {"check": finding.check, "status": "failed", "code": finding.code}
            for finding in found
        ]
        status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        return _answer(status, {"status": "ready" if is_ready else "not ready", "checks": checks})


def _answer(status: HTTPStatus, body: dict[str, object]) -> Response:
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )
