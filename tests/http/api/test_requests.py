from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from strongroom.core.caller import Caller
from strongroom.core.model import Index
from strongroom.http.api.application import build_api
from strongroom.http.api.late import PATH
from strongroom.services.indexes import Indexes
from tests.fakes import FakeSeals
from tests.http.api.office import NOT_FOUND, Office

SENTENCES = {
    b"": "The body is not a JSON object; send one with the content type application/json.",
    b"[]": "The body is not a JSON object; send one with the content type application/json.",
    b"null": "The body is not a JSON object; send one with the content type application/json.",
    b"{": "The body is not JSON in UTF-8.",
    b"\xff": "The body is not JSON in UTF-8.",
    b"\x00": "The body is not JSON in UTF-8.",
    b"[" * 100_000: "The body is not JSON in UTF-8.",
    b'{"a":' * 100_000: "The body is not JSON in UTF-8.",
    b"1" * 10_000: "The body is not JSON in UTF-8.",
    b"{}": "The field 'name' is missing.",
    b'{"name": 7}': "The field 'name' is refused: input should be a valid string.",
    b'{"name": "x", "colour": "red"}': "The field 'colour' is not known here.",
    b'{"name": "x", "accepts_uploads": 1}': "The field 'accepts_uploads' is refused: input should be a valid boolean.",
    b'{"name": "x\\u0000"}': (
        "The field 'name': 'x\\x00' is not an index name. Use lower-case letters, digits and '-', 64 at most, "
        "with a letter or digit at both ends."
    ),
    b'{"name": "\\ud800"}': (
        "The field 'name': '\\ud800' is not an index name. Use lower-case letters, digits and '-', 64 at most, "
        "with a letter or digit at both ends."
    ),
}


@pytest.mark.parametrize("body", SENTENCES, ids=lambda body: ascii(body[:40]))
def test_a_body_that_does_not_fit(office: Office, body: bytes) -> None:
    """The first fault is told in one plain sentence, and nothing is changed."""
    reply = office.ask("POST", "/indexes", token=office.ada, body=body)
    assert reply.headers["content-type"] == "application/problem+json"
    assert (reply.status, reply.json["title"], reply.json["status"]) == (422, "Unprocessable Content", 422)
    assert reply.json["detail"] == SENTENCES[body]
    assert office.events() == []


@pytest.mark.parametrize("name", ["\\ud800", "\\u0000", "x" * 5000, "'", "\\u001b[31m"])
def test_a_field_with_a_strange_name(office: Office, name: str) -> None:
    """An unknown field is named on one printable line of bounded length, whatever it is called."""
    reply = office.ask("POST", "/indexes", token=office.ada, body=f'{{"name": "x", "{name}": 1}}')
    detail = str(reply.json.get("detail"))
    assert reply.status == 422
    assert detail.isprintable()
    assert len(detail) < 200


def test_another_content_type(office: Office) -> None:
    """A body that is not declared as JSON is not read as JSON, so a plain form of a web page cannot send one."""
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        reply = office.ask("POST", "/indexes", token=office.ada, body='{"name": "staging"}', content_type=content_type)
        assert (reply.status, reply.json["code"]) == (422, "invalid-body")
    assert office.events() == []


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("limit=0", "The query parameter 'limit' is refused: input should be greater than or equal to 1."),
        ("limit=1001", "The query parameter 'limit' is refused: input should be less than or equal to 1000."),
        (
            "limit=many",
            "The query parameter 'limit' is refused: input should be a valid integer, unable to parse string as an "
            "integer.",
        ),
        ("limt=5", "There is no query parameter 'limt' here."),
        ("%00=%ff", "There is no query parameter '\\x00' here."),
    ],
)
def test_a_query_that_does_not_fit(office: Office, query: str, sentence: str) -> None:
    """A mistyped parameter is not ignored."""
    reply = office.ask("GET", f"/indexes?{query}", token=office.ada)
    assert (reply.status, reply.json["detail"]) == (422, sentence)


@pytest.mark.parametrize("cursor", ["x", "0", "0A", "%00", "00" * 201, "00%0A"])
def test_a_cursor_of_the_wrong_form(office: Office, cursor: str) -> None:
    """What no page ever gave as a cursor is refused."""
    assert office.ask("GET", f"/indexes?cursor={cursor}", token=office.ada).json["code"] == "invalid-query"


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/indexes/", "/indexes/main/", "/indexes/%2e%2e/whoami", "/users//grants", "/%00", "/%ff"]
)
def test_an_unknown_path(office: Office, path: str) -> None:
    """A path that there is not answers like a thing that is missing."""
    reply = office.ask("GET", path, token=office.carol)
    assert (reply.status, reply.json) == (404, NOT_FOUND)


def test_a_body_that_is_too_large(office: Office) -> None:
    """The server's limit for bodies holds for the API, and is told as such."""
    reply = office.ask("POST", "/indexes", token=office.ada, body=b" " * (1024 * 1024 + 1))
    assert (reply.status, reply.json["code"]) == (413, "too-large")
    assert office.events() == []


def test_head(office: Office) -> None:
    """HEAD answers as GET does, without the body."""
    whole = office.ask("GET", "/indexes", token=office.ada)
    head = office.ask("HEAD", "/indexes", token=office.ada)
    assert (head.status, head.body, head.headers) == (200, b"", whole.headers)
    assert office.ask("HEAD", "/indexes").status == 401


def test_options(office: Office) -> None:
    """OPTIONS says which methods a path has; no other origin is invited."""
    reply = office.ask("OPTIONS", "/indexes/main", token=None)
    assert (reply.status, reply.body, dict(reply.headers)) == (
        204, b"", {"allow": "DELETE, GET, HEAD, OPTIONS, PATCH"},
    )  # fmt: skip


@pytest.mark.parametrize("method", ["PUT", "TRACE", "PROPFIND"])
def test_another_method(office: Office, method: str) -> None:
    """A method that a path does not have is refused with those that it has."""
    reply = office.ask(method, "/indexes", token=office.ada)
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert reply.json == {
        "title": "Method Not Allowed",
        "status": 405,
        "detail": f"{method} is not possible here. Use GET, HEAD, OPTIONS, POST.",
        "code": "method",
    }


def test_answers_are_not_kept(office: Office) -> None:
    """No cache keeps an answer, and no browser guesses its type."""
    for reply in (office.ask("GET", "/indexes", token=office.ada), office.ask("GET", "/indexes?x=1", token=office.ada)):
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["x-content-type-options"] == "nosniff"


def test_a_store_that_is_away(office: Office) -> None:
    """When the catalog does not answer, the client is asked to come again."""
    asyncio.run(office.catalog.close())
    reply = office.ask("GET", "/indexes", token=office.ada)
    assert (reply.status, reply.headers["retry-after"]) == (503, "5")


class _BrokenIndexes(Indexes):
    """A use case with a defect."""

    async def list(self, caller: Caller) -> tuple[Index, ...]:
        """Fail."""
        raise RuntimeError(f"a secret of {caller.address}")


def test_a_defect_tells_nothing(office: Office) -> None:
    """An unexpected fault is a problem like any other, without its inside."""
    broken = _BrokenIndexes(office.catalog, office.clock, FakeSeals())
    office.mount(build_api(replace(office.use_cases, indexes=broken), office.guard, server_url=PATH))
    reply = office.ask("GET", "/indexes", token=office.ada)
    assert (reply.status, reply.json["code"]) == (500, "server-fault")
    assert b"secret" not in reply.body
