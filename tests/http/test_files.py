"""Files and sidecars over HTTP, with bytes in a real directory."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.access import Right
from strongroom.core.model import File
from strongroom.http.files import INLINE_LIMIT_BYTES, REMEMBERED_LIMIT_BYTES
from strongroom.http.ranges import ByteRange, Unsatisfiable, read_range
from tests.factories import a_file, a_grant
from tests.http.reading import ReadingRoom, reading_room

SMALL = bytes(range(256)) * 4
LARGE = bytes(range(256)) * (INLINE_LIMIT_BYTES // 256) + b"!"
METADATA = b"Metadata-Version: 2.1\nName: demo\n" + b"X: y\n" * 100
SMALL_URL = "/main/files/demo/demo-1.0-py3-none-any.whl"
LARGE_URL = "/main/files/demo/demo-2.0-py3-none-any.whl"
IMMUTABLE = "private, max-age=365000000, immutable"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[ReadingRoom]:
    """Open a room with a small file that has a sidecar, and a large one that has none."""
    with reading_room(tmp_path) as opened:
        opened.publish(a_file("demo-1.0-py3-none-any.whl"), SMALL, metadata=METADATA)
        opened.publish(a_file("demo-2.0-py3-none-any.whl"), LARGE)
        yield opened


@pytest.fixture
def token(room: ReadingRoom) -> str:
    """Make a token that may read everything."""
    return room.add_token("bob", a_grant(Right.READ))


@pytest.fixture
def small(room: ReadingRoom) -> File:
    """Return the facts of the small file."""
    return room.run(room.catalog.read(lambda tx: tx.files.list(a_file().index, a_file().project)))[0]


def test_the_whole_answer(room: ReadingRoom, token: str, small: File) -> None:
    """Status, headers and body of a file."""
    reply = room.get(SMALL_URL, token=token, accept_encoding="gzip, deflate, zstd")
    assert (reply.status, reply.body) == (200, SMALL)
    assert reply.headers == {
        "content-type": "application/octet-stream",
        "content-length": "1024",
        "etag": f'"{small.sha256}"',
        "accept-ranges": "bytes",
        "cache-control": IMMUTABLE,
        "content-disposition": "attachment; filename=demo-1.0-py3-none-any.whl",
        "x-content-type-options": "nosniff",
    }


def test_a_large_file_is_streamed(room: ReadingRoom, token: str) -> None:
    """Without the server's help the bytes arrive in chunks, all of them."""
    reply = room.get(LARGE_URL, token=token)
    assert (reply.status, reply.body) == (200, LARGE)


def test_a_large_file_leaves_through_pathsend(room: ReadingRoom, token: str) -> None:
    """A server that can send a path gets the path, with the same headers."""
    streamed = room.get(LARGE_URL, token=token)
    room.extensions = {"http.response.pathsend": {}}
    assert room.get(LARGE_URL, token=token) == streamed
    assert room.get(LARGE_URL, token=token, range="bytes=1-2").body == LARGE[1:3]


@pytest.mark.parametrize("url", [SMALL_URL, LARGE_URL])
@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-1459", 0, 1460),  # uv 0.13.9 without a sidecar
        ("bytes=100-199", 100, 200),
        ("bytes=1000-", 1000, None),
        ("bytes=-10", -10, None),
        ("bytes=-10000", -10000, None),  # poetry 2.5.1
        ("bytes=10-999999999", 10, None),
        ("Bytes=5-6", 5, 7),
    ],
)
def test_a_range_is_served(
    room: ReadingRoom, token: str, *, url: str, wanted: str, start: int, stop: int | None
) -> None:
    """206 with exactly the bytes that were asked for, and where they belong."""
    content = SMALL if url == SMALL_URL else LARGE
    expected = content[start:stop]
    first = content.index(expected) if start < 0 else start
    if start < 0:
        first = max(0, len(content) + start)
    reply = room.get(url, token=token, range=wanted)
    assert (reply.status, reply.body) == (206, expected)
    assert reply.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/{len(content)}"
    assert reply.headers["content-length"] == str(len(expected))
    assert reply.headers["etag"] == room.get(url, token=token, method="HEAD").headers["etag"]


