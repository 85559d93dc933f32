"""What an uploader is told, in the form that he asks for.

twine, poetry and flit show plain text, uv unwraps PyPI's JSON, others want problem
details. The first line is one sentence that says what to do. Does not decide the
status (`errors.py`).
"""

from __future__ import annotations

import re
from http import HTTPStatus

import msgspec
from starlette.responses import Response

from strongroom.core.errors import StrongroomError
from strongroom.core.upload import Outcome, Published
from strongroom.http.errors import Headers, extra_headers, problem_body, status_of

_TEXT, _JSON, _PROBLEM = "text/plain", "application/json", "application/problem+json"
_OFFERS = (_TEXT, _JSON, _PROBLEM)
"""The first is for whoever does not care."""
_LONGEST_ACCEPT = 1000
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_WEIGHT = re.compile(r"\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*", re.ASCII | re.IGNORECASE)


class _Problem(msgspec.Struct):
    title: str
    detail: str


_decode_problem = msgspec.json.Decoder(_Problem).decode


def answer_published(published: Published) -> Response:
    """Say that the file is published, by this request or by an earlier one, and what its sender should know."""
    file = published.file
    told = "Published" if published.outcome is Outcome.CREATED else "Already published, unchanged:"
    text = "".join(f"{line}\n" for line in (f"{told} {file.filename} in the index '{file.index}'", *published.remarks))
    return _response(HTTPStatus.OK, _TEXT, body=text.encode(), headers=[])


def answer_refusal(error: StrongroomError, accept: str) -> Response:
    """Say why the file is not published, in the form that the Accept header prefers."""
    status = status_of(error)
    problem = problem_body(error)
    media_type = choose_media_type(accept)
    if media_type == _PROBLEM:
        return _response(status, media_type, body=problem, headers=extra_headers(error))
    shown = _decode_problem(problem)
    sentence = _CONTROLS.sub(" ", shown.detail)
    if media_type == _TEXT:
        return _response(status, media_type, body=f"{sentence}\n".encode(), headers=extra_headers(error))
    # PyPI's shape; uv shows `code`.
    body = {"message": sentence, "code": f"{status.value} {sentence}", "title": shown.title}
    return _response(status, media_type, body=msgspec.json.encode(body), headers=extra_headers(error))


def choose_media_type(accept: str) -> str:
    """Return the offered type that the header prefers; plain text if it names none of them."""
    weights = dict.fromkeys(_OFFERS, 0.0)
    specificity = dict.fromkeys(_OFFERS, 0)
    for item in accept[:_LONGEST_ACCEPT].split(","):
        name, *parameters = item.split(";")
        weight = next((float(match[1]) for match in map(_WEIGHT.fullmatch, parameters) if match), 1.0)
        for offer in _OFFERS:
            rank = _rank(name.strip().lower(), offer)
            if rank > specificity[offer]:
                weights[offer], specificity[offer] = weight, rank
    best = max(weights.values())
    return next(offer for offer in _OFFERS if weights[offer] == best)


def _rank(wanted: str, offer: str) -> int:
    """Return how specific the range is, 0 if it does not fit (RFC 9110 12.5.1)."""
    if wanted == offer:
        return 3
    if wanted == f"{offer.partition('/')[0]}/*":
        return 2
    return 1 if wanted == "*/*" else 0


def _response(status: HTTPStatus, media_type: str, *, body: bytes, headers: Headers) -> Response:
    # uv reads PyPI's JSON only from exactly "application/json".
    content_type = "text/plain; charset=utf-8" if media_type == _TEXT else media_type
    response = Response(body, status_code=status.value)
    response.raw_headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"vary", b"Accept"),
        *headers,
    ]
    return response
