"""All lines of a page together say what each says by itself, in their order, whatever the others are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.distfile import parse_distribution_filename
from strongroom.core.mirrored import Skipped, UpstreamFile
from strongroom.core.model import Yank
from strongroom.core.names import LONGEST_FILENAME, parse_filename
from strongroom.core.simpleapi.listed import Columns, Listed, Page, accept, find_usual_name
from strongroom.core.simpleapi.usual_lines import accept_all
from tests.core.simpleapi.upstream_answers import DIGEST, FILES, URL, WHEEL
from tests.factories import DEMO, PUBLIC, sha256_of
from tests.fakes import START

USUAL = Listed(WHEEL, f"{FILES}/{WHEEL}", DIGEST)
LONGEST = f"demo-1.{'0' * (LONGEST_FILENAME - len('demo-1..tar.gz'))}.tar.gz"

NAMES = [
    WHEEL, "demo-1.0.tar.gz", "Demo-1.0.tar.gz", "demo-2!1.0rc1.post2.dev3-cp311-cp311-manylinux_2_17_x86_64.whl",
    "demo-1.0+corp.3-py2.py3-none-any.whl", "demo-1.0+corp_3-py3-none-any.whl", "demo-01.0-py3-none-any.whl",
    "demo-1.0-1-py3-none-any.whl", "demo-1.0-2b_x-py3-none-any.whl", "demo-1.0-b2-py3-none-any.whl",
    "demo-1.0-py3-none-any-variant.whl", "demo-1.0-1-py3-none-any-variant.whl", "demo-1.0-py3-none-any-x-y.whl",
    "demo-1.0-1.tar.gz", "demo-1-2.tar.gz", "de-mo-1.0.tar.gz", "demo-two-1.0.tar.gz", "demo-1.0-py3-none-any.tar.gz",
    "demo-1.0.zip", "demo-1.0-1.zip", "demo-1.0.exe", "demo-1.0.egg", "demo-1.0.tar.bz2", "demo-1.0.tar.gz.tar.gz",
    "demo-1.0.TAR.GZ", "demo-1.0-py3-none-any.WHL", "demo-1.0-py3-none.whl", "demo-1.0.whl", "demo.whl", "demo", "",
    "other-1.0.tar.gz", "other-1.0-py3-none-any.whl", "demo_-1.0.tar.gz", "_demo-1.0.tar.gz", "d.e_mo-1.0.tar.gz",
    "demo-x.tar.gz", "demo-x-py3-none-any.whl", "demo-1_0-py3-none-any.whl", "demo-1.0_1-py3-none-any.whl",
    "demo~-1.0.tar.gz", "demo-.tar.gz", "-1.0.tar.gz", "demo-1.0\n.tar.gz", f"{WHEEL}\n{WHEEL}",
    f"{WHEEL}\r", f"{WHEEL}\u2028{WHEEL}", "demo-1.0\v.tar.gz", "dem\u043e-1.0.tar.gz",
    "../demo-1.0.tar.gz", "demo-\u0661.0.tar.gz", LONGEST, f"{LONGEST[:-7]}0.tar.gz", f"demo-1.{'0' * 5000}.tar.gz",
]  # fmt: skip
DIGESTS = [
    DIGEST, sha256_of("sdist"), DIGEST.upper(), DIGEST[:-1], f"{DIGEST}0", f"{DIGEST}\n", f" {DIGEST}", "", None,
    f"{DIGEST}\n{DIGEST}", "g" * 64, "\u0661" * 64,
]  # fmt: skip
URLS = [
    f"{FILES}/{WHEEL}", f"{FILES}/a/{WHEEL}?sig=a/b&c=1", f"http://files.upstream.example/{WHEEL}", f"HTTPS://a/{WHEEL}",
    f"../../files/{WHEEL}", WHEEL, f"/f/{WHEEL}", f"//files.upstream.example/{WHEEL}", f"{FILES}:8443/{WHEEL}",
    f"{FILES}/{WHEEL}#sha256={DIGEST}", f"{FILES}/with space.whl", f" {FILES}/{WHEEL} ", f"{FILES}/{WHEEL}\n",
    f"{FILES}/a\n{FILES}/b", f"{FILES}/a\r\n{FILES}/b", f"{FILES}/{'x' * 1700}", f"{FILES}/{'x' * 1701}",
    f"{FILES}/{'x' * 1950}", f"{FILES}/{'x' * 2001}", f"{FILES}/\u00fc.whl", f"{FILES}\\{WHEEL}", f"{FILES}/\x00",
    "https://[2001:db8::1]/x.whl", "https://[::::]/x.whl", "https://user:secret@a.example/x.whl", "", "#", "..",
    "ftp://a.example/x.whl", "javascript:alert(1)", "https://", "https://a.example", "https:x.whl", f"{FILES}/\u2028",
]  # fmt: skip
SPECIFIERS = [None, "", ">=3.8", " >=3.8,\n <4 ", ">=3.8", "nonsense", ">=3.*", f">={'3' * 1000}", " "]
TIMES = [
    None, "", "2024-01-02T03:04:05.678901Z", "2024-01-02T03:04:05", "2024-01-02T03:04:05+05:30", " 2024-01-02 ",
    "0001-01-01T00:00:00+14:00", "yesterday", "2024-01-02T03:04:05Z" + " " * 60,
]  # fmt: skip
PROVENANCES = [None, "", f"{FILES}/p", "/p", "http://a.example/p", "javascript:x", f"{FILES}/{'x' * 2001}"]
SIZES = [None, 0, 1, -1, 1 << 53, (1 << 53) + 1, 1 << 200]

USUAL_LINES = st.builds(
    Listed,
    filename=st.sampled_from(NAMES[:4]),
    url=st.sampled_from(URLS[:2]),
    sha256=st.sampled_from(DIGESTS[:2]),
    requires_python=st.sampled_from(SPECIFIERS),
    yank=st.none() | st.builds(Yank, st.text(max_size=20)),
    has_metadata=st.booleans(),
    metadata_sha256=st.sampled_from(DIGESTS),
    uploaded_at=st.sampled_from(TIMES),
    size_bytes=st.sampled_from(SIZES) | st.integers(),
    provenance_url=st.sampled_from(PROVENANCES),
)
FOREIGN_LINES = st.builds(
    Listed,
    filename=st.sampled_from(NAMES) | st.text(max_size=20),
    url=st.sampled_from(URLS) | st.text(max_size=20),
    sha256=st.sampled_from(DIGESTS) | st.text(max_size=20),
    requires_python=st.sampled_from(SPECIFIERS) | st.text(max_size=10),
    yank=st.none() | st.builds(Yank, st.text(max_size=20)),
    has_metadata=st.booleans(),
    metadata_sha256=st.sampled_from(DIGESTS),
    uploaded_at=st.sampled_from(TIMES) | st.text(max_size=10),
    size_bytes=st.sampled_from(SIZES) | st.integers(),
    provenance_url=st.sampled_from(PROVENANCES) | st.text(max_size=10),
)
SKIPPED = st.builds(Skipped, filename=st.text(max_size=10), reason=st.just("The line has no URL"))
ODD_IN_ONE = st.one_of(
    st.sampled_from(NAMES).map(lambda name: USUAL._replace(filename=name)),
    st.sampled_from(URLS).map(lambda url: USUAL._replace(url=url)),
    st.sampled_from(DIGESTS).map(lambda sha256: USUAL._replace(sha256=sha256)),
)
LINES = st.lists(USUAL_LINES, max_size=6) | st.lists(USUAL_LINES | ODD_IN_ONE | FOREIGN_LINES | SKIPPED, max_size=8)
PAGE_URLS = st.sampled_from([URL, URL.replace("https:", "http:"), "HTTPS://upstream.example/simple/demo/"])


def a_page(url: str = URL) -> Page:
    """Make the page of `demo`, of which nothing is remembered yet."""
    return Page(index=PUBLIC, project=DEMO, url=url, base_url=url, now=START)


def by_itself(line: Listed | Skipped, url: str = URL) -> UpstreamFile | Skipped:
    """Return what the line says if it is the page's only one."""
    return line if isinstance(line, Skipped) else accept(line, a_page(url))


