"""A route as a value: path, methods, handler, and the right that it needs.

A route cannot be written without saying who may use it. Does not match requests
(Starlette does) and does not check anything (`app.py` does).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from starlette.requests import Request
from starlette.responses import Response

from strongroom.core.access import Right
from strongroom.core.caller import Caller

Handler = Callable[[Request, Caller], Awaitable[Response]]


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


@dataclass(frozen=True, slots=True)
class Route:
    """One family of requests. Without an `{index}` in the path, the default index is meant."""

    path: str
    methods: tuple[str, ...]
    handler: Handler
    access: Access
