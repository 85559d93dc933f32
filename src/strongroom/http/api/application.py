"""The API as an ASGI application, and its OpenAPI document.

Every endpoint is a value with its right (`endpoint.py`), so one without it cannot be
built. Answers what no endpoint answers: other methods, HEAD, OPTIONS, unknown paths.
Does not check credentials or rights itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strongroom.core.errors import NotAllowed, StrongroomError
from strongroom.http.api import (
    audit,
    changes,
    exemptions,
    explanations,
    files,
    identity,
    indexes,
    projects,
    promotions,
    releases,
    shield,
    tokens,
    trials,
    users,
)
from strongroom.http.api.document import OpenApiDocument
from strongroom.http.api.endpoint import Endpoint, GuardedRoute
from strongroom.http.api.faults import (
    UnreadableRequest,
    answer_error,
    answer_http_exception,
    answer_unexpected,
    answer_unreadable,
    answer_validation_error,
)
from strongroom.http.api.use_cases import UseCases
from strongroom.http.app import Guard
from strongroom.http.routes import Public


def build_api(services: UseCases, guard: Guard, *, server_url: str) -> FastAPI:
    """Return the application; `server_url` is the path at which clients find it."""
    app = FastAPI(
        title="Strongroom",
        version=version("strongroom"),
        openapi_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
        middleware=[Middleware(HeadAsGet)],
        exception_handlers={
            StrongroomError: answer_error,
            HTTPException: answer_http_exception,
            RequestValidationError: answer_validation_error,
            UnreadableRequest: answer_unreadable,
            Exception: answer_unexpected,
        },
    )
    routes = [
        GuardedRoute(endpoint, guard, tag=tag)
        for tag, endpoints in _families(services, guard)
        for endpoint in endpoints
    ]
    document = OpenApiDocument(app, routes, server_url=server_url)
    reason = "the document tells how to ask, and nothing of what is stored"
    openapi = Endpoint("GET", "/openapi.json", document.show_document, Public(reason))
    routes.append(GuardedRoute(openapi, guard, tag="openapi"))
    app.router.routes.extend([*routes, *_other_methods(routes)])
    return app


def _families(services: UseCases, guard: Guard) -> list[tuple[str, list[Endpoint]]]:
    return [
        (identity.TAG, identity.Identity().endpoints()),
        (indexes.TAG, indexes.IndexEndpoints(services.indexes).endpoints()),
        (shield.TAG, shield.ShieldEndpoints(services.shield).endpoints()),
        (trials.TAG, trials.TrialEndpoints(services.trial).endpoints()),
        (exemptions.TAG, exemptions.ExemptionEndpoints(services.exemptions).endpoints()),
        (
            projects.TAG,
            projects.ProjectEndpoints(services.releases, services.browse, cache=guard.cache).endpoints(),
        ),
        (explanations.TAG, explanations.ExplanationEndpoints(services.explain).endpoints()),
        (releases.TAG, releases.ReleaseEndpoints(services.releases, services.browse).endpoints()),
        (promotions.TAG, promotions.PromotionEndpoints(services.promotions).endpoints()),
        (files.TAG, files.FileEndpoints(services.releases, services.download).endpoints()),
        (users.TAG, users.UserEndpoints(services.accounts).endpoints()),
        (tokens.TAG, tokens.TokenEndpoints(services.tokens).endpoints()),
        (audit.TAG, audit.AuditEndpoints(services.audit).endpoints()),
        (changes.TAG, changes.ChangeEndpoints(services.change_feed, services.replica).endpoints()),
    ]


class HeadAsGet:
    """Middleware that answers HEAD as GET, without the body (RFC 9110 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app({**scope, "method": "GET"}, receive, send_without_body)


class OtherMethods:
    """Answers every method that a path does not have: OPTIONS says which it has, the others are refused."""

    def __init__(self, methods: set[str]) -> None:
        self._allowed = tuple(sorted({"OPTIONS", *methods, *({"HEAD"} if "GET" in methods else ())}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request; raises `NotAllowed`."""
        allowed = ", ".join(self._allowed)
        if scope["method"] != "OPTIONS":
            method = ascii(scope["method"][:20]).strip("'")
            raise NotAllowed("method", f"{method} is not possible here", f"Use {allowed}.", allowed=self._allowed)
        await Response(status_code=204, headers={"allow": allowed})(scope, receive, send)


def _other_methods(routes: Sequence[GuardedRoute]) -> list[BaseRoute]:
    by_path: dict[str, set[str]] = {}
    for route in routes:
        by_path.setdefault(route.path, set()).update(route.methods or ())
    return [Route(path, OtherMethods(methods)) for path, methods in by_path.items()]
