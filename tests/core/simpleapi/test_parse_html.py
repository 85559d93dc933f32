"""Reading an upstream's project page in HTML."""

from __future__ import annotations

import html
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.errors import UpstreamFault
from strongroom.core.mirrored import Skipped, UpstreamFile
from strongroom.core.model import ProjectStatus, Yank
from strongroom.core.pages import make_project_page
from strongroom.core.simpleapi.negotiate import PageType
from strongroom.core.simpleapi.render import Links, render_project_page
from tests.core.simpleapi.upstream_answers import DIGEST, FILES, HTML, WHEEL, an_anchor, as_html, only, read
from tests.factories import a_file, a_project, sha256_of

META = '<meta name="pypi:repository-version" content="1.0">'


def read_anchor(attributes: str = "", *, href: str | None = None) -> UpstreamFile:
    """Read a page with one anchor."""
    return only(read(as_html(an_anchor(attributes=attributes, href=href)), HTML))


def test_an_anchor_is_a_file() -> None:
    """PEP 503: the URL's last part is the filename, its fragment the digest."""
    file = read_anchor()
    assert (file.filename, file.sha256, file.url) == (WHEEL, DIGEST, f"{FILES}/{WHEEL}")
    assert (file.requires_python, file.yank, file.has_upstream_metadata, file.provenance_url) == (
        None,
        None,
        False,
        None,
    )
    assert (file.size_bytes, file.uploaded_at) == (None, None)


@pytest.mark.parametrize(
    "content_type", ["text/html", "TEXT/HTML;charset=UTF-8", "application/vnd.pypi.simple.v1+html"]
)
def test_html_types(content_type: str) -> None:
    """The versioned type and its alias, in any spelling."""
    assert only(read(as_html(an_anchor()), content_type)).filename == WHEEL


@pytest.mark.parametrize(
    ("href", "url"),
    [
        (f"../../files/{WHEEL}", f"https://upstream.example/files/{WHEEL}"),
        (WHEEL, f"https://upstream.example/simple/demo/{WHEEL}"),
        (f"/f/{WHEEL}", f"https://upstream.example/f/{WHEEL}"),
        (f"//cdn.example/{WHEEL}", f"https://cdn.example/{WHEEL}"),
        (f"  https://cdn.example/{WHEEL}", f"https://cdn.example/{WHEEL}"),
        (f"https://cdn.example:8443/a/{WHEEL}?sig=a%2Fb&amp;x=1", f"https://cdn.example:8443/a/{WHEEL}?sig=a%2Fb&x=1"),
        (f"https://cdn.example/{WHEEL}?a=1&copy=2", f"https://cdn.example/{WHEEL}?a=1&copy=2"),
        (f"https://[2001:db8::1]/{WHEEL}", f"https://[2001:db8::1]/{WHEEL}"),
        (f"a b/ü/{WHEEL}", f"https://upstream.example/simple/demo/a%20b/%C3%BC/{WHEEL}"),
    ],
)
def test_urls(href: str, url: str) -> None:
    """Relative URLs count from the page, references are decoded, odd letters quoted."""
    assert read_anchor(href=f"{href}#sha256={DIGEST}").url == url


def test_base() -> None:
    """The first `<base href>` is what URLs count from, itself counting from the page."""
    head = '<base href="/mirror/x/"><base href="https://ignored.example/">'
    page = read(as_html(an_anchor(href=f"{WHEEL}#sha256={DIGEST}"), head=head), HTML)
    assert only(page).url == f"https://upstream.example/mirror/x/{WHEEL}"


def test_a_broken_base_is_passed_over() -> None:
    """A base that is no URL is as good as none."""
    page = read(as_html(an_anchor(href=f"{WHEEL}#sha256={DIGEST}"), head='<base href="https://[x/">'), HTML)
    assert only(page).url == f"https://upstream.example/simple/demo/{WHEEL}"


