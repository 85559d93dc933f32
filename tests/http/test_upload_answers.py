"""What an uploader is told, in the form that he asks for."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.errors import FileExists, StorageFault, Unauthenticated, Unavailable, UploadRefused
from strongroom.core.upload import Outcome, Published
from strongroom.http.upload_answers import answer_published, answer_refusal, choose_media_type
from tests.factories import a_file

_EXISTS = FileExists("file-exists", "File already exists (demo.whl), with other bytes", "Raise the version.")
_UV = "application/json;q=0.9, text/plain;q=0.8, text/html;q=0.7"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "text/plain"),
        ("*/*", "text/plain"),
        ("text/html", "text/plain"),
        ("text/*", "text/plain"),
        ("nonsense;;;q=,", "text/plain"),
        (_UV, "application/json"),
        ("application/json", "application/json"),
        ("application/*", "application/json"),
        ("application/problem+json", "application/problem+json"),
        ("application/problem+json, */*;q=0.1", "application/problem+json"),
        ("application/json;q=0, */*", "text/plain"),
        ("APPLICATION/JSON ; Q=1.0", "application/json"),
        ("text/plain;q=0.5, application/json;q=0.4", "text/plain"),
    ],
)
def test_the_accept_header_decides(accept: str, chosen: str) -> None:
    """Uv gets JSON, twine and poetry (`*/*`) plain text, others what they name."""
    assert choose_media_type(accept) == chosen


@given(st.text(max_size=2000))
def test_any_accept_header_is_answered(accept: str) -> None:
    """No header breaks the choice."""
    assert choose_media_type(accept) in ("text/plain", "application/json", "application/problem+json")


def test_plain_text_is_one_sentence() -> None:
    """The first line begins with the words that --skip-existing looks for."""
    reply = answer_refusal(_EXISTS, "*/*")
    assert reply.status_code == 400
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.body == b"File already exists (demo.whl), with other bytes. Raise the version.\n"


def test_json_has_pypi_s_shape() -> None:
    """Uv unwraps `code`, and only from exactly application/json."""
    reply = answer_refusal(_EXISTS, _UV)
    assert reply.headers["content-type"] == "application/json"
    assert json.loads(bytes(reply.body)) == {
        "message": "File already exists (demo.whl), with other bytes. Raise the version.",
        "code": "400 File already exists (demo.whl), with other bytes. Raise the version.",
        "title": "Bad Request",
    }


def test_problem_details_are_those_of_every_other_route() -> None:
    """RFC 9457, with the stable code."""
    reply = answer_refusal(_EXISTS, "application/problem+json")
    assert reply.headers["content-type"] == "application/problem+json"
    assert json.loads(bytes(reply.body))["code"] == "file-exists"


def test_no_text_adds_a_line_or_a_header() -> None:
    """What came from outside stays in the body, on one line."""
    error = UploadRefused("x", "one\r\nX-Evil: 1\x1b[31m\u2028two\x85", "three")
    for accept in ("*/*", _UV):
        reply = answer_refusal(error, accept)
        text = bytes(reply.body).decode()
        assert text.rstrip("\n").isprintable()
        assert "x-evil" not in reply.headers


def test_each_status_has_its_headers() -> None:
    """401 challenges, 503 says when to come back."""
    assert answer_refusal(Unauthenticated("x", "Who?"), "*/*").headers["www-authenticate"].startswith("Basic ")
    assert answer_refusal(Unavailable("x", "Busy"), "*/*").headers["retry-after"]


def test_the_inside_of_a_fault_is_not_told() -> None:
    """Paths and causes stay in the log."""
    reply = answer_refusal(StorageFault("blob-fault", "/var/lib/blobs is broken"), "*/*")
    assert reply.status_code == 500
    assert b"/var/lib" not in reply.body


@pytest.mark.parametrize("outcome", Outcome)
def test_a_published_file_is_named(outcome: Outcome) -> None:
    """200 in any case: a retry is a success."""
    reply = answer_published(Published(outcome, a_file()))
    assert reply.status_code == 200
    assert b"demo-1.0-py3-none-any.whl" in reply.body
    assert (b"unchanged" in reply.body) == (outcome is Outcome.UNCHANGED)


def test_what_its_sender_should_know_is_told() -> None:
    """A sentence a line, below the one that all clients show."""
    reply = answer_published(Published(Outcome.CREATED, a_file(), ("'demo' is easily taken for 'dem0'.",)))
    assert reply.status_code == 200
    assert bytes(reply.body).decode().splitlines() == [
        "Published demo-1.0-py3-none-any.whl in the index 'main'",
        "'demo' is easily taken for 'dem0'.",
    ]
