"""Whether the server lives, whether it can work, and what it has done: `/healthz`, `/readyz`, `/metrics`.

Tells strangers nothing but words, and how far behind a replica is; other numbers are
for administrators and for the networks of the settings. Decides neither what is looked
at (`readiness.py`) nor what is counted (`metrics.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from strongroom.core.access import Network, Right
from strongroom.core.caller import Caller
from strongroom.core.replica import Lag
from strongroom.http.metrics import CONTENT_TYPE, Meters
from strongroom.http.readiness import Readiness
from strongroom.http.routes import Needs, Public, Route, Subject


def _no_lag() -> Lag | None:
    return None


@dataclass(frozen=True, slots=True)
class Operation:
    """The handlers of health, readiness and metrics."""

    readiness: Readiness
    meters: Callable[[], Meters]
    """Asked for at each request: they count what is built on top of these routes."""
    metrics_networks: tuple[Network, ...] = ()
    lag: Callable[[], Lag | None] = _no_lag
    """How far a replica is behind its primary, asked of nobody; None for a server that is none."""

    def routes(self) -> list[Route]:
        """Return the routes; health and readiness are public."""
        reason = "a load balancer has no credentials, and nothing but words is told"
        return [
            Route("/healthz", ("GET", "HEAD"), self.health, Public(reason)),
            Route("/readyz", ("GET", "HEAD"), self.ready, Public(reason)),
            Route(
                "/metrics",
                ("GET", "HEAD"),
                self.metrics,
                Needs(Right.ADMINISTER, Subject.SERVER),
                open_networks=self.metrics_networks,
            ),
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
        body: dict[str, object] = {"status": "ready" if is_ready else "not ready", "checks": checks}
        lag = self.lag()
        if lag is not None:
            behind = None if lag.behind is None else round(lag.behind.total_seconds(), 1)
            body["replica"] = {"behind_seconds": behind, "missing_files": lag.lacking}
        return _answer(status, body)

    async def metrics(self, _request: Request, _caller: Caller) -> Response:
        """Answer what all workers have counted, in Prometheus' text format."""
        text = await self.meters().render()
        return Response(text, headers={"content-type": CONTENT_TYPE, "cache-control": "no-store"})


def _answer(status: HTTPStatus, body: dict[str, object]) -> Response:
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )
