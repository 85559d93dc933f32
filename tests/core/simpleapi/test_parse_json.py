"""Reading an upstream's project page in JSON."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from packaging.version import Version

from strongroom.core.mirrored import Skipped, UpstreamFile
from strongroom.core.model import PackageType, ProjectStatus, Yank
from strongroom.core.pages import make_project_page
from strongroom.core.simpleapi.negotiate import PageType
from strongroom.core.simpleapi.parse import parse_page
from strongroom.core.simpleapi.render import Links, render_project_page
from tests.core.simpleapi.upstream_answers import FILES, JSON, WHEEL, GivenAnswer, a_line, as_json, only, read
from tests.factories import DEMO, PUBLIC, a_file, a_project, sha256_of
from tests.fakes import START


def read_field(name: str, value: object) -> UpstreamFile:
    """Read a page of one file of which one field is given."""
    return only(read(as_json(a_line() | {name: value})))


def test_a_full_line_is_read_whole() -> None:
    """PEP 691, 700, 714 and 740: each field finds its place."""
    line = a_line(
        requires_python=">=3.8",
        yanked="broken",
        core_metadata={"sha256": sha256_of("metadata")},
        upload_time="2024-01-02T03:04:05.678901Z",
        size=1234,
        provenance=f"{FILES}/provenance",
    )
    assert only(read(as_json(line))) == UpstreamFile(
        index=PUBLIC,
        project=DEMO,
        filename=a_file(WHEEL).filename,
        version=Version("1.0"),
        package_type=PackageType.WHEEL,
        python_tag="py3",
        url=f"{FILES}/{WHEEL}",
        sha256=sha256_of("wheel"),
        first_seen_at=START,
        size_bytes=1234,
        uploaded_at=datetime(2024, 1, 2, 3, 4, 5, 678901, UTC),
        requires_python=">=3.8",
        yank=Yank("broken"),
        has_upstream_metadata=True,
        metadata_sha256=sha256_of("metadata"),
        provenance_url=f"{FILES}/provenance",
    )


def test_what_a_line_does_not_say_is_unknown() -> None:
    """An upstream of PEP 691's first version has none of the later fields."""
    file = only(read(as_json(a_line())))
    assert (file.size_bytes, file.uploaded_at, file.requires_python, file.yank) == (None, None, None, None)
    assert (file.has_upstream_metadata, file.metadata_sha256, file.provenance_url) == (False, None, None)


def test_null_is_as_good_as_missing() -> None:
    """Upstreams write null for each optional field."""
    names = ("requires-python", "yanked", "core-metadata", "upload-time", "size", "provenance", "gpg-sig")
    assert only(read(as_json(a_line() | dict.fromkeys(names)))) == only(read(as_json(a_line())))


def test_the_page_remembers_how_it_came() -> None:
    """The ETag and the time are kept for asking again."""
    answer = GivenAnswer(as_json(a_line()), etag='"1"')
    page = parse_page(answer, index=PUBLIC, project=DEMO, now=START)
    assert (page.etag, page.fetched_at, page.is_missing) == ('"1"', START, False)


@pytest.mark.parametrize("content_type", [JSON, "application/json", "Application/JSON; charset=utf-8"])
def test_json_types(content_type: str) -> None:
    """The versioned type, the general one, in any spelling and with parameters."""
    assert only(read(as_json(a_line()), content_type)).filename == WHEEL


@pytest.mark.parametrize("key", ["core-metadata", "dist-info-metadata", "data-dist-info-metadata"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, (True, None)),
        (False, (False, None)),
        (None, (False, None)),
        ({}, (True, None)),
        ({"md5": "x"}, (True, None)),
        ({"sha256": sha256_of("m")}, (True, sha256_of("m"))),
        ({"sha256": sha256_of("m").upper()}, (True, sha256_of("m"))),
        ({"sha256": "short"}, (True, None)),
        ({"sha256": 7}, (True, None)),
        ("yes", (False, None)),
        (1, (False, None)),
    ],
)
def test_metadata_in_each_spelling(key: str, value: object, expected: tuple[bool, str | None]) -> None:
    """PEP 714's key, PEP 658's, and the misspelt one, each with a flag or with hashes."""
    file = read_field(key, value)
    assert (file.has_upstream_metadata, file.metadata_sha256) == expected


def test_the_newest_metadata_key_wins() -> None:
    """PEP 714: the old key counts only where the new one is missing."""
    line = a_line() | {"core-metadata": False, "dist-info-metadata": {"sha256": sha256_of("m")}}
    assert not only(read(as_json(line))).has_upstream_metadata


@pytest.mark.parametrize(
    ("value", "yank"),
    [
        (False, None),
        (True, Yank("")),
        ("", None),
        ("why", Yank("why")),
        ("two\nlines\x00 \u202e", Yank("two lines")),
        (0, None),
        (1, Yank("")),
        (["x"], Yank("")),
    ],
)
def test_yanks(value: object, yank: Yank | None) -> None:
    """PEP 592 in JSON: a flag or a reason, which becomes one printable line."""
    assert read_field("yanked", value).yank == yank


