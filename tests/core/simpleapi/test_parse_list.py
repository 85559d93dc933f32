"""Reading an upstream's list of all its projects, in chunks of any size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.errors import UpstreamFault
from strongroom.core.names import normalize_project_name, parse_index_name, parse_project_name
from strongroom.core.pages import ProjectEntry, ProjectList
from strongroom.core.simpleapi import parse_list
from strongroom.core.simpleapi.negotiate import PageType
from strongroom.core.simpleapi.parse_list import NameReader
from strongroom.core.simpleapi.render import render_project_list

HEAD = '<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.0"></head><body>\n'
NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,20}[A-Za-z0-9])?", fullmatch=True)


def read(content: bytes | str, *, chunk: int = 1 << 16) -> list[str]:
    """Read a list in chunks of this size."""
    raw = content.encode() if isinstance(content, str) else content
    reader = NameReader()
    for start in range(0, len(raw), chunk):
        reader.feed(raw[start : start + chunk])
    names = reader.finish()
    assert names == b"" or names.endswith(b"\n")
    return names.decode("ascii").splitlines()


def as_html(*anchors: str) -> str:
    """Make a list in HTML of these anchors."""
    return f"{HEAD}{''.join(anchors)}</body></html>\n"


def an_anchor(name: str) -> str:
    """Make the usual anchor."""
    return f'    <a href="/simple/{normalize_project_name(name)}/">{name}</a>\n'


def as_json(*projects: str) -> str:
    """Make a list in JSON of these members."""
    return f'{{"meta":{{"_last-serial":1,"api-version":"1.1"}},"projects":[{",".join(projects)}]}}'


@given(st.lists(NAMES, max_size=30), st.integers(1, 200))
def test_names_come_out_normalized_sorted_and_once(names: list[str], chunk: int) -> None:
    """From both forms alike, however the bytes are cut."""
    expected = sorted({normalize_project_name(name) for name in names})
    assert read(as_html(*map(an_anchor, names)), chunk=chunk) == expected
    assert read(as_json(*(f'{{"_last-serial":3,"name":"{name}"}}' for name in names)), chunk=chunk) == expected
    assert read(as_json(*(f'{{ "name" : "{name}" }}' for name in names)), chunk=chunk) == expected


@pytest.mark.parametrize("page_type", list(PageType))
def test_our_own_list_is_understood(page_type: PageType) -> None:
    """Another Strongroom is an upstream too."""
    entries = tuple(ProjectEntry(parse_project_name(name), name, 1) for name in ("Acme.Demo", "billing"))
    rendered = render_project_list(ProjectList(parse_index_name("main"), entries), page_type)
    assert read(rendered) == ["acme-demo", "billing"]


@pytest.mark.parametrize(
    ("anchor", "name"),
    [
        ('<a href="demo/">demo</a>', "demo"),
        ("<A HREF='demo'>Demo</A>", "demo"),
        ("<a href=/simple/demo/ >\n   demo\n </a>", "demo"),
        ('<a class="x" href="https://a.example/simple/demo/?x=1#y"><b>The Demo</b></a>', "demo"),
        ('<a href="/simple/demo/">D&eacute;mo</a>', "demo"),
        ("<a>demo</a>", "demo"),
        ('<a data-href="/wrong/" href = "/simple/demo#x"><b>The Demo</b></a>', "demo"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_anchors(anchor: str, name: str, chunk: int) -> None:
    """The text is the name, else the URL's last part."""
    assert name in read(as_html(anchor), chunk=chunk)


@pytest.mark.parametrize(
    "line",
    [
        "<a></a>", '<a href="">x y</a>', '<a href="/"></a>', "<abbr>demo</abbr>", "<a", "<a href=", "<p>demo</p>",
        f"<a href=/>{'x' * 129}</a>", "<a href=/>-demo</a>", "<a href=/>../../etc</a>", "<a href=/>dem\u043e</a>",
        "<a href=/>demo\x00</a>", "<!-- -->",
    ],
)  # fmt: skip
def test_a_line_that_is_no_name_is_passed_over(line: str) -> None:
    """And the others stand."""
    assert read(as_html(line, an_anchor("good"))) == ["good"]