@given(LINES, PAGE_URLS)
def test_together_lines_say_what_each_says_by_itself(lines: list[Listed | Skipped], url: str) -> None:
    """None is taken, left out or read otherwise because of those beside it."""
    assert accept_all(lines, a_page(url)) == [by_itself(line, url) for line in lines]


@given(st.lists(USUAL_LINES, max_size=6) | st.lists(USUAL_LINES | ODD_IN_ONE | FOREIGN_LINES, max_size=8), PAGE_URLS)
def test_columns_say_what_their_lines_say(lines: list[Listed], url: str) -> None:
    """A page that comes in columns has the same files as one that comes in lines."""
    columns = Columns(*zip(*lines, strict=True)) if lines else Columns(*([] for _ in Columns._fields))
    assert accept_all(columns, a_page(url)) == accept_all(lines, a_page(url))


@pytest.mark.parametrize("others", [0, 3], ids=["alone", "among usual ones"])
@pytest.mark.parametrize("url", [URL, URL.replace("https:", "http:")], ids=["https", "http"])
def test_each_odd_value_is_judged_as_by_itself(others: int, url: str) -> None:
    """Every odd name, URL and digest of the lists above, each in a line that is usual beyond it."""
    odd = [USUAL._replace(filename=name) for name in NAMES]
    odd += [USUAL._replace(url=raw) for raw in URLS]
    odd += [USUAL._replace(sha256=digest) for digest in DIGESTS]
    for line in odd:
        lines = [USUAL] * others + [line] + [USUAL] * others
        assert accept_all(lines, a_page(url)) == [by_itself(each, url) for each in lines]


