"""The application: the lane in front, the routes behind it, the check before each.

Every route declares the right that it needs (`routes.py`), so a route without one
cannot be built. The check here judges with what the worker remembers; the use case
judges again inside its transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp

from strongroom.core.access import (
    ANONYMOUS,
    SERVER,
    Anonymous,
    IndexTarget,
    Principal,
    ProjectTarget,
    Right,
    Server,
    demand,
    may_somewhere,
    not_found,
)
from strongroom.core.caller import Caller
from strongroom.core.errors import InvalidRequest, NotAllowed, StorageFault, StrongroomError, Unauthenticated
from strongroom.core.names import IndexName
from strongroom.http.auth import Authenticator
from strongroom.http.cache import Cache
from strongroom.http.errors import error_response
from strongroom.http.log import log_fault, request_id
from strongroom.http.routes import Needs, Public, Route, SignedIn, Subject, read_index, read_project


@dataclass(frozen=True, slots=True)
class Guard:
    """Checks the right that a route declares, before its handler runs."""

    authenticator: Authenticator
    cache: Cache
    default_index: IndexName

    async def admit(self, route: Route, request: Request) -> Caller:
        """Return the caller; raises `Unauthenticated`, `Forbidden`, `NotFound`."""
        if isinstance(route.access, Public) or self.authenticator.is_near(request.scope, route.open_networks):
            return Caller(ANONYMOUS, address=str(self.authenticator.address(request.scope) or ""))
        if not self.cache.is_current():
            await self.cache.refresh()
        caller = await self.authenticator.caller(request.scope)
        self.check(route.access, caller.principal, params=dict(request.path_params))
        return caller

    def check(self, access: Needs | SignedIn, principal: Principal, *, params: dict[str, str]) -> None:
        """Raise unless the principal has what the route needs."""
        if isinstance(access, SignedIn):
            if isinstance(principal, Anonymous):
                raise Unauthenticated("unauthenticated", "This needs credentials", "Send a token as the password.")
            return
        if isinstance(principal, Anonymous) and not self._may_be_open(access, params):
            demand(principal, access.right, target=SERVER, open_indexes=frozenset())
        match access.subject:
            case Subject.SERVER:
                self._demand(principal, access.right, target=SERVER)
            case Subject.INDEX:
                self._demand(principal, access.right, target=IndexTarget(read_index(params, self.default_index)))
            case Subject.PROJECT:
                target = ProjectTarget(read_index(params, self.default_index), read_project(params))
                self._demand(principal, access.right, target=target)
            case Subject.SOME_PROJECT:
                index = read_index(params, self.default_index)
                if not may_somewhere(principal, access.right, index=index):
                    self._demand(principal, access.right, target=IndexTarget(index))

    def _demand(self, principal: Principal, right: Right, *, target: Server | IndexTarget | ProjectTarget) -> None:
        if not isinstance(target, Server) and target.index not in self.cache.indexes:
            if isinstance(principal, Anonymous):
                demand(principal, right, target=SERVER, open_indexes=frozenset())
            raise not_found()
        demand(principal, right, target=target, open_indexes=self.cache.open_indexes)

    def _may_be_open(self, access: Needs, params: dict[str, str]) -> bool:
        return access.right is Right.READ and params.get("index", self.default_index) in self.cache.open_indexes


def build_router(guard: Guard, routes: Sequence[Route], *, mounts: Sequence[tuple[str, ASGIApp]] = ()) -> Starlette:
    """Return the Starlette application of these routes; errors leave it as problem+json."""
    starlette_routes: list[BaseRoute] = [Mount(path, app=app) for path, app in mounts]
    by_path: dict[str, list[Route]] = {}
    for route in routes:
        by_path.setdefault(route.path, []).append(route)
    for path, same_path in by_path.items():
        starlette_routes.extend(_starlette_route(guard, route) for route in same_path)
        starlette_routes.append(_refuse_other_methods(path, same_path))
    app = Starlette(
        routes=starlette_routes,
        exception_handlers={HTTPException: _answer_http_exception, Exception: _answer_unexpected},
    )
    # Its redirects are absolute, from the Host header: they would lose https, the prefix, and send a setup key there.
    app.router.redirect_slashes = False
    return app


def _starlette_route(guard: Guard, route: Route) -> StarletteRoute:
    async def endpoint(request: Request) -> Response:
        try:
            caller = await guard.admit(route, request)
            return await route.handler(request, caller)
        except StrongroomError as error:
            log_fault(error, request.scope)
            return route.refusal(error, request)

    return StarletteRoute(route.path, endpoint, methods=list(route.methods))


def _refuse_other_methods(path: str, routes: list[Route]) -> StarletteRoute:
    allowed = tuple(sorted({method for route in routes for method in route.methods}))

    async def endpoint(request: Request) -> Response:
        reason, hint = f"{request.method} is not possible here", f"Use {', '.join(allowed)}."
        return routes[0].refusal(NotAllowed("method", reason, hint, allowed=allowed), request)

    return StarletteRoute(path, endpoint, methods=[])  # none named: it takes whatever the routes before it left


async def _answer_unexpected(request: Request, _error: Exception) -> Response:
    """Answer what nobody expected as any other problem; Starlette raises it again, and the entrance logs it."""
    return error_response(StorageFault("server-fault", "An unexpected fault"), request_id(request.scope))


async def _answer_http_exception(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404:
        return error_response(not_found())
    return error_response(InvalidRequest("bad-request", str(error.detail) or "The request is malformed"))