@pytest.mark.parametrize(
    "member",
    ["null", "5", "{}", '{"name":5}', '{"name":null}', '{"name":""}', '{"name":"a b"}', '{"name":"-"}', "[[]]"],
)
def test_a_member_that_is_no_name_is_passed_over(member: str) -> None:
    """And the others stand."""
    assert read(as_json(member, '{"name":"good"}')) == ["good"]


@pytest.mark.parametrize(
    "content",
    [
        b"", b" \r\n", b"not found", b"<html><body>502 Bad Gateway</body></html>", b"{}", b'{"message":"x"}',
        b'<a href="/login">Sign in</a>', b"\x1f\x8b\x08\x00", b"[]",
    ],
)  # fmt: skip
def test_what_is_no_list(content: bytes) -> None:
    """An error page with status 200 is not an empty list."""
    with pytest.raises(UpstreamFault) as raised:
        read(content)
    assert raised.value.code == "upstream-list-invalid"


@pytest.mark.parametrize("content", [as_html(*map(an_anchor, "abcdef")), as_json('{"name":"a"}', '{"name":"b"}')])
def test_a_list_that_is_cut_short(content: str) -> None:
    """Half a list is none: names missing from it would look free."""
    for length in range(len(content) - 8):
        if not content[:length].endswith("}"):
            with pytest.raises(UpstreamFault):
                read(content[:length] if "<html" in content[:length] or "{" in content[:length] else "")


def test_an_empty_list_is_one() -> None:
    """An upstream without projects; whether it is believed is decided elsewhere."""
    assert read(as_html()) == []
    assert read(as_json()) == []


def test_a_list_without_the_html_element_is_one() -> None:
    """HTML lets its tags be left out."""
    assert read("<!DOCTYPE html><title>Simple index</title><a href=/simple/demo/>demo</a>") == ["demo"]


def test_a_list_without_a_title_is_one() -> None:
    """PEP 503 asks for none; that the anchors are called as their URLs end is sign enough."""
    assert read("".join(map(an_anchor, ("demo", "Other.Thing")))) == ["demo", "other-thing"]


def test_a_byte_order_mark_is_passed_over() -> None:
    """Some editors leave one."""
    assert read("\ufeff" + as_json('{"name":"demo"}')) == ["demo"]


@given(st.binary(max_size=500), st.integers(1, 50))
def test_any_bytes(content: bytes, chunk: int) -> None:
    """Nonsense is a list of names or a fault."""
    try:
        names = read(content, chunk=chunk)
    except UpstreamFault:
        return
    assert names == sorted({parse_project_name(name) for name in names})


def test_the_carry_is_bounded() -> None:
    """An anchor without an end does not gather in memory."""
    reader = NameReader()
    for _ in range(100):
        reader.feed(b'<a href="' + b"x" * 10_000)
    assert len(reader._carry) <= 4096


def test_too_many_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list without end is given up."""
    monkeypatch.setattr(parse_list, "_MOST_NAMES", 10)
    with pytest.raises(UpstreamFault) as raised:
        read(as_html(*(an_anchor(f"n{number}") for number in range(11))))
    assert raised.value.code == "upstream-list-too-long"


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "pattern", [b"<a ", b"<a", b"<", b'<a href="', b'<a href="/', b"<a href=x>", b'{"name":"', b'{"name"']
)
def test_no_bytes_take_long(pattern: bytes) -> None:
    """Four megabytes of beginnings are read in no time."""
    reader = NameReader()
    for _ in range(64):
        reader.feed(pattern * (65_536 // len(pattern)))
    with pytest.raises(UpstreamFault):
        reader.finish()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("pattern", [b"href=", b'href="', b"href='", b"href= a/", b"href=\"'", b" href", b"href "])
@pytest.mark.parametrize("end", [b"!", b'"', b"/"])
def test_no_attributes_take_long(pattern: bytes, end: bytes) -> None:
    """One tag with a megabyte of attributes must not stop the worker for hours."""
    reader = NameReader()
    reader.feed(b"<title>Simple index</title><a " + pattern * (1_048_576 // len(pattern)) + end + b"><b>x</b></a>")
    assert reader.finish() in (b"", b"a\n", b"href\n")
