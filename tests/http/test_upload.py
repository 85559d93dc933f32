"""The upload URL: what each uploader sends is published, and what it does not do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TypeVar

import pytest

from strongroom.core.access import Right
from strongroom.core.errors import StorageFault
from strongroom.core.events import Uploaded
from tests.archives.sdists import Sdist
from tests.archives.wheels import Wheel
from tests.core.test_attestations import ATTESTATION
from tests.factories import a_grant
from tests.http.counter import Counter, Reply
from tests.http.forms import CLIENTS, Body, Upload, build, text, twine
from tests.services.publishing import LIMIT_BYTES, NOTHING, OTHER_CONTENT, Place, WatchedBlobs

T = TypeVar("T")
_WHEEL = Wheel("Acme.Demo-Pkg", files={"demo/app.py": b"x = 1\r\n--a1b2c3d4\r\n" * 900})
_SDIST = Sdist("acme_demo_pkg")
WHEEL = Upload("demo", "1.0", Wheel().filename, Wheel().build())


def at_counter(scene: Callable[[Counter], Coroutine[None, None, T]], counter: Counter | None = None) -> T:
    """Run the scene at an open counter."""

    async def opened() -> T:
        place = counter or Counter()
        await place.open()
        return await scene(place)

    return asyncio.run(opened())


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_each_uploader_publishes(client: str, kind: str) -> None:
    """The body in the shape that the client was recorded to send ends as one file and one event; twice as well."""
    if kind == "wheel":
        filename = "Acme.Demo_Pkg-1.0-py3-none-any.whl"
        upload = Upload("Acme.Demo-Pkg", "1.0", filename, _renamed_wheel())
    else:
        upload = Upload("acme.demo-pkg", "1.0", _SDIST.filename, _SDIST.build())

    async def scene(counter: Counter) -> None:
        body = CLIENTS[client](upload)
        reply = await counter.post(body)
        assert (reply.status, reply.headers["content-type"]) == (200, "text/plain; charset=utf-8"), reply.text
        seen = await counter.place.see()
        assert [(file.filename, file.project) for file in seen.files] == [(upload.filename, "acme-demo-pkg")]
        assert sum(isinstance(event, Uploaded) for event in seen.events) == 1
        assert (seen.leases, seen.temporary) == ((), 0)
        again = await counter.post(body)
        assert again.status == 200
        assert await counter.place.see() == seen
        stored = await counter.place.blobs.get(seen.files[0].sha256)
        assert stored == upload.content

    at_counter(scene)


def _renamed_wheel() -> bytes:
    return Wheel(
        "Acme.Demo_Pkg",
        metadata=b"Metadata-Version: 2.5\nName: Acme.Demo-Pkg\nVersion: 1.0\n",
        files=_WHEEL.files,
    ).build()


@pytest.mark.parametrize(
    "path",
    ["/legacy/", "/legacy", "/main/legacy/", "/main/legacy", "/legacy/?:action=file_upload", "/legacy?x=1"],
)
def test_every_spelling_of_the_url_takes_uploads(path: str) -> None:
    """With and without slash, with and without index: twine and poetry follow no redirect."""
    assert at_counter(lambda counter: counter.post(twine(WHEEL), path)).status == 200


def test_the_action_may_be_in_the_query_alone_or_missing() -> None:
    """Curl needs nothing but the file."""

    async def scene(counter: Counter) -> None:
        part = WHEEL.file()
        assert (await counter.post(build([part]), "/legacy/?:action=file_upload")).status == 200
        assert (await counter.post(build([part]))).status == 200

    at_counter(scene)


def test_a_file_is_listed_at_once() -> None:
    """Uv re-reads the page right after the upload; hatch reads it below the upload URL, as HTML."""

    async def scene(counter: Counter) -> None:
        before = await counter.ask("GET", "/simple/demo/")
        assert before.status == 404
        await counter.post(twine(WHEEL))
        for path in ("/main/simple/demo/", "/main/legacy/+simple/demo/", "/legacy/+simple/demo/"):
            page = await counter.ask("GET", path, headers={"accept": "*/*"})
            assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
            assert f">{WHEEL.filename}</a>" in page.text

    at_counter(scene)


def test_the_archive_decides_and_the_form_only_agrees() -> None:
    """Unknown and wrong descriptive fields are ignored; NULs, UNKNOWN and blanks mean absent."""
    lies = [
        text("requires_python", ">=99"),
        text("metadata_version", "9.9"),
        text("pyversion", "cp99"),
        text("name", "\x00"),
        text("version", "UNKNOWN"),
        text("md5_digest", " "),
        text("no_such_field", "x" * 100_000),
        WHEEL.file(),
    ]

    async def scene(counter: Counter) -> None:
        assert (await counter.post(build(lies))).status == 200
        (file,) = (await counter.place.see()).files
        assert (file.requires_python, file.python_tag, str(file.version)) == (None, "py3", "1.0")

    at_counter(scene)


def test_attestations_are_kept_whether_before_or_behind_the_file() -> None:
    """Twine sends them before the file, uv behind it; malformed ones are no reason to fail."""

    async def scene(counter: Counter, body: Body) -> bool:
        assert (await counter.post(body)).status == 200
        (file,) = (await counter.place.see()).files
        return file.provenance_sha256 is not None

    kept = {
        (client, attestations): at_counter(
            partial(scene, body=CLIENTS[client](Upload("demo", "1.0", WHEEL.filename, WHEEL.content, attestations)))
        )
        for client in ("twine 7.0.0", "uv 0.13.9")
        for attestations in (json.dumps([ATTESTATION]), "{malformed")
    }
    assert all(is_kept == ("malformed" not in attestations) for (_, attestations), is_kept in kept.items())


def test_other_bytes_under_the_same_name_are_refused() -> None:
    """The words that uploaders look for come first; nothing changes."""

    async def scene(counter: Counter) -> None:
        await counter.post(twine(WHEEL))
        before = await counter.place.see()
        reply = await counter.post(twine(Upload("demo", "1.0", WHEEL.filename, OTHER_CONTENT)))
        assert reply.status == 400
        assert reply.text.startswith("File already exists (demo-1.0-py3-none-any.whl)")
        assert await counter.place.see() == before

    at_counter(scene)


@pytest.mark.parametrize("action", ["submit", "submit_pkg_info", "doc_upload"])
def test_what_pypi_gave_up_is_gone(action: str) -> None:
    """410, in the query before the body is read, or in the body."""

    async def scene(counter: Counter) -> None:
        early = await counter.post(twine(WHEEL), f"/legacy/?:action={action}")
        late = await counter.post(build([text(":action", action), text("name", "demo")]))
        assert (early.status, late.status) == (410, 410)
        assert early.text == late.text
        assert "no longer supported" in early.text or "no longer required" in early.text
        assert (await counter.place.see()).files == ()

    at_counter(scene)


def test_get_names_the_method_to_use() -> None:
    """Somebody opens the upload URL in a browser."""
    reply = at_counter(lambda counter: counter.ask("GET", "/legacy/"))
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


def _post(path: str, *grants: Right, token: str | None = None) -> tuple[Reply, bool]:
    async def scene() -> tuple[Reply, bool]:
        counter = Counter()
        await counter.open(a_grant(*grants, projects="acme-*") if grants else a_grant(Right.READ, Right.UPLOAD))
        reply = await counter.post(twine(WHEEL), path, token=token)
        seen = await counter.place.see()
        return reply, (seen.files, seen.leases, seen.blobs, seen.temporary) == ((), (), 0, 0)

    return asyncio.run(scene())


def test_nobody_is_asked_for_credentials() -> None:
    """401 with a challenge, also where there is no such index: anonymous callers learn nothing."""
    for path in ("/legacy/", "/nowhere/legacy/"):
        reply, is_clean = _post(path, token="")
        assert (reply.status, is_clean) == (401, True)
        assert reply.headers["www-authenticate"].startswith("Basic ")


def test_who_may_only_read_is_forbidden() -> None:
    """403 says who and where."""
    reply, is_clean = _post("/legacy/", Right.READ)
    assert (reply.status, is_clean) == (403, True)
    assert "user:bob" in reply.text
    assert "'main'" in reply.text


def test_who_may_upload_other_projects_is_told_which_he_may_not() -> None:
    """403 says who and which project, the same whether it exists or not."""
    reply, is_clean = _post("/legacy/", Right.READ, Right.UPLOAD)
    assert (reply.status, is_clean) == (403, True)
    assert "user:bob" in reply.text
    assert "the project 'demo' in the index 'main'" in reply.text


def test_a_missing_index_is_not_found() -> None:
    """For somebody who is signed in."""
    assert _post("/nowhere/legacy/")[0].status == 404


def test_an_index_without_uploads_says_so() -> None:
    """400 before the body is read into a file."""
    reply, is_clean = _post("/closed/legacy/")
    assert (reply.status, is_clean) == (400, True)
    assert "'closed' takes no uploads" in reply.text


def test_a_body_beyond_the_limit_is_refused_by_its_length_alone() -> None:
    """413 for Content-Length; no piece of the body was needed to know it."""

    async def scene(counter: Counter) -> None:
        reply = await counter.post(twine(WHEEL), content_length=str(LIMIT_BYTES + 10**9), expect="100-continue")
        assert (reply.status, reply.read_pieces) == (413, 0)
        assert f"larger than the {LIMIT_BYTES} bytes" in reply.text
        assert (await counter.place.see()).leases == ()

    at_counter(scene)


def test_a_file_beyond_the_limit_is_refused() -> None:
    """413 with a sentence; nothing stays."""

    async def scene(counter: Counter) -> None:
        reply = await counter.post(twine(WHEEL))
        assert reply.status == 413
        assert "larger than the 100 bytes" in reply.text
        seen = await counter.place.see()
        assert (seen.files, seen.leases, seen.blobs, seen.temporary) == ((), (), 0, 0)

    at_counter(scene, Counter(place=Place(limit_bytes=100)))


def test_a_client_that_goes_away_leaves_nothing() -> None:
    """No answer, no file, no lease, no temporary file."""

    async def scene(counter: Counter) -> None:
        body = twine(WHEEL)
        headers = {"content_type": body.content_type, "transfer_encoding": "chunked"}
        half = body.content[: len(body.content) - 500]
        reply = await counter.ask("POST", "/legacy/", pieces=[half, None], headers=headers)
        assert reply.status == 0
        seen = await counter.place.see()
        assert (seen.files, seen.leases, seen.blobs, seen.temporary) == NOTHING_OF_FILES

    at_counter(scene)


NOTHING_OF_FILES = (NOTHING.files, NOTHING.leases, NOTHING.blobs, NOTHING.temporary)


def test_a_fault_of_the_server_is_a_5xx_that_tells_nothing_of_its_inside(caplog: pytest.LogCaptureFixture) -> None:
    """The cause is in the log; nothing stays."""
    fault = StorageFault("blob-fault", "The disk at /somewhere failed")

    async def scene(counter: Counter) -> None:
        reply = await counter.post(twine(WHEEL))
        assert reply.status == 500
        assert "/somewhere" not in reply.text
        assert "/somewhere" in caplog.text
        seen = await counter.place.see()
        assert (seen.files, seen.leases, seen.blobs, seen.temporary) == NOTHING_OF_FILES

    at_counter(scene, Counter(place=Place(blobs=WatchedBlobs(keep_fails=fault))))


def test_64_uploaders_of_one_filename_have_one_winner() -> None:
    """Same bytes all 200, other bytes all 400, one event."""
    other = twine(Upload("demo", "1.0", WHEEL.filename, OTHER_CONTENT))

    async def scene(counter: Counter) -> None:
        bodies = [twine(WHEEL), other] * 32
        replies = await asyncio.gather(*(counter.post(body) for body in bodies))
        seen = await counter.place.see()
        assert sorted(reply.status for reply in replies) == [200] * 32 + [400] * 32
        assert sum(isinstance(event, Uploaded) for event in seen.events) == len(seen.files) == 1
        assert (seen.leases, seen.temporary) == ((), 0)

    at_counter(scene)
