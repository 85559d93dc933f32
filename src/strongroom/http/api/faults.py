"""From FastAPI's and Starlette's faults to problem+json.

Decides on the words for a request that does not fit the OpenAPI document: one plain
sentence about the first fault, status 422. Other errors are rendered by
`http/errors.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from strongroom.core.access import not_found
from strongroom.core.errors import StorageFault, StrongroomError
from strongroom.http.api.problems import PROBLEM_JSON, UNPROCESSABLE
from strongroom.http.errors import error_response
from strongroom.http.log import request_id

NAME_FAULT = "strongroom-name"
"""The pydantic error type of a name that a `parse_` function refused; its context holds code and sentence."""

_LONGEST_PLACE = 80
_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "string_unicode": "holds characters that are not Unicode",
}


class UnreadableRequest(Exception):
    """The request does not fit the OpenAPI document: status 422."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


async def answer_error(request: Request, error: Exception) -> Response:
    """Answer an error of the core as everywhere else."""
    assert isinstance(error, StrongroomError)
    return error_response(error, request_id(request.scope))


async def answer_unexpected(request: Request, _error: Exception) -> Response:
    """Answer what nobody expected; the entrance logs it."""
    return error_response(StorageFault("server-fault", "An unexpected fault"), request_id(request.scope))


async def answer_http_exception(_request: Request, error: Exception) -> Response:
    """Answer the two that Starlette and FastAPI raise themselves: no such path, a body that cannot be decoded."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return error_response(not_found())
    return _unprocessable("invalid-json", "The body is not JSON in UTF-8")


async def answer_unreadable(_request: Request, error: Exception) -> Response:
    """Answer a request that has too much in it."""
    assert isinstance(error, UnreadableRequest)
    return _unprocessable(error.code, error.sentence)


async def answer_validation_error(_request: Request, error: Exception) -> Response:
    """Answer the first fault that pydantic found."""
    assert isinstance(error, RequestValidationError)
    first: Mapping[str, object] = error.errors()[0]
    return _unprocessable(*_describe(first))


def _describe(fault: Mapping[str, object]) -> tuple[str, str]:
    kind = str(fault["type"])
    location = fault["loc"]
    parts = location if isinstance(location, Sequence) else ()
    if kind == "json_invalid":
        return "invalid-json", "The body is not JSON in UTF-8"
    if len(parts) < 2:
        return "invalid-body", "The body is not a JSON object; send one with the content type application/json"
    where = "query parameter" if parts[0] == "query" else "field"
    place = _place(parts[1:])
    context = fault.get("ctx")
    if kind == NAME_FAULT and isinstance(context, Mapping):
        return str(context["code"]), f"The {where} {place}: {context['sentence']}"
    code = "invalid-query" if parts[0] == "query" else "invalid-body"
    words = _WORDS.get(kind) or f"is refused: {_lower(str(fault['msg']))}"
    return code, f"The {where} {place} {words}"


def _place(parts: Sequence[object]) -> str:
    """Name the place as a path of fields, bounded and printable: a field's name comes from outside."""
    joined = ".".join(str(part) for part in parts)
    return ascii(joined if len(joined) <= _LONGEST_PLACE else f"{joined[: _LONGEST_PLACE - 3]}...")


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _unprocessable(code: str, sentence: str) -> Response:
    body = {
        "title": "Unprocessable Content",
        "status": UNPROCESSABLE,
        "detail": sentence if sentence.endswith(".") else f"{sentence}.",
        "code": code,
    }
    return Response(
        msgspec.json.encode(body),
        status_code=UNPROCESSABLE,
        media_type=PROBLEM_JSON,
        headers={"cache-control": "no-store", "x-content-type-options": "nosniff"},
    )
