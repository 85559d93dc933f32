"""Errors on the wire: one table from error class to status, one shape of body.

RFC 9457 problem details, as PEP 847 asks for on the simple API; uv and pip show
title and detail. Upload answers have their own negotiation in `upload.py`.
"""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from starlette.responses import Response

from strongroom.core import errors

STATUS: dict[type[errors.StrongroomError], HTTPStatus] = {
    errors.InvalidName: HTTPStatus.BAD_REQUEST,
    errors.InvalidRequest: HTTPStatus.BAD_REQUEST,
    errors.UploadRefused: HTTPStatus.BAD_REQUEST,
    # PyPI's answer, which twine, poetry and pdm match together with the words "File already exists".
    errors.FileExists: HTTPStatus.BAD_REQUEST,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.Hidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.NotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Gone: HTTPStatus.GONE,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.TooSlow: HTTPStatus.REQUEST_TIMEOUT,
    errors.TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Unreachable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.UpstreamFault: HTTPStatus.BAD_GATEWAY,
    errors.UpstreamTimeout: HTTPStatus.GATEWAY_TIMEOUT,
    errors.StorageFull: HTTPStatus.INSUFFICIENT_STORAGE,
    errors.StorageFault: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.ConfigurationFault: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""Every class of `core.errors`; a test walks the tree and fails if one is missing."""

PROBLEM_JSON = b"application/problem+json"
CHALLENGE = b'Basic realm="Strongroom", charset="UTF-8"'
_RETRY_AFTER_SECONDS = b"5"
_HIDDEN = (errors.StorageFault, errors.ConfigurationFault)

Headers = list[tuple[bytes, bytes]]


def status_of(error: errors.StrongroomError) -> HTTPStatus:
    """Return the status that stands for the error."""
    return STATUS[type(error)]


def problem_body(error: errors.StrongroomError, request: str | None = None) -> bytes:
    """Return the problem details; the inside of a server's fault stays in the log.

    A server's fault names the request, as the log does. What a client did wrong does
    not: what may not be seen is answered with the same bytes as what is not there.
    """
    status = status_of(error)
    message, hint = error.message, error.hint
    if isinstance(error, _HIDDEN):
        message, hint = "The server failed at this request", "Try again; if it stays, ask whoever runs this server."
    body = {
        "title": status.phrase,
        "status": status.value,
        "detail": f"{message}. {hint}" if hint else message,
        "code": error.code,
    }
    if request is not None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        body |= {"request": request}
    if isinstance(error, errors.Hidden):
        body |= {"ruled_by": error.ruled_by}
        if error.until is not None:
            body |= {"until": error.until.isoformat(timespec="seconds")}
    return msgspec.json.encode(body)


def extra_headers(error: errors.StrongroomError) -> Headers:
    """Return the headers that the status asks for (RFC 9110), whatever the body's form."""
    match error:
        case errors.Unauthenticated():
            return [(b"www-authenticate", CHALLENGE)]
        case errors.Unavailable() | errors.TooMany() | errors.UpstreamFault():
            return [(b"retry-after", _RETRY_AFTER_SECONDS)]
        case errors.NotAllowed(allowed=allowed):
            return [(b"allow", ", ".join(allowed).encode("latin-1"))]
        case _:
            return []


def render_error(error: errors.StrongroomError, request: str | None = None) -> tuple[int, Headers, bytes]:
    """Return status, headers and body of a problem+json answer to the request of that name."""
    body = problem_body(error, request)
    headers: Headers = [
        (b"content-type", PROBLEM_JSON),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *extra_headers(error),
    ]
    return status_of(error).value, headers, body


def error_response(error: errors.StrongroomError, request: str | None = None) -> Response:
    """Return the problem+json response of an error, to the request of that name."""
    status, headers, body = render_error(error, request)
    response = Response(body, status_code=status)
    response.raw_headers = headers
    return response
