"""A route as a value: path, methods, handler, and the right that it needs.

A route cannot be written without saying who may use it. Does not match requests
(Starlette does) and does not check anything (`app.py` does).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from starlette.requests import Request
from starlette.responses import Response

from strongroom.core.access import Network, Right, not_found
from strongroom.core.caller import Caller
from strongroom.core.errors import InvalidName, StrongroomError
from strongroom.core.names import IndexName, ProjectName, parse_index_name, parse_project_name
from strongroom.http.errors import error_response
from strongroom.http.log import request_id

Handler = Callable[[Request, Caller], Awaitable[Response]]
Refusal = Callable[[StrongroomError, Request], Response]


class Subject(Enum):
    """What the right is needed on; read from the path parameters `index` and `project`."""

    SERVER = "server"
    INDEX = "index"
    PROJECT = "project"
    SOME_PROJECT = "some project"
    """An upload: the project is known only from the body, and judged again there."""


@dataclass(frozen=True, slots=True)
class Needs:
    """The principal must hold the right on the subject."""

    right: Right
    subject: Subject


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Any valid credentials will do; the use case decides what they show or change."""

    reason: str


@dataclass(frozen=True, slots=True)
class Public:
    """Anybody may ask, without credentials; the reason says why that is safe."""

    reason: str


Access = Needs | SignedIn | Public


def _answer_problem(error: StrongroomError, request: Request) -> Response:
    return error_response(error, request_id(request.scope))


@dataclass(frozen=True, slots=True)
class Route:
    """One family of requests. Without an `{index}` in the path, the default index is meant.

    `refusal` renders its errors, those of the check before it included, where clients
    expect another form than problem details.
    """

    path: str
    methods: tuple[str, ...]
    handler: Handler
    access: Access
    refusal: Refusal = _answer_problem
    open_networks: tuple[Network, ...] = ()
    """Whose clients there need no right, for tools without credentials; no proxy's word is taken for it."""


def read_index(params: Mapping[str, str], default: IndexName) -> IndexName:
    """Return the index that a path names; a malformed name is an index that does not exist."""
    raw = params.get("index")
    if raw is None:
        return default
    try:
        return parse_index_name(raw)
    except InvalidName:
        raise not_found() from None


def read_project(params: Mapping[str, str]) -> ProjectName:
    """Return the project that a path names; a malformed name is a project that does not exist."""
    try:
        return parse_project_name(params["project"])
    except InvalidName:
        raise not_found() from None
