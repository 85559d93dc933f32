"""Project pages of upstreams that lie, break, or mean harm: no line of them harms the others, and no page harms us."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.errors import UpstreamFault
from strongroom.core.mirrored import UpstreamPage
from strongroom.core.model import ProjectStatus
from tests.core.simpleapi.upstream_answers import (
    DIGEST,
    FILES,
    HTML,
    JSON,
    WHEEL,
    a_line,
    an_anchor,
    as_html,
    as_json,
    read,
)
from tests.factories import DEMO, sha256_of

GOOD = "demo-9.9.tar.gz"
BAD_FILENAMES = [
    "", " ", ".", "..", "/", "demo", "demo.whl", "demo-1.0.whl", "demo-1.0-py3-none.whl", "demo-x-py3-none-any.whl",
    "demo-1.0-py3-none-any.WHL", "demo-1.0.tar.bz2", "demo-1.0.egg", "demo-1.0.exe", "demo-1.0.tar", "demo-.tar.gz",
    "../demo-1.0.tar.gz", "..\\demo-1.0.tar.gz", "/etc/demo-1.0.tar.gz", "a/demo-1.0.tar.gz", "demo-1.0.tar.gz/",
    "demo-1.0.tar.gz\n", "demo-1.0\x00.tar.gz", "demo-1.0.tar.gz\r\nX: y", "demo-1.0 .tar.gz", "demo-1.0%2f.tar.gz",
    "dem\u043e-1.0.tar.gz", "demo-1.0\u202e.tar.gz", "\ufeffdemo-1.0.tar.gz", "demo-1.0.tar.gz?x", "demo-1.0.tar.gz#x",
    f"demo-1.{'0' * 300}.tar.gz", "C:demo-1.0.tar.gz", "demo-1.0<script>.tar.gz", "demo-1.0'.tar.gz",
    "-demo-1.0.tar.gz", "demo-1.0.tar.gz.metadata", "demo-1.0-py3-none-any-x-y.whl", "demo-1.0-py3-none-any.whl.asc",
]  # fmt: skip
OTHER_PROJECTS = ["other-1.0.tar.gz", "demo_two-1.0-py3-none-any.whl", "demoo-1.0.tar.gz", "dem_o-1.0-py3-none-any.whl"]
BAD_HASHES: list[object] = [
    None, "", DIGEST, [], {}, 5, {"sha256": None}, {"sha256": ""}, {"sha256": "g" * 64}, {"sha256": "a" * 63},
    {"sha256": "a" * 65}, {"sha256": f" {DIGEST}"}, {"sha256": f"{DIGEST}\n"}, {"sha256": [DIGEST]},
    {"sha256": "\u0661" * 64}, {"SHA256": DIGEST}, {"md5": "d41d8cd98f00b204e9800998ecf8427e"}, {"sha512": "a" * 128},
]  # fmt: skip
BAD_URLS: list[object] = [
    None, 5, {}, "", " ", "#", "#sha256=x", "ftp://a.example/x.whl", "file:///etc/passwd", "javascript:alert(1)",
    "data:text/plain,x", "https://", "https:///x.whl", "https://user@a.example/x.whl", "https://u:p@a.example/x.whl",
    "https://a.example:99999/x.whl", "https://a.example:x/x.whl", "https://[::1/x.whl", "https://[::::]/x.whl",
    "https://[fe80::1%25eth0]/x.whl", "https://a.example\\@b.example/x.whl", "\\\\a.example\\x.whl",
    "https://a.example/x\n.whl", "ht\ntps://a.example/x.whl", "https://a.example/\x00", "https://a.example/\u2028x",
    "https://a b.example/x.whl", "https://\u0430.example/x.whl", f"https://a.example/{'x' * 2000}", "x" * 2001,
    "http://files.upstream.example/x.whl", "HTTP://files.upstream.example/x.whl", "//u@a.example/x.whl",
    "https://a.example", "///a.example/x.whl", "https:x.whl", "x:y.whl", "//[::1/x.whl",
]  # fmt: skip
NOT_PAGES = [
    b"", b" ", b"{", b"}", b"[]", b"null", b"5", b'"x"', b"{}", b'{"files":null}', b'{"files":{}}', b'{"files":"x"}',
    b'{"files":[', b'{"files":[{]}', b'{"files":[]', b'{"files":[]}}', b'{"files":[]},', b"{'files':[]}", b"\xff\xfe",
    b'{"files":[\x00]}', b'{"files":[NaN]}', b'{"files":[1,]}', b'{"message":"not found"}', b"<html></html>",
    rb'{"files":["\ud800"]}', rb'{"files":["\x"]}',
    b'{"files":' + b"[" * 100_000, b'{"files":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
    b'{"x":' + b'{"x":' * 100_000 + b"1" + b"}" * 100_000 + b',"files":[]}', b'{"files":[]}'.decode().encode("utf-16"),
]  # fmt: skip
BAD_LINES = [
    b"null", b"5", b"[]", b'"x"', b"{}", b'{"filename":5,"url":"x"}', b'{"filename":"demo-1.0.tar.gz"}',
    b'{"url":"https://a.example/x"}', b'{"filename":null,"url":null}', b"[[[[[[]]]]]]", b"-1e400", b'{"a":"\xff"}',
    b'{"a":' + b"[" * 500 + b"]" * 500 + b"}",
]  # fmt: skip


def names(page: UpstreamPage) -> list[str]:
    """Return the filenames of a page."""
    return [file.filename for file in page.files]


def assert_sound(page: UpstreamPage) -> None:
    """Check what everything behind relies on."""
    assert len({file.filename for file in page.files}) == len(page.files)
    for file in page.files:
        assert file.project == DEMO
        assert file.url.startswith("https://")
        assert file.url.isascii()
        assert file.url.isprintable()
        assert len(file.sha256) == 64
    for line in page.skipped:
        assert line.filename
        assert line.reason
        assert (line.filename + line.reason).isprintable()
        assert len(line.filename) <= 240


@pytest.mark.parametrize("filename", [*BAD_FILENAMES, *OTHER_PROJECTS])
def test_a_bad_filename_in_json(filename: str) -> None:
    """It is told, and the other file stands."""
    page = read(as_json(a_line(filename, url=f"{FILES}/x"), a_line(GOOD)))
    assert names(page) == [GOOD]
    assert len(page.skipped) == 1
    assert_sound(page)


@pytest.mark.parametrize("filename", [*BAD_FILENAMES, *OTHER_PROJECTS])
def test_a_bad_filename_in_html(filename: str) -> None:
    """It is told where it looks like a file; in no case does it harm the other."""
    page = read(as_html(f'<a href="{filename}#sha256={DIGEST}">x</a>', an_anchor(GOOD)), HTML)
    assert GOOD in names(page)
    assert set(names(page)) <= {GOOD, "demo-1.0.tar.gz", "demo-1.0-py3-none-any.whl"}
    assert_sound(page)


@pytest.mark.parametrize("filename", OTHER_PROJECTS)
def test_a_file_of_another_project(filename: str) -> None:
    """An upstream cannot smuggle one name's file into another's page."""
    (skipped,) = read(as_json(a_line(filename))).skipped
    assert "belongs to another project" in skipped.reason


@pytest.mark.parametrize("hashes", BAD_HASHES)
def test_a_bad_hash(hashes: object) -> None:
    """Without a sha256 nothing can be checked, so nothing is offered."""
    page = read(as_json(a_line(WHEEL) | {"hashes": hashes}, a_line(GOOD)))
    assert names(page) == [GOOD]
    assert "sha256" in page.skipped[0].reason
    assert_sound(page)


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_bad_url(url: object) -> None:
    """It is never asked; a file of an https page never comes over http."""
    page = read(as_json(a_line(WHEEL) | {"url": url}, a_line(GOOD)))
    assert names(page) == [GOOD]
    assert len(page.skipped) == 1
    assert_sound(page)


def test_a_plain_upstream_may_give_plain_urls() -> None:
    """Only https must not fall back to http; an upstream over http may use both."""
    page = read(
        as_json(a_line(WHEEL, url=f"http://upstream.example/{WHEEL}")), url="http://upstream.example/simple/demo/"
    )
    assert names(page) == [WHEEL]


def test_a_base_over_http_is_a_downgrade_too() -> None:
    """A `<base>` does not get around it."""
    page = read(as_html(an_anchor(href=f"{WHEEL}#sha256={DIGEST}"), head='<base href="http://a.example/">'), HTML)
    assert names(page) == []
    assert "over http" in page.skipped[0].reason


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_line_of_another_shape(line: bytes) -> None:
    """It is told, and the other file stands."""
    page = read(as_json(a_line(GOOD)).replace(b'"files":[', b'"files":[' + line + b","))
    assert names(page) == [GOOD]
    assert len(page.skipped) == 1
    assert_sound(page)


@pytest.mark.parametrize("content", NOT_PAGES)
def test_json_that_is_no_page(content: bytes) -> None:
    """The whole is refused, with a code, a cause and a hint."""
    with pytest.raises(UpstreamFault) as raised:
        read(content)
    assert raised.value.code == "upstream-page-invalid"
    assert raised.value.hint
    assert raised.value.message.isprintable()


@pytest.mark.parametrize("length", range(0, 420, 7))
def test_json_that_is_cut_short(length: int) -> None:
    """Half a page is none, wherever it is cut."""
    content = as_json(a_line(WHEEL), a_line(GOOD))
    with pytest.raises(UpstreamFault):
        read(content[: min(length, len(content) - 1)])


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/octet-stream", "image/png", "json", "text/html2"]
)
def test_another_content_type(content_type: str) -> None:
    """What is neither JSON nor HTML is not guessed at."""
    with pytest.raises(UpstreamFault, match="neither JSON nor HTML"):
        read(as_json(a_line()), content_type)


@pytest.mark.parametrize("content_type", [JSON, HTML])
@pytest.mark.parametrize(
    ("version", "is_understood"), [("1.0", True), ("1.99", True), ("2.0", False), ("0.9", False), ("x", True)]
)
def test_api_versions(content_type: str, version: str, is_understood: bool) -> None:  # noqa: FBT001 - a case
    """PEP 629: another major version is refused, another minor one is not, and nonsense is ignored."""
    meta = f'<meta name="pypi:repository-version" content="{version}">'
    html = as_html(an_anchor(), head=meta).encode()
    content = as_json(a_line(), meta={"api-version": version}) if content_type == JSON else html
    if is_understood:
        assert names(read(content, content_type)) == [WHEEL]
    else:
        with pytest.raises(UpstreamFault) as raised:
            read(content, content_type)
        assert raised.value.code == "upstream-api-version"


def test_fields_that_cannot_be_read_are_passed_over() -> None:
    """A status, a meta or a specifier that nobody can read does not lose the page."""
    status = as_json(
        a_line(requires_python="=>3"), a_line(GOOD, requires_python="=>3"), meta=5, project_status="STATUS"
    )
    page = read(status.replace(b'"STATUS"', b"-1e400"))
    assert [(file.filename, file.requires_python) for file in page.files] == [(WHEEL, None), (GOOD, None)]
    assert page.status is ProjectStatus.ACTIVE


def test_a_name_twice_with_one_digest() -> None:
    """The first line counts."""
    page = read(as_json(a_line(), a_line(url=f"{FILES}/elsewhere")))
    assert [file.url for file in page.files] == [f"{FILES}/{WHEEL}"]
    assert page.skipped == ()


def test_a_name_twice_with_two_digests() -> None:
    """Neither is believed, and it is said once."""
    lines = [a_line(hashes={"sha256": sha256_of(text)}) for text in ("a", "b", "a", "c")]
    page = read(as_json(*lines, a_line(GOOD)))
    assert names(page) == [GOOD]
    assert [(line.filename, line.reason) for line in page.skipped] == [
        (WHEEL, "It is listed twice with different digests")
    ]


@pytest.mark.timeout(60)
def test_too_many_files() -> None:
    """A page of more than a hundred thousand lines is refused; their lines are not even looked at."""
    for content, content_type in (
        (b'{"files":[' + b"5," * 100_000 + b"5]}", JSON),
        (b"<a href=a.whl>" * 100_002, HTML),
    ):
        with pytest.raises(UpstreamFault) as raised:
            read(content, content_type)
        assert raised.value.code == "upstream-page-too-long"


@pytest.mark.timeout(60)
def test_too_many_tags() -> None:
    """Half a million tags without a file end in a refusal, soon."""
    with pytest.raises(UpstreamFault) as raised:
        read(b"<p>" * 500_001, HTML)
    assert raised.value.code == "upstream-page-too-long"


def test_many_bad_lines_are_not_all_kept() -> None:
    """A page of nonsense does not fill the catalog."""
    page = read(b'{"files":[' + b"5," * 50_000 + b"5]}")
    assert len(page.skipped) == 1000


@given(st.binary(max_size=300), st.sampled_from([JSON, HTML]))
def test_any_bytes(content: bytes, content_type: str) -> None:
    """Bytes are a page or a fault, never something else."""
    with suppress(UpstreamFault):
        assert_sound(read(content, content_type))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(
    ["filename", "url", "hashes", "size", "upload-time", "yanked", "core-metadata", "requires-python", "provenance"]
)


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_any_values(fields: dict[str, object]) -> None:
    """Whatever a line's fields hold, the line is a file or is skipped, and the other file stands."""
    try:
        content = as_json(a_line(WHEEL) | fields, a_line(GOOD))
    except (UnicodeEncodeError, OverflowError):
        return
    page = read(content)
    assert GOOD in names(page)
    assert len(page.files) + len(page.skipped) == 2
    assert_sound(page)
