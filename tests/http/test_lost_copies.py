"""Copies of upstream files whose bytes are gone although a worker remembers them: fetched again, unseen by clients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom.core.access import Right
from strongroom.core.mirrored import UpstreamFile
from strongroom.core.names import Sha256
from tests.adapters.blobs.test_disk_faults import no_more_files
from tests.factories import PUBLIC, a_copy, a_file, a_grant, a_mirror, an_index, an_upstream_file, an_upstream_page
from tests.fake_mirror import FakeArriving
from tests.http.reading import ReadingRoom, reading_room
from tests.replacing import replace

SMALL = b"a small wheel"
LARGE = b"a large wheel" * 30_000
URL = "/over/files/demo/demo-1.0-py3-none-any.whl"
PATHSEND = "http.response.pathsend"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[ReadingRoom]:
    """Open a room with the index `over`, which is based on `public`; blobs are files."""
    with reading_room(tmp_path) as opened:
        opened.store_index(a_mirror())
        opened.store_index(an_index("over", bases=("public",)))
        yield opened


def remember(room: ReadingRoom, content: bytes, *, token: str) -> UpstreamFile:
    """Let a copy be there and be asked for, so that the worker remembers where it lies."""
    sha256: Sha256 = room.run(room.blobs.put(content))
    file = replace(an_upstream_file(sha256=sha256), size_bytes=len(content))
    room.mirror.add_page(an_upstream_page("demo", file))
    room.mirror.copies[PUBLIC, file.filename] = replace(a_copy(sha256=sha256), size_bytes=len(content))
    assert room.get(URL, token=token, method="HEAD").status == 200
    return file


def lose(room: ReadingRoom, file: UpstreamFile) -> None:
    """Give the copy up, as another process does that makes room."""
    room.run(room.blobs.remove(file.sha256))
    del room.mirror.copies[PUBLIC, file.filename]


def let_arrive(room: ReadingRoom, file: UpstreamFile, *, content: bytes) -> None:
    """Let the upstream send it again."""
    copy = replace(a_copy(sha256=file.sha256), size_bytes=len(content))
    arriving = FakeArriving([content[:5], content[5:]], len(content), copy)
    arriving.released.set()
    room.mirror.arriving[file.filename] = arriving


@pytest.mark.parametrize("content", [SMALL, LARGE])
@pytest.mark.parametrize("sends_paths", [True, False])
def test_a_copy_that_was_given_up_is_fetched_again(room: ReadingRoom, content: bytes, *, sends_paths: bool) -> None:
    """The worker remembers it for a minute; its client gets the whole file all the same."""
    token = room.add_token("bob", a_grant(Right.READ))
    room.extensions = {PATHSEND: {}} if sends_paths else {}
    file = remember(room, content, token=token)
    lose(room, file)
    let_arrive(room, file, content=content)
    reply = room.get(URL, token=token)
    assert (reply.status, reply.body, reply.is_whole) == (200, content, True)


def test_a_copy_that_cannot_be_had_again_is_told_as_a_fault(room: ReadingRoom) -> None:
    """Once, and not for ever: what is still said to be here is not asked for in circles."""
    token = room.add_token("bob", a_grant(Right.READ))
    file = remember(room, SMALL, token=token)
    room.run(room.blobs.remove(file.sha256))
    reply = room.get(URL, token=token)
    assert (reply.status, reply.json()["code"]) == (500, "blob-damaged")


def test_own_files_are_not_looked_for_elsewhere(room: ReadingRoom) -> None:
    """Their bytes are nowhere else."""
    token = room.add_token("bob", a_grant(Right.READ))
    file = room.publish(a_file("own-1.0-py3-none-any.whl"), SMALL)
    room.run(room.blobs.remove(file.sha256))
    reply = room.get(f"/main/files/own/{file.filename}", token=token)
    assert (reply.status, reply.json()["code"]) == (500, "blob-damaged")
    assert not room.mirror.asked


def test_a_copy_that_cannot_be_opened_now_is_not_lost(room: ReadingRoom) -> None:
    """The server has too many files open: 503, and the upstream is not asked for what lies here."""
    token = room.add_token("bob", a_grant(Right.READ))
    file = remember(room, SMALL, token=token)
    let_arrive(room, file, content=SMALL)
    asked = len(room.mirror.asked)
    with no_more_files():
        reply = room.get(URL, token=token)
    assert (reply.status, reply.json()["code"]) == (503, "too-many-files")
    assert "retry-after" in reply.headers
    assert len(room.mirror.asked) == asked
    assert room.get(URL, token=token).body == SMALL