@pytest.mark.parametrize("wanted", ["bytes=1024-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_behind_the_end_is_416(room: ReadingRoom, token: str, wanted: str) -> None:
    """The answer says how long the file is."""
    reply = room.get(SMALL_URL, token=token, range=wanted)
    assert reply.status == 416
    assert reply.headers["content-range"] == "bytes */1024"
    assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "wanted", ["bytes=0-1,5-6", "bytes=9-5", "bytes=-", "bytes=a-b", "bytes", "lines=0-1", "", "bytes=1-2-3"]
)
def test_other_ranges_get_the_whole_file(room: ReadingRoom, token: str, wanted: str) -> None:
    """RFC 9110 14.2: a server may ignore several ranges, and must ignore malformed ones."""
    reply = room.get(SMALL_URL, token=token, range=wanted)
    assert (reply.status, reply.body) == (200, SMALL)
    assert "content-range" not in reply.headers


def test_pip_resumes_with_if_range(room: ReadingRoom, token: str, small: File) -> None:
    """The same ETag in If-Range gets the rest (pip 26.3), another one or a weak one the whole file."""
    etag = f'"{small.sha256}"'
    assert room.get(SMALL_URL, token=token, range="bytes=1000-", if_range=etag).status == 206
    for other in ('"other"', f"W/{etag}", "Mon, 05 Jan 2026 12:00:00 GMT"):
        assert room.get(SMALL_URL, token=token, range="bytes=1000-", if_range=other).status == 200


@pytest.mark.parametrize("url", [SMALL_URL, LARGE_URL, f"{SMALL_URL}.metadata"])
def test_head_has_the_headers_of_get(room: ReadingRoom, token: str, url: str) -> None:
    """HEAD is GET without the bytes; it ignores Range, which is defined for GET only."""
    get = room.get(url, token=token)
    assert room.get(url, token=token, method="HEAD", range="bytes=0-1") == replace(get, body=b"")


@pytest.mark.parametrize("url", [SMALL_URL, LARGE_URL, f"{SMALL_URL}.metadata"])
def test_an_unchanged_file_is_304(room: ReadingRoom, token: str, url: str) -> None:
    """A 304 repeats the ETag and how long it may be kept, also in front of a range."""
    etag = room.get(url, token=token).headers["etag"]
    reply = room.get(url, token=token, if_none_match=etag, range="bytes=0-1")
    assert (reply.status, reply.body) == (304, b"")
    assert (reply.headers["etag"], reply.headers["cache-control"]) == (etag, IMMUTABLE)


def test_a_sidecar_is_the_metadata_byte_for_byte(room: ReadingRoom, token: str) -> None:
    """Pip 26.3 compares it with the wheel's and aborts on a difference."""
    reply = room.get(f"{SMALL_URL}.metadata", token=token)
    assert (reply.status, reply.body) == (200, METADATA)
    assert reply.headers["cache-control"] == IMMUTABLE
    zipped = room.get(f"{SMALL_URL}.metadata", token=token, accept_encoding="gzip")
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.headers["vary"] == "Accept-Encoding, Authorization"
    assert gzip.decompress(zipped.body) == METADATA
    assert zipped.headers["etag"] != reply.headers["etag"]
    assert room.get(f"{SMALL_URL}.metadata", token=token, accept_encoding="identity;q=0").status == 406


def test_a_sidecar_that_is_not_advertised_is_missing(room: ReadingRoom, token: str) -> None:
    """What the page does not name is not there."""
    assert room.get(f"{LARGE_URL}.metadata", token=token).status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/main/files/demo/demo-9.9.tar.gz",
        "/main/files/other/demo-1.0-py3-none-any.whl",
        "/nope/files/demo/demo-1.0-py3-none-any.whl",
        "/main/files/demo/passwd",
        "/main/files/demo/..",
        "/main/files/demo/.metadata",
        "/main/files/demo/demo-1.0-py3-none-any.whl.asc",
        "/main/files/de mo/demo-1.0-py3-none-any.whl",
        "/main/files/demo/demo-1.0-py3-none-any.whl.metadata.metadata",
    ],
)
def test_what_is_not_there_is_404(room: ReadingRoom, token: str, path: str) -> None:
    """Every name that leads to no file of that project gets the same answer."""
    assert room.get(path, token=token) == room.get("/main/files/demo/demo-0.0.tar.gz", token=token)
    assert room.get(path, token=token).status == 404