def test_quoted_filenames_are_decoded() -> None:
    """Pip and uv decode the URL's last part: `%2B` is a plus."""
    name = "demo-1.0+local.1-py3-none-any.whl"
    assert read_anchor(href=f"{FILES}/{quote(name)}#sha256={DIGEST}").filename == name


@pytest.mark.parametrize(
    ("fragment", "has_digest"),
    [
        (f"sha256={DIGEST}", True),
        (f"sha256={DIGEST.upper()}", True),
        (f"egg=demo&amp;sha256={DIGEST}", True),
        (f"sha256={DIGEST}&amp;subdirectory=x", True),
        ("md5=d41d8cd98f00b204e9800998ecf8427e", False),
        (f"xsha256={DIGEST}", False),
        ("sha256=", False),
        ("nonsense", False),
        ("", False),
    ],
)
def test_fragments(fragment: str, has_digest: bool) -> None:  # noqa: FBT001 - a parameter of the cases
    """The digest may stand among others; without one the file is skipped."""
    page = read(as_html(an_anchor(href=f"{FILES}/{WHEEL}#{fragment}")), HTML)
    assert [file.filename for file in page.files] == [WHEEL] * has_digest
    assert [line.reason for line in page.skipped] == ["The upstream gives no sha256 for it"] * (not has_digest)


@pytest.mark.parametrize(
    ("attributes", "yank"),
    [
        ("", None),
        ("data-yanked", Yank("")),
        ('data-yanked=""', Yank("")),
        ('data-yanked="a &quot;bug&quot;"', Yank('a "bug"')),
        ("DATA-YANKED='why'", Yank("why")),
        ("data-yanked=why", Yank("why")),
    ],
)
def test_yanks(attributes: str, yank: Yank | None) -> None:
    """PEP 592: the attribute's presence yanks, with or without a reason."""
    assert read_anchor(attributes).yank == yank


@pytest.mark.parametrize("key", ["data-core-metadata", "data-dist-info-metadata"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('="true"', (True, None)),
        ("", (True, None)),
        ('="false"', (False, None)),
        (f'="sha256={sha256_of("m")}"', (True, sha256_of("m"))),
        (f'="SHA256={sha256_of("m")}"', (True, sha256_of("m"))),
        ('="sha256=zz"', (True, None)),
        ('="md5=zz"', (True, None)),
    ],
)
def test_metadata(key: str, value: str, expected: tuple[bool, str | None]) -> None:
    """PEP 658 and 714: "true" or a digest."""
    file = read_anchor(f"{key}{value}")
    assert (file.has_upstream_metadata, file.metadata_sha256) == expected


def test_the_newer_metadata_key_wins() -> None:
    """PEP 714: the old key counts only where the new one is missing."""
    file = read_anchor(f'data-dist-info-metadata="sha256={sha256_of("old")}" data-core-metadata="true"')
    assert (file.has_upstream_metadata, file.metadata_sha256) == (True, None)


@pytest.mark.parametrize("attribute", ["data-requires-python='&gt;=3.8,&lt;4'", 'data-requires-python=">=3.8,<4"'])
def test_requires_python(attribute: str) -> None:
    """With references, as PEP 503 demands, and without, as some servers write it."""
    assert read_anchor(attribute).requires_python == ">=3.8,<4"


def test_provenance() -> None:
    """PEP 740's URL, if it can be asked."""
    assert read_anchor('data-provenance="https://p.example/x"').provenance_url == "https://p.example/x"
    assert read_anchor('data-provenance="http://p.example/x"').provenance_url is None
    assert read_anchor('data-provenance="javascript:x"').provenance_url is None


def test_project_status() -> None:
    """PEP 792's metas."""
    status = '<meta name="pypi:project-status" content="archived">'
    reason = '<META NAME=pypi:project-status-reason CONTENT="old &amp; done">'
    page = read(as_html(an_anchor(), head=status + reason), HTML)
    assert (page.status, page.status_reason) == (ProjectStatus.ARCHIVED, "old & done")