def test_a_long_reason_is_cut() -> None:
    """Nobody stores a novel for a yank."""
    yank = read_field("yanked", "word " * 1000).yank
    assert yank is not None
    assert len(yank.reason) <= 500
    assert yank.reason.endswith("...")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-01-02T03:04:05Z", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2024-01-02T03:04:05.1Z", datetime(2024, 1, 2, 3, 4, 5, 100000, tzinfo=UTC)),
        ("2024-01-02T03:04:05.123456789Z", datetime(2024, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)),
        ("2024-01-02T03:04:05", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2024-01-02 05:04:05+02:00", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2024-01-02", datetime(2024, 1, 2, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        ("", None),
        ("2024-13-01T00:00:00Z", None),
        ("2024-01-02T03:04:05Z" + " " * 100, None),
        (1704164645, None),
        ({}, None),
    ],
)
def test_upload_times(value: object, expected: datetime | None) -> None:
    """PEP 700's times, without or with any fraction and zone; what is none is unknown."""
    assert read_field("upload-time", value).uploaded_at == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 0), (5, 5), (1 << 53, 1 << 53), ((1 << 53) + 1, None), (-1, None), (True, None), ("5", None), (5.0, None)],
)
def test_sizes(value: object, expected: int | None) -> None:
    """A size is a number of bytes, or unknown."""
    assert read_field("size", value).size_bytes == expected


def test_a_size_beyond_all_integers_does_not_lose_the_page() -> None:
    """A number of 400 digits costs at most its own line."""
    content = as_json(a_line(size=7), a_line("demo-2.0.tar.gz")).replace(b":7}", b":" + b"9" * 400 + b"}")
    assert "demo-2.0.tar.gz" in [file.filename for file in read(content).files]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (">=3.8,<4", ">=3.8,<4"),
        (" >=3.8,\n <4 ", ">=3.8, <4"),
        ("", None),
        (">=3.6.*", None),
        ("three", None),
        (">=3," * 400 + "<4", None),
        (3.8, None),
    ],
)
def test_requires_python(value: object, expected: str | None) -> None:
    """A specifier on one line; pip ignores an invalid one, and so it is not passed on."""
    assert read_field("requires-python", value).requires_python == expected


@pytest.mark.parametrize(
    ("top", "status", "reason"),
    [
        ({}, ProjectStatus.ACTIVE, None),
        ({"project-status": None}, ProjectStatus.ACTIVE, None),
        ({"project-status": {"status": "archived"}}, ProjectStatus.ARCHIVED, None),
        ({"project-status": {"status": "quarantined", "reason": "bad\nnews"}}, ProjectStatus.QUARANTINED, "bad news"),
        ({"project-status": {"status": "active", "reason": "x"}}, ProjectStatus.ACTIVE, None),
        ({"project-status": {"status": "odd", "reason": "x"}}, ProjectStatus.ACTIVE, None),
        ({"project-status": {"status": 5}}, ProjectStatus.ACTIVE, None),
        ({"project-status": "deprecated"}, ProjectStatus.DEPRECATED, None),
        ({"meta": {"project-status": "archived", "project-status-reason": "r"}}, ProjectStatus.ARCHIVED, "r"),
        ({"meta": {"project-status": {"status": "Archived", "reason": "r"}}}, ProjectStatus.ARCHIVED, "r"),
        ({"meta": None}, ProjectStatus.ACTIVE, None),
    ],
)
def test_project_status(top: dict[str, object], status: ProjectStatus, reason: str | None) -> None:
    """PEP 792's status, at the top level or in `meta`; an unknown one is active."""
    page = read(as_json(a_line(), **top))
    assert (page.status, page.status_reason) == (status, reason)


def test_a_relative_url_counts_from_the_page() -> None:
    """The URL after redirects is where it counts from."""
    line = a_line(url="../../files/x/demo.whl#sha256=ignored")
    assert (
        only(read(as_json(line), url="https://other.example/a/b/demo/")).url
        == "https://other.example/a/files/x/demo.whl"
    )


def test_our_own_pages_are_understood() -> None:
    """What this server renders, it reads: another Strongroom is an upstream too."""
    wheel = a_file(WHEEL, yank=Yank('a "quoted" <reason>'))
    rendered = render_project_page(make_project_page(a_project(), [wheel]), PageType.JSON, links=Links("../../files/"))
    file = only(read(rendered, PageType.JSON.content_type))
    assert (file.filename, file.sha256, file.size_bytes) == (wheel.filename, wheel.sha256, wheel.size_bytes)
    assert (file.uploaded_at, file.yank) == (wheel.uploaded_at, wheel.yank)
    assert file.url == f"https://upstream.example/files/demo/{WHEEL}"


def test_a_bad_line_does_not_lose_the_page() -> None:
    """Each line that is not believed is told with its name and the reason; the others stand."""
    page = read(as_json(a_line("other-1.0.tar.gz"), 5, a_line(), None, {"url": "x"}, []))
    assert [file.filename for file in page.files] == [WHEEL]
    no_name = Skipped("(no name)", "The upstream's line has no filename or no URL")
    assert page.skipped == (
        Skipped("other-1.0.tar.gz", "It belongs to another project, 'other'"), no_name, no_name, no_name, no_name
    )  # fmt: skip
