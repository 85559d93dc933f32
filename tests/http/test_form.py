"""Reading multipart bodies: any order, any pieces, bounded memory, and malformed ones refused fast."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.core.errors import InvalidRequest, StrongroomError, TooLarge
from strongroom.http.form import (
    LONGEST_FIELD_BYTES,
    LONGEST_IGNORED_BYTES,
    MOST_PARTS,
    Form,
    read_form,
)
from tests.http.forms import Body, Part, build, text

_KEEP = frozenset({"attestations", "name", "version"})
_SPARE = frozenset({"attestations"})


class Collector:
    """A sink that keeps what it got."""

    def __init__(self) -> None:
        self.content = b""

    async def write(self, chunk: bytes) -> None:
        """Keep the piece."""
        self.content += chunk


def read(body: Body, *, piece_bytes: int = 64 * 1024) -> tuple[Form, bytes]:
    """Read the body in pieces; return the form and the file's bytes."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body.content), piece_bytes):
            yield body.content[start : start + piece_bytes]
        yield b""

    sink = Collector()
    form = asyncio.run(read_form(pieces(), body.content_type, keep=_KEEP, sink=sink, spare=_SPARE))
    return form, sink.content


def raw(content: bytes, boundary: str = "b") -> Body:
    """Make a body of these very bytes."""
    return Body(f"multipart/form-data; boundary={boundary}", content)


@settings(max_examples=60, deadline=None)
@given(
    parts=st.permutations(
        [text("name", "Zoë"), text("version", "1.0"), text("other", "x"), Part("content", b"\r\n--b", "f")]
    ),
    piece_bytes=st.integers(1, 80),
)
def test_parts_may_come_in_any_order_and_any_pieces(parts: list[Part], piece_bytes: int) -> None:
    """The same form and the same bytes, wherever the body is cut."""
    form, content = read(build(parts), piece_bytes=piece_bytes)
    assert form == Form({"name": "Zoë", "version": "1.0"}, "f")
    assert content == b"\r\n--b"


def test_only_wanted_fields_are_kept() -> None:
    """Hundreds of repeated parts pass through without being kept."""
    form, _ = read(build([*(text("classifiers", str(number)) for number in range(900)), text("name", "demo")]))
    assert form.fields == {"name": "demo"}


def test_nuls_are_stripped_and_bytes_that_are_no_utf8_are_replaced() -> None:
    """No field reaches the program as anything but text."""
    form, _ = read(build([Part("name", b"de\x00mo"), Part("version", b"\xff")]))
    assert form.fields == {"name": "demo", "version": "\ufffd"}


def test_a_field_said_twice_alike_counts_once() -> None:
    """Twice the same is no contradiction."""
    assert read(build([text("name", "demo"), text("name", "demo")]))[0].fields == {"name": "demo"}