def test_other_anchors_are_navigation() -> None:
    """Only anchors to something that could be a distribution count, and old kinds of those are told."""
    other = (
        '<a href="/login">Sign in</a><a name="top">x</a><a href="">y</a><a href="demo-1.0.egg">e</a><a href="..">up</a>'
    )
    page = read(as_html(other, an_anchor()), HTML)
    assert [file.filename for file in page.files] == [WHEEL]
    assert page.skipped == (Skipped("demo-1.0.egg", "It is neither a wheel (.whl) nor an sdist (.tar.gz, .zip)"),)


@pytest.mark.parametrize(
    "content",
    [
        as_html(head=META),
        "<!DOCTYPE html><html><head><title>Links for demo</title></head><body><h1>Links for demo</h1></body></html>",
        META,
    ],
)
def test_an_empty_page_is_legal(content: str) -> None:
    """A project without files, as PEP 629 or the old custom marks it."""
    page = read(content, HTML)
    assert (page.files, page.skipped, page.is_missing) == ((), (), False)


def test_comments_and_scripts_hide_anchors() -> None:
    """What a browser does not show is not read."""
    hidden = an_anchor("demo-6.6.tar.gz")
    page = read(as_html(f"<!-- {hidden} -->", f"<script>'{hidden}'</script>", f"<!--> {an_anchor()}"), HTML)
    assert only(page).filename == WHEEL


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("utf-8", "utf-8"),
        ("iso-8859-1", "latin-1"),
        ("windows-1252", "cp1252"),
        ("punycode", "utf-8"),
        ("zlib", "utf-8"),
    ],
)
def test_charsets(charset: str, codec: str) -> None:
    """The ones that servers use; all others, Python's odd ones too, are taken as UTF-8."""
    content = as_html(an_anchor(attributes='data-yanked="für"')).encode(codec)
    assert only(read(content, f"text/html; charset={charset}")).yank == Yank("für")


def test_our_own_pages_are_understood() -> None:
    """What this server renders, it reads: another Strongroom is an upstream too."""
    wheel = a_file(WHEEL, yank=Yank('a "quoted" <reason> & more'))
    rendered = render_project_page(make_project_page(a_project(), [wheel]), PageType.HTML, links=Links("../../files/"))
    file = only(read(rendered, PageType.HTML.content_type))
    assert (file.filename, file.sha256, file.yank) == (wheel.filename, wheel.sha256, wheel.yank)
    assert file.url == f"https://upstream.example/files/demo/{WHEEL}"


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=80))
def test_reasons_survive_escaping(reason: str) -> None:
    """Whatever a reason says, it comes back as one printable line."""
    yank = read_anchor(f'data-yanked="{html.escape(reason)}"').yank
    assert yank is not None
    assert yank.reason == " ".join("".join(letter if letter.isprintable() else " " for letter in reason).split())


@pytest.mark.parametrize(
    "content",
    [
        "<html><body><h1>502 Bad Gateway</h1></body></html>",
        "<html><body><form action=/login>Sign in</form><a href=/help>Help</a></body></html>",
        "",
        "hello",
        "<a href='/'>home</a>",
    ],
)
def test_a_page_of_something_else_is_none(content: str) -> None:
    """An error page with status 200 does not make a project's files vanish."""
    with pytest.raises(UpstreamFault, match="not a project page") as raised:
        read(content, HTML)
    assert raised.value.code == "upstream-page-invalid"


def test_a_page_that_is_cut_short_is_none() -> None:
    """Half a page does not make the other half's files vanish, wherever it is cut."""
    whole = as_html(*(an_anchor(f"demo-1.{minor}.tar.gz") for minor in range(5)), head=META)
    for length in range(len(whole) - 1 - len("</html>")):
        with pytest.raises(UpstreamFault):
            read(whole[:length] if "<html" in whole[:length] else "", HTML)
    assert len(read(whole, HTML).files) == 5
