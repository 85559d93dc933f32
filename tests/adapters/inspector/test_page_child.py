"""The code of the child that reads pages, run here: answers, refusals, faults, and what it is made of."""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from strongroom.adapters.inspector import page_child
from strongroom.adapters.inspector.frames import frame, read_frame
from strongroom.adapters.inspector.page_messages import (
    PageAnswer,
    PageFailed,
    PageJob,
    PageRead,
    PageRefused,
    decode_answer,
    decode_job,
    encode,
)
from strongroom.core.errors import UpstreamFault
from strongroom.core.page_content import decode_content
from strongroom.ports import PageBody
from tests.adapters.inspector.long_pages import BODIES, BODY_IDS, SHORT, a_json_page, long, parse
from tests.factories import DEMO, PUBLIC
from tests.fakes import START

ALL_ANSWERS = [PageRead(b"\xff\x00"), PageRefused("a", "b \u00fc", ""), PageFailed("line\nline")]


def job_of(body: PageBody) -> PageJob:
    """Return a job for the page."""
    return PageJob(body.content, body.content_type, body.url, body.etag, PUBLIC, DEMO, START)


def serve(*jobs: PageJob) -> list[PageAnswer]:
    """Let the child's loop answer the jobs, and return its answers."""
    answers = io.BytesIO()
    page_child.serve(io.BytesIO(b"".join(frame(encode(job)) for job in jobs)), answers)
    answers.seek(0)
    bodies = iter(lambda: read_frame(answers), None)
    return [decode_answer(body) for body in bodies if body is not None]


def fail(*_: object, **__: object) -> None:
    """Read a page as a faulty reader does."""
    raise KeyError("a fault of ours")


def run_out_of_memory(*_: object, **__: object) -> None:
    """Read a page that needs more memory than there is."""
    raise MemoryError


@pytest.mark.parametrize("body", BODIES, ids=BODY_IDS)
def test_says_what_the_core_reads(body: PageBody) -> None:
    """Files, what is left out, and the status, all of them as `parse_page` has them."""
    expected = parse(body)
    assert expected.files
    assert expected.skipped
    assert expected.status_reason

    answer = page_child.read(job_of(body))

    assert isinstance(answer, PageRead)
    content = decode_content(answer.content)
    assert (content.files, content.skipped) == (expected.files, expected.skipped)
    assert (content.status, content.status_reason) == (expected.status, expected.status_reason)


def test_serves_until_the_pipe_closes() -> None:
    """Each job gets one answer, in order, also behind a page that is none; the end of the jobs ends the child."""
    good, bad = job_of(a_json_page(SHORT)), job_of(long("{}"))

    first, refused, last = serve(good, bad, good)

    assert isinstance(first, PageRead)
    assert isinstance(refused, PageRefused)
    assert last == first
    assert serve() == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (long("{}"), "upstream-page-invalid"),
        (long("<html></html>", "text/html"), "upstream-page-invalid"),
        (long("", "image/png"), "upstream-page-invalid"),
        (long('{"files": [], "meta": {"api-version": "2.0"}}'), "upstream-api-version"),
    ],
)
def test_a_refusal_is_the_one_of_the_core(body: PageBody, code: str) -> None:
    """Code, sentence and hint come as they are; it is no fault of ours, so nothing is traced."""
    with pytest.raises(UpstreamFault) as raised:
        parse(body)
    fault = raised.value

    assert fault.code == code
    assert page_child.read(job_of(body)) == PageRefused(fault.code, fault.message, fault.hint)


def test_a_fault_of_ours_is_told_and_the_child_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever reading raises comes back with its traceback, and the next page is read."""
    job = job_of(a_json_page(SHORT))
    with monkeypatch.context() as patched:
        patched.setattr(page_child, "parse_page", fail)
        failed, again = serve(job, job)
    assert isinstance(failed, PageFailed)
    assert "KeyError: 'a fault of ours'" in failed.trace
    assert again == failed

    (answer,) = serve(job)

    assert isinstance(answer, PageRead)


def test_running_out_of_memory_does_not_end_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a fault as others are."""
    monkeypatch.setattr(page_child, "parse_page", run_out_of_memory)

    answer = page_child.read(job_of(a_json_page(SHORT)))

    assert isinstance(answer, PageFailed)
    assert "MemoryError" in answer.trace


def test_a_cut_job_is_the_end() -> None:
    """A job that the server did not finish is not read."""
    answers = io.BytesIO()
    page_child.serve(io.BytesIO(frame(encode(job_of(a_json_page(SHORT))))[:-1]), answers)
    assert answers.getvalue() == b""


@pytest.mark.parametrize("etag", [None, '"x"'])
def test_jobs_travel_unchanged(etag: str | None) -> None:
    """Bytes as they came, and the moment with its microseconds, in UTC."""
    now = datetime(2026, 1, 5, 12, 0, 0, 123456, UTC)
    job = PageJob(b"\xff\x00", "text/html; charset=\u00fc", "https://upstream.example/", etag, PUBLIC, DEMO, now)
    found = decode_job(encode(job))
    assert found == job
    assert found.now.tzinfo is UTC


@pytest.mark.parametrize("answer", ALL_ANSWERS)
def test_answers_travel_unchanged(answer: PageAnswer) -> None:
    """Each kind is told from the others."""
    assert decode_answer(encode(answer)) == answer


def test_the_child_knows_only_the_core() -> None:
    """The child imports none of the program beyond its frames and the core, and no server's code."""
    script = "import sys, strongroom.adapters.inspector.page_child; print(*sorted(sys.modules))"

    shown = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    loaded = shown.stdout.split()

    ours = [name for name in loaded if name.startswith("strongroom.")]
    allowed = ("strongroom.core", "strongroom.adapters.inspector")
    assert [name for name in ours if not name.startswith(allowed)] == ["strongroom.adapters"]
    assert "strongroom.adapters.inspector.pages" not in ours
    assert {"asyncio", "sqlalchemy", "ssl", "http", "tempfile"}.isdisjoint(loaded)
