"""An endpoint as a value, and the route that checks its declared right before anything is read.

An endpoint cannot be written without saying who may use it. Credentials come in the
Authorization header only: a cookie is never looked at. Does not decide who may
(`core/access.py`); the use cases judge again in their transactions.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from strongroom.core.access import ANONYMOUS, Signed
from strongroom.core.caller import Caller
from strongroom.http.api.faults import UnreadableRequest
from strongroom.http.api.problems import declare_problems
from strongroom.http.app import Guard
from strongroom.http.routes import Access, Needs, Public, Subject

_CALLER = "strongroom.caller"
_WITH_TARGET = (Subject.INDEX, Subject.PROJECT)

Handler = Callable[..., Awaitable[object]]
"""A method whose annotations tell FastAPI what it takes and answers."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path. `problems` are statuses that it can answer besides the usual ones.

    `answers` says what a success is, where it is not JSON.
    """

    method: str
    path: str
    handler: Handler
    access: Access
    status: int = 200
    problems: tuple[int, ...] = ()
    answers: type[Response] = JSONResponse

    @property
    def name(self) -> str:
        """Return the operation's id: the handler's name."""
        return self.handler.__name__


class GuardedRoute(APIRoute):
    """FastAPI's route for an endpoint: admits the caller before it reads query and body."""

    def __init__(self, endpoint: Endpoint, guard: Guard, *, tag: str) -> None:
        self.access = endpoint.access
        self._guard = guard
        summary, _, description = inspect.cleandoc(endpoint.handler.__doc__ or "").partition("\n\n")
        super().__init__(
            endpoint.path,
            endpoint.handler,
            methods=[endpoint.method],
            status_code=endpoint.status,
            response_class=endpoint.answers,
            operation_id=endpoint.name,
            summary=summary.rstrip("."),
            description=description,
            response_description="Done",
            tags=[tag],
        )
        self.responses = declare_problems(endpoint.access, self._more(endpoint))
        self._known_query = _query_names(self.dependant)

    def _more(self, endpoint: Endpoint) -> tuple[int, ...]:
        on_target = isinstance(endpoint.access, Needs) and endpoint.access.subject in _WITH_TARGET
        body = (400, 408, 413) if self.body_field is not None else ()
        return (*endpoint.problems, *body, *((404,) if on_target else ()))

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:  # Any: FastAPI's own signature
        """Return the handler of a request that is yet to be admitted."""
        handle = super().get_route_handler()

        async def admit(request: Request) -> Response:
            request.scope[_CALLER] = await self._admit(request)
            self._refuse_unknown_query(request)
            if self.body_field is not None:
                await request.body()  # here, so that FastAPI does not take "too large" for a malformed body
            response = await handle(request)
            response.headers["cache-control"] = "no-store"
            response.headers["x-content-type-options"] = "nosniff"
            return response

        return admit

    async def _admit(self, request: Request) -> Caller:
        guard, access = self._guard, self.access
        if isinstance(access, Public):
            return Caller(ANONYMOUS)
        if not guard.cache.is_current():
            await guard.cache.refresh()
        caller = await guard.authenticator.caller(request.scope)
        guard.check(access, caller.principal, params=dict(request.path_params))
        return caller

    def _refuse_unknown_query(self, request: Request) -> None:
        for name in request.query_params:
            if name not in self._known_query:
                raise UnreadableRequest("unknown-parameter", f"There is no query parameter {name[:40]!a} here")


def _query_names(dependant: Dependant) -> set[str]:
    names = {field.alias for field in dependant.query_params}
    return names.union(*(_query_names(inner) for inner in dependant.dependencies))


async def get_caller(request: Request) -> Caller:
    """Return whom the route admitted."""
    caller = request.scope[_CALLER]
    assert isinstance(caller, Caller)
    return caller


def get_signed(caller: Caller) -> Signed:
    """Return who signed in, for routes that admit nobody else."""
    assert isinstance(caller.principal, Signed)
    return caller.principal


CurrentCaller = Annotated[Caller, Depends(get_caller)]