@pytest.mark.parametrize("boundary", ["x" * 67, "'()+_,-./:=?", "x" * 200])
def test_boundaries_may_be_long_and_odd(boundary: str) -> None:
    """Uv's has 67 characters; RFC 2046 allows some punctuation, in quotes."""
    body = build([text("name", "demo")], boundary)
    assert read(Body(f'multipart/form-data; boundary="{boundary}"', body.content))[0].fields == {"name": "demo"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (Body("", b""), "not-multipart"),
        (Body("application/json", b"{}"), "not-multipart"),
        (Body("multipart/form-data", b"--b--\r\n"), "not-multipart"),
        (Body("multipart/form-data; boundary=", b"--b--\r\n"), "not-multipart"),
        (Body("multipart/mixed; boundary=b", b"--b--\r\n"), "not-multipart"),
        (raw(b"", "x" * 201), "multipart-limit"),
        (raw(b""), "multipart"),
        (raw(b"no boundary at all"), "multipart"),
        (raw(b"--b\r\n"), "multipart"),
        (raw(b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nx'), "multipart"),
        (raw(b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--"), "multipart"),
        (raw(b"--b\r\nnonsense\r\n\r\nx\r\n--b--"), "multipart"),
        (raw(b"--b\nContent-Disposition: form-data; name=a\n\nx\n--b--"), "multipart"),
        (raw(b'--b\r\nContent-Disposition: form-data; name="a"\r\nContent-Length: -1\r\n\r\nx\r\n--b--'), "multipart"),
        (raw(b'--b\r\nContent-Disposition: form-data; name="a"\r\nContent-Length: 9\r\n\r\nx\r\n--b--'), "multipart"),
        (raw(b"--bX\r\n" * 10), "multipart"),
        (build([text("name", "one"), text("name", "two")]), "field-twice"),
        (build([Part("content", b"x", "f"), Part("content", b"y", "g")]), "two-files"),
        (build([Part("content", b"x")]), "no-filename"),
        (build([Part("content", b"x", "")]), "no-filename"),
        (build([text("x", "")] * (MOST_PARTS + 1)), "multipart-limit"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_malformed_bodies_are_refused(body: Body, code: str) -> None:
    """Each is a client's error with its own code, in one piece or in many."""
    for piece_bytes in (64 * 1024, 3):
        with pytest.raises(InvalidRequest) as caught:
            read(body, piece_bytes=piece_bytes)
        assert caught.value.code == code
        assert caught.value.hint


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 100_000, "100,000 parts"),
        (b"--b\r\n" + b"X-A: b\r\n" * 10_000 + b"\r\n", "10,000 headers"),
        (b"--b\r\nContent-Disposition: form-data; name=" + b"a" * 65_536 + b"\r\n\r\n", "a name of 64 KiB"),
        (b"--b\r\nX: " + b"a" * 20_000_000, "a header without an end"),
        (b"--b\r\n" + b" folded\r\n" * 10_000, "folded headers"),
        (b"\r\n" * 5_000_000, "line breaks before the boundary (CVE-2024-53981)"),
        (b"--b" + b"x" * 10_000_000, "junk behind a boundary"),
        (b"--b\r\nContent-Disposition: form-data; " + b'x="\\' * 2_000 + b"\r\n\r\n", "quotes (CVE-2024-24762)"),
        (b"\r" * 10_000_000, "carriage returns"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_hostile_bodies_are_refused_within_a_second(content: bytes, what: str) -> None:
    """What made other parsers spin, fill memory or crash ends here as a 400 or 413."""
    began = time.perf_counter()
    with pytest.raises((InvalidRequest, TooLarge)):
        read(raw(content))
    assert time.perf_counter() - began < 1.0, what


def test_the_content_type_cannot_be_made_slow() -> None:
    """CVE-2024-24762: a header of many quotes and semicolons."""
    began = time.perf_counter()
    for header in ('multipart/form-data; x="' + '\\"' * 4_000, "multipart/form-data; !=" + '"' * 8_000, ";" * 8_000):
        with pytest.raises(InvalidRequest):
            read(Body(header, b""))
    assert time.perf_counter() - began < 1.0


@pytest.mark.parametrize(
    ("name", "size_bytes"), [("name", LONGEST_FIELD_BYTES), ("description", LONGEST_IGNORED_BYTES)]
)
def test_fields_have_limits(name: str, size_bytes: int) -> None:
    """What is kept is short; what is not kept may be long, but not endless."""
    read(build([Part(name, b"x" * size_bytes)]))
    with pytest.raises(TooLarge):
        read(build([Part(name, b"x" * (size_bytes + 1))]))


@pytest.mark.parametrize(
    ("parts", "kept"),
    [
        ([Part("attestations", b"x" * (LONGEST_FIELD_BYTES + 1))], None),
        ([text("attestations", "first"), text("attestations", "second")], "first"),
        ([Part("attestations", b"x" * (LONGEST_FIELD_BYTES * 2)), text("attestations", "[]")], "[]"),
    ],
)
def test_what_can_be_spared_fails_no_upload(parts: list[Part], kept: str | None) -> None:
    """Attestations that are too long, or said twice, are left out, and the rest is read."""
    form, content = read(build([*parts, text("name", "demo"), Part("content", b"bytes", "demo-1.0.tar.gz")]))

    assert form.fields == ({"name": "demo"} if kept is None else {"attestations": kept, "name": "demo"})
    assert content == b"bytes"


def test_what_follows_the_last_boundary_is_ignored() -> None:
    """RFC 2046's epilogue, as some clients send a line break."""
    body = build([text("name", "demo")])
    form, _ = read(Body(body.content_type, body.content + b"\r\nepilogue" * 100), piece_bytes=7)
    assert form.fields == {"name": "demo"}


def test_a_sink_that_refuses_ends_the_reading() -> None:
    """The rest of the body is not parsed."""

    class Full:
        async def write(self, chunk: bytes) -> None:
            raise TooLarge("full", "Full", "Stop")

    async def endless() -> AsyncIterator[bytes]:
        yield build([Part("content", b"x" * 10, "f")]).content[:-20]
        while True:
            yield b"x"

    with pytest.raises(StrongroomError, match="Full"):
        asyncio.run(read_form(endless(), build([]).content_type, keep=_KEEP, sink=Full()))