@pytest.mark.parametrize(
    "two_in_one",
    [
        USUAL._replace(sha256=f"{DIGEST}\n{DIGEST}"),
        USUAL._replace(url=f"{FILES}/a.whl\n{FILES}/b.whl"),
        USUAL._replace(url=f"{FILES}/a.whl\nhttps://elsewhere.example/"),
    ],
)
def test_a_line_break_does_not_make_two_good_values_of_a_bad_one(two_in_one: Listed) -> None:
    """Columns are looked at as text, a value a line; a value that holds a line break is refused all the same."""
    first, refused, last = accept_all([USUAL, two_in_one, USUAL], a_page())
    assert isinstance(refused, Skipped)
    assert isinstance(first, UpstreamFile)
    assert first == last


def test_the_order_is_kept() -> None:
    """Usual files, unusual ones and those left out stand where their lines stood."""
    lines: list[Listed | Skipped] = [
        USUAL._replace(filename="demo-3.0.tar.gz"),
        Skipped("first", "The line has no URL"),
        USUAL._replace(filename="demo-1.0-1-py3-none-any.whl"),
        USUAL._replace(filename="demo-2.0.tar.gz"),
        USUAL._replace(filename="other-1.0.tar.gz"),
        Skipped("last", "The line has no URL"),
        USUAL._replace(filename="demo-1.0.zip"),
        USUAL._replace(filename="demo-1.0.tar.gz"),
    ]
    assert [line.filename for line in accept_all(iter(lines), a_page())] == [line.filename for line in lines]


@pytest.mark.parametrize("sha256", [None, "", DIGEST[:-1], f"{DIGEST}\n"])
def test_one_bad_digest_among_many_does_not_lose_the_others(sha256: str | None) -> None:
    """It alone is left out, with its reason; one in upper case is a good one."""
    lines = [USUAL._replace(filename=f"demo-{number}.tar.gz") for number in range(100)]
    lines[50] = lines[50]._replace(sha256=sha256)
    lines[51] = lines[51]._replace(sha256=DIGEST.upper())
    files = accept_all(lines, a_page())
    assert [line.filename for line in files if isinstance(line, Skipped)] == ["demo-50.tar.gz"]
    assert {line.sha256 for line in files if isinstance(line, UpstreamFile)} == {DIGEST}
    assert len(files) == 100


def test_one_downgrade_among_many_is_left_out_alone() -> None:
    """A page that came over https has one file over http; a page over http may have it."""
    lines = [USUAL, USUAL._replace(url=f"http://files.upstream.example/{WHEEL}"), USUAL]
    assert [isinstance(line, Skipped) for line in accept_all(lines, a_page())] == [False, True, False]
    unprotected = accept_all(lines, a_page(URL.replace("https:", "http:")))
    assert not [line for line in unprotected if isinstance(line, Skipped)]


@pytest.mark.parametrize("lines", [[], [Skipped("demo", "The line has no URL")]], ids=["no line", "none to read"])
def test_a_page_without_usual_lines(lines: list[Listed | Skipped]) -> None:
    """A page may be empty, and all that it has may be left out already."""
    assert accept_all(lines, a_page()) == lines


def check_usual_name(filename: str) -> bool:
    """Return whether the quick reading says something, which must be what the thorough one says."""
    quick = find_usual_name(filename, a_page())
    if quick is not None:
        assert parse_distribution_filename(parse_filename(filename), name=DEMO) == quick
    return quick is not None


def test_usual_names_are_read_as_all_others_are() -> None:
    """The quick reading of a name agrees with the thorough one, and leaves what it is not sure of to that."""
    usual = {name for name in NAMES if check_usual_name(name)}
    assert {WHEEL, "demo-1.0.tar.gz", "demo-1.0+corp.3-py2.py3-none-any.whl", LONGEST} <= usual
    assert usual.isdisjoint(
        {"other-1.0.tar.gz", "demo-1.0-1-py3-none-any.whl", "demo-1-2.tar.gz", "demo-1.0.zip", "demo-x.tar.gz", ""}
    )


@given(st.lists(st.sampled_from([*"-._+!~01", "demo", "Demo", "py3", "none", "any", ".whl", ".tar.gz"]), max_size=12))
def test_names_made_of_the_usual_pieces_are_read_alike(pieces: list[str]) -> None:
    """In any order, so that hyphens and endings stand where nobody expects them."""
    check_usual_name("".join(pieces))


@given(st.from_regex(r"(demo|De\.mo)-[0-9a-z.+!_]{1,8}(\.tar\.gz|(-[0-9a-z_.]{1,5}){3,5}\.whl)", fullmatch=True))
def test_names_of_the_usual_shape_are_read_alike(filename: str) -> None:
    """Versions, build tags and variants of all kinds."""
    check_usual_name(filename)


def test_what_is_remembered_of_a_page_changes_nothing() -> None:
    """The same lines a second time, and after others of the same release, are read as the first time."""
    page = a_page()
    lines = [USUAL, USUAL._replace(filename="demo-1.0.tar.gz"), USUAL._replace(filename="demo-1.0-cp311-none-any.whl")]
    first = accept_all(lines, page)
    assert accept_all(reversed(lines), page) == first[::-1]
    assert first == [by_itself(line) for line in lines]