def test_the_smallest_files_are_read_once(room: ReadingRoom, token: str, small: File) -> None:
    """Their bytes stay in memory until the project changes; larger ones are read each time."""
    whole = room.get(SMALL_URL, token=token)
    path = room.blobs.find_path(small.sha256)
    assert path is not None
    path.unlink()
    assert room.get(SMALL_URL, token=token) == whole
    assert room.get(SMALL_URL, token=token, range="bytes=-3").body == SMALL[-3:]
    room.publish(a_file("demo-3.0.tar.gz"))
    assert room.get(SMALL_URL, token=token).status == 500


def test_a_middle_sized_file_is_served(room: ReadingRoom, token: str) -> None:
    """A file between the two limits is read inline, whole and in parts; an empty one is served too."""
    content = bytes(REMEMBERED_LIMIT_BYTES + 1)
    room.publish(a_file("demo-4.0.tar.gz"), content)
    room.publish(a_file("demo-5.0.tar.gz"), b"")
    assert room.get("/main/files/demo/demo-4.0.tar.gz", token=token).body == content
    assert room.get("/main/files/demo/demo-4.0.tar.gz", token=token, range="bytes=0-1").body == content[:2]
    empty = room.get("/main/files/demo/demo-5.0.tar.gz", token=token)
    assert (empty.status, empty.body, empty.headers["content-length"]) == (200, b"", "0")
    assert room.get("/main/files/demo/demo-5.0.tar.gz", token=token, range="bytes=0-").status == 416


@pytest.mark.parametrize("damage", ["missing", "short", "long"])
@pytest.mark.parametrize("extensions", [{}, {"http.response.pathsend": {}}], ids=["stream", "pathsend"])
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_damage_is_never_served(
    room: ReadingRoom, *, damage: str, extensions: dict[str, dict[str, object]], large: bool
) -> None:
    """A blob that is gone, cut or grown gives a 500 that names no path, never wrong bytes with a good ETag."""
    token = room.add_token("eve", a_grant(Right.READ))
    room.extensions = extensions
    index, project = a_file().index, a_file().project
    file = room.run(room.catalog.read(lambda tx: tx.files.list(index, project)))[1 if large else 0]
    path = room.blobs.find_path(file.sha256)
    assert path is not None
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[:-1] if damage == "short" else content + b"!")
    reply = room.get(LARGE_URL if large else SMALL_URL, token=token)
    assert reply.status == 500
    assert str(path).encode() not in reply.body


@given(st.integers(0, 50), st.integers(0, 60), st.integers(0, 60))
def test_rfc_9110_a_range_is_the_slice_that_python_gives(size: int, first: int, last: int) -> None:
    """For each size and each range: the same bytes as a slice, or unsatisfiable where the slice has none."""
    content = bytes(range(size))
    for header, expected in (
        (f"bytes={first}-{last}", content[first : last + 1]),
        (f"bytes={first}-", content[first:]),
        (f"bytes=-{last}", content[-last:] if last else b""),
    ):
        part = read_range(header.encode(), None, etag=b'"x"', size_bytes=size)
        if header == f"bytes={first}-{last}" and last < first:
            assert part is None
        elif expected:
            assert isinstance(part, ByteRange)
            assert content[part.start : part.stop] == expected
        else:
            assert part == Unsatisfiable()
