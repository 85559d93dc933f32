"""What an operation can answer when it fails, as the OpenAPI document declares it.

Every status that can come is declared for every operation. Does not render problems
(`http/errors.py`, `faults.py`).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from strongroom.http.routes import Access, Public

PROBLEM_JSON = "application/problem+json"
PROBLEM_SCHEMA: dict[str, object] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457 problem details.",
    "properties": {
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What went wrong and what to do, in one or two sentences."},
        "code": {"type": "string", "description": "The kind of problem, stable and machine-readable."},
        "request": {"type": "string", "description": "The request's name in the server's log, for a server's fault."},
        "ruled_by": {"type": "string", "description": "The index whose rule hides the file."},
        "until": {"type": "string", "format": "date-time", "description": "When the file comes through by itself."},
    },
    "required": ["title", "status", "detail", "code"],
    "additionalProperties": False,
    "examples": [
        {
            "title": "Not Found",
            "status": 404,
            "detail": "There is nothing here, or you may not see it. Check the name, the URL and your rights.",
            "code": "not-found",
        }
    ],
}
UNPROCESSABLE = 422
UPSTREAM_PROBLEMS = (502, 504)
"""What an operation can answer that may have to ask an upstream."""
_MEANINGS = {
    400: "A rule speaks against it; the code names the rule.",
    401: "No credentials, or none that are valid.",
    403: "The caller lacks the right, or the token may not be used from this network.",
    404: "It does not exist, or the caller may not see it.",
    408: "The body came too slowly.",
    409: "It contradicts what is stored.",
    413: "The body is larger than 1048576 bytes.",
    422: "The query or the body is not what this document says.",
    502: "The upstream failed, or gave something that it must not give.",
    504: "The upstream did not answer in time.",
    429: "Too many passwords are being checked; try again later.",
}
_SIGNED = (401, 403, 429)


def declare_problems(
    access: Access, more: tuple[int, ...]
) -> dict[int | str, dict[str, Any]]:  # Any: FastAPI's own type
    """Return FastAPI's `responses` of an operation: the statuses that can come besides success."""
    statuses = {UNPROCESSABLE, *more, *(() if isinstance(access, Public) else _SIGNED)}
    declared: dict[int | str, dict[str, Any]] = {status: _response(status) for status in sorted(statuses)}
    declared["5XX"] = _answer("The server failed: 500 a fault of its own, 503 a store is away, 507 no room.")
    return declared


def _response(status: int) -> dict[str, Any]:  # Any: FastAPI's own type
    response = _answer(f"{HTTPStatus(status).phrase}. {_MEANINGS[status]}")
    if status == HTTPStatus.UNAUTHORIZED:
        challenge = {"description": "The scheme to use.", "required": True, "schema": {"type": "string"}}
        response["headers"] = {"WWW-Authenticate": challenge}
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        response["headers"] = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
    return response


def _answer(description: str) -> dict[str, Any]:  # Any: FastAPI's own type
    return {
        "description": description,
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
