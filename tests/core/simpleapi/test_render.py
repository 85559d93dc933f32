"""Project pages and lists, byte for byte and property by property."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.mirrored import Offered
from strongroom.core.model import File, ProjectStatus, Yank
from strongroom.core.pages import ProjectPage, make_project_list, make_project_page
from strongroom.core.simpleapi.negotiate import PageType
from strongroom.core.simpleapi.render import Links, render_project_list, render_project_page, render_upload_time
from tests.factories import MAIN, a_file, a_project, an_upstream_file, sha256_of
from tests.replacing import replace as change

LINKS = Links("../../files/")
WHEEL = replace(
    a_file("demo-1.0-py3-none-any.whl"),
    sha256=sha256_of("wheel"),
    requires_python=">=3.8,<4",
    metadata_sha256=sha256_of("metadata"),
    serves_metadata=True,
    provenance_sha256=sha256_of("provenance"),
)
SDIST = replace(a_file("demo-1.0.tar.gz", yank=Yank('broken: "x" & <y>')), sha256=sha256_of("sdist"))
STATUS_REASON = "moved to <acme>"
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)


def a_page(*files: File, status: ProjectStatus = ProjectStatus.ACTIVE, reason: str | None = None) -> ProjectPage:
    """Make a page of these files."""
    return make_project_page(replace(a_project(serial=7), status=status, status_reason=reason), files)


def as_json(page: ProjectPage, links: Links = LINKS) -> dict[str, object]:
    """Render to JSON and read it again."""
    return msgspec.json.decode(render_project_page(page, PageType.JSON, links=links), type=dict[str, object])


def one_file(page: ProjectPage, links: Links = LINKS) -> dict[str, object]:
    """Return the only file of the page's JSON."""
    (file,) = msgspec.convert(as_json(page, links)["files"], list[dict[str, object]])
    return file


class Anchors(HTMLParser):
    """Reads a page as a browser does."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: list[dict[str, str | None]] = []
        self.metas: dict[str | None, str | None] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect anchors and metas."""
        if tag == "a":
            self.anchors.append(dict(attrs))
        if tag == "meta":
            self.metas[dict(attrs)["name"]] = dict(attrs)["content"]


def as_html(page: ProjectPage, links: Links = LINKS) -> str:
    """Render to HTML, which is pure ASCII."""
    return render_project_page(page, PageType.HTML, links=links).decode("ascii")


def test_the_html_page_has_the_shape_of_pypi() -> None:
    """The whole page, byte for byte: hatch, Renovate and Dependabot read it with regular expressions."""
    page = a_page(WHEEL, SDIST, status=ProjectStatus.DEPRECATED, reason=STATUS_REASON)
    assert as_html(page, Links("../../files/", "https://packages.example/main/integrity/")) == (
        "<!DOCTYPE html>\n"
        '<html lang="en">\n'
        "  <head>\n"
        '    <meta name="pypi:repository-version" content="1.4">\n'
        '    <meta name="pypi:project-status" content="deprecated">\n'
        '    <meta name="pypi:project-status-reason" content="moved to &lt;acme&gt;">\n'
        "    <title>Links for demo</title>\n"
        "  </head>\n"
        "  <body>\n"
        "    <h1>Links for demo</h1>\n"
        f'    <a href="../../files/demo/demo-1.0-py3-none-any.whl#sha256={sha256_of("wheel")}"'
        ' data-requires-python="&gt;=3.8,&lt;4"'
        f' data-dist-info-metadata="sha256={sha256_of("metadata")}"'
        f' data-core-metadata="sha256={sha256_of("metadata")}"'
        ' data-provenance="https://packages.example/main/integrity/demo/1.0/demo-1.0-py3-none-any.whl/provenance"'
        ">demo-1.0-py3-none-any.whl</a><br />\n"
        f'    <a href="../../files/demo/demo-1.0.tar.gz#sha256={sha256_of("sdist")}"'
        ' data-yanked="broken: &quot;x&quot; &amp; &lt;y&gt;">demo-1.0.tar.gz</a><br />\n'
        "  </body>\n"
        "</html>\n"
        "<!--SERIAL 7-->\n"
    )


def test_the_json_page_has_every_key_of_version_1_4() -> None:
    """The whole page: known keys with their values, unknown ones left out."""
    page = a_page(WHEEL, SDIST, status=ProjectStatus.DEPRECATED, reason=STATUS_REASON)
    assert as_json(page, Links("../../files/", "https://packages.example/main/integrity/")) == {
        "meta": {"_last-serial": 7, "api-version": "1.4"},
        "name": "demo",
        "versions": ["1.0"],
        "project-status": {"status": "deprecated", "reason": STATUS_REASON},
        "files": [
            {
                "filename": "demo-1.0-py3-none-any.whl",
                "url": "../../files/demo/demo-1.0-py3-none-any.whl",
                "hashes": {"sha256": sha256_of("wheel")},
                "size": len("demo-1.0-py3-none-any.whl"),
                "upload-time": "2026-01-05T12:00:00.000000Z",
                "yanked": False,
                "requires-python": ">=3.8,<4",
                "core-metadata": {"sha256": sha256_of("metadata")},
                "dist-info-metadata": {"sha256": sha256_of("metadata")},
                "provenance": ("https://packages.example/main/integrity/demo/1.0/demo-1.0-py3-none-any.whl/provenance"),
            },
            {
                "filename": "demo-1.0.tar.gz",
                "url": "../../files/demo/demo-1.0.tar.gz",
                "hashes": {"sha256": sha256_of("sdist")},
                "size": len("demo-1.0.tar.gz"),
                "upload-time": "2026-01-05T12:00:00.000000Z",
                "yanked": 'broken: "x" & <y>',
            },
        ],
    }


def test_nothing_is_null() -> None:
    """Uv 0.13.9 rejects the whole page for one null; what is unknown is left out."""
    assert b"null" not in render_project_page(a_page(a_file()), PageType.JSON, links=LINKS)
    assert as_json(a_page())["files"] == []


def test_pep_592_a_yank_without_a_reason_is_true_and_an_empty_attribute() -> None:
    """PEP 592 and 691: a yanked file without a reason is `true`, and `data-yanked=""`."""
    page = a_page(a_file(yank=Yank()))
    assert one_file(page)["yanked"] is True
    assert 'data-yanked=""' in as_html(page)


def test_pep_658_metadata_is_advertised_only_if_it_is_served() -> None:
    """A 404 on an advertised sidecar is fatal for pip and uv, so one that is not served is not named."""
    page = a_page(replace(WHEEL, serves_metadata=False))
    assert "metadata" not in as_html(page)
    assert not {"core-metadata", "dist-info-metadata"} & one_file(page).keys()


def test_pep_740_provenance_is_named_only_by_an_absolute_url() -> None:
    """PEP 740 demands a fully qualified URL; where none is known, none is named."""
    assert "provenance" not in as_html(a_page(WHEEL))
    assert "provenance" not in one_file(a_page(WHEEL))


def test_pep_792_an_active_project_has_no_status() -> None:
    """PEP 792: a project without a status marker is active."""
    assert "project-status" not in as_json(a_page(WHEEL))
    assert "project-status" not in as_html(a_page(WHEEL))


def test_pep_792_a_status_may_stand_without_a_reason() -> None:
    """The reason is left out, not null."""
    page = a_page(status=ProjectStatus.ARCHIVED)
    assert as_json(page)["project-status"] == {"status": "archived"}
    assert Anchors(as_html(page)).metas["pypi:project-status"] == "archived"
    assert "pypi:project-status-reason" not in Anchors(as_html(page)).metas


@given(st.datetimes(min_value=datetime(1990, 1, 1), timezones=st.just(timezone(timedelta(hours=5, minutes=30)))))  # noqa: DTZ001 - hypothesis wants a naive bound
def test_pep_700_upload_times_are_utc_with_microseconds(moment: datetime) -> None:
    """PEP 700: `yyyy-mm-ddThh:mm:ss.ffffffZ`; uv rejects a time without its offset."""
    text = render_upload_time(moment)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text)
    assert datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC) == moment


ZONES = st.sampled_from([UTC, ZoneInfo("UTC"), timezone(timedelta(0)), timezone(timedelta(hours=-7, minutes=-1))])


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=ZONES),  # noqa: DTZ001 - hypothesis wants a naive bound
    st.booleans(),
)
def test_pep_700_the_page_has_the_same_upload_time(moment: datetime, is_full_second: bool) -> None:  # noqa: FBT001 - hypothesis fills it by position
    """Whoever writes it, and whatever its zone: also a full second has its six zeros, and UTC is a Z."""
    moment = moment.replace(microsecond=0) if is_full_second else moment
    page = a_page(replace(a_file(), uploaded_at=moment))
    assert one_file(page)["upload-time"] == render_upload_time(moment)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 5, 12, 0, tzinfo=UTC), "2026-01-05T12:00:00.000000Z"),
        (datetime(2026, 1, 5, 12, 0, 0, 1, UTC), "2026-01-05T12:00:00.000001Z"),
        (datetime(2026, 1, 5, 12, 0, 0, 120_000, UTC), "2026-01-05T12:00:00.120000Z"),
        (datetime(2026, 1, 5, 12, 0, 0, 1, ZoneInfo("UTC")), "2026-01-05T12:00:00.000001Z"),
        (datetime(2026, 1, 5, 12, 0, 0, 1, timezone(timedelta(hours=5, minutes=30))), "2026-01-05T06:30:00.000001Z"),
        (datetime(987, 1, 5, 12, 0, 0, 1, UTC), "0987-01-05T12:00:00.000001Z"),
    ],
)
def test_pep_700_an_upload_time_is_written_out(moment: datetime, text: str) -> None:
    """The function and the page, letter by letter."""
    assert render_upload_time(moment) == text
    assert one_file(a_page(replace(a_file(), uploaded_at=moment)))["upload-time"] == text


def test_an_unknown_upload_time_is_left_out() -> None:
    """An upstream of PEP 691's first version says none."""
    file = an_upstream_file("demo-1.0-py3-none-any.whl", uploaded_at=None)
    assert "upload-time" not in one_file(replace(a_page(), files=(file,)))


@given(TEXT, TEXT, TEXT)
def test_hostile_text_survives_and_never_becomes_markup(yank: str, reason: str, requires: str) -> None:
    """What people write comes back as they wrote it, in one anchor, and nothing else appears on the page."""
    file = replace(a_file(yank=Yank(yank)), requires_python=requires)
    page = a_page(file, status=ProjectStatus.DEPRECATED, reason=reason)
    read = Anchors(as_html(page))
    (anchor,) = read.anchors
    assert anchor["data-yanked"] == yank
    assert anchor.get("data-requires-python", "") == requires
    assert read.metas.get("pypi:project-status-reason", "") == reason
    assert one_file(page)["yanked"] == (yank or True)


@given(st.text(max_size=60))
def test_one_anchor_is_one_line(yank: str) -> None:
    """No yank reason, whatever controls it holds, breaks the line that regular expressions match."""
    text = as_html(a_page(a_file(yank=Yank(yank.encode(errors="ignore").decode()))))
    assert len(text.splitlines()) == 12
    assert len(re.findall(r'(?m)^    <a href="[^"]*"[^\n]*>demo-1.0-py3-none-any.whl</a><br />$', text)) == 1


def test_line_breaks_in_a_reason_are_kept_as_references() -> None:
    """A reason of two lines is read as two lines."""
    text = as_html(a_page(a_file(yank=Yank("first\nsecond\ttab"))))
    assert 'data-yanked="first&#10;second&#9;tab"' in text
    assert html.unescape("first&#10;second&#9;tab") == "first\nsecond\ttab"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain é €", "plain &#233; &#8364;"),
        ("&", "&amp;"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ('"', "&quot;"),
        ("'", "&#x27;"),
        ("\0", "&#65533;"),
        ("\x1f", "&#31;"),
        ("\x7f", "&#65533;"),
        ("\x85", "&#65533;"),
    ],
)
def test_each_kind_of_character_is_escaped_by_itself(text: str, escaped: str) -> None:
    """One alone is enough, wherever it stands."""
    assert f'data-yanked="{escaped}a{escaped}"' in as_html(a_page(a_file(yank=Yank(f"{text}a{text}"))))


OFFERED = st.builds(
    lambda make, filename, changes: change(make(filename), **changes),
    st.sampled_from([a_file, an_upstream_file]),
    st.sampled_from([f"demo-{version}{end}" for version in ("1.0", "1.0.0", "2.0") for end in (".zip", "-a-b-c.whl")]),
    st.fixed_dictionaries(
        {},
        optional={
            "yank": st.builds(Yank, st.sampled_from(["", "broken"])),
            "size_bytes": st.sampled_from([0, 1]),
            "requires_python": st.sampled_from(["", ">=3.8"]),
            "metadata_sha256": st.just(sha256_of("metadata")),
        },
    ),
)


def with_extras(file: Offered, *, is_rich: bool) -> Offered:
    """Add METADATA and provenance, which own and upstream files name differently."""
    if not is_rich:
        return file
    if isinstance(file, File):
        return replace(file, serves_metadata=True, provenance_sha256=sha256_of("provenance"))
    return change(file, has_upstream_metadata=True, provenance_url="https://upstream.example/provenance")


def line_of(file: Offered, integrity: str | None) -> dict[str, object]:
    """Say by the PEPs what the page has to say of a file."""
    metadata = ({"sha256": file.metadata_sha256} if file.metadata_sha256 else True) if file.serves_metadata else None
    folder = f"{integrity}{file.project}/{file.version}/{file.filename}"
    line = {
        "filename": file.filename,
        "url": f"../../files/{file.project}/{file.filename}",
        "hashes": {"sha256": file.sha256},
        "yanked": (file.yank.reason or True) if file.yank else False,
        "size": file.size_bytes,
        "upload-time": render_upload_time(file.uploaded_at) if file.uploaded_at else None,
        "requires-python": file.requires_python or None,
        "core-metadata": metadata,
        "dist-info-metadata": metadata,
        "provenance": f"{folder}/provenance" if integrity and file.has_provenance else None,
    }
    return {key: value for key, value in line.items() if value is not None}


@given(st.lists(st.tuples(OFFERED, st.booleans())), st.sampled_from([None, "https://packages.example/main/integrity/"]))
def test_each_line_is_about_its_own_file(drawn: list[tuple[Offered, bool]], integrity: str | None) -> None:
    """Whatever stands before it, and in whichever order: 1.0 and 1.0.0 are told apart in URLs."""
    files = tuple(with_extras(file, is_rich=is_rich) for file, is_rich in drawn)
    page = as_json(replace(a_page(), files=files), Links("../../files/", integrity))
    assert page["files"] == [line_of(file, integrity) for file in files]


def test_the_project_list_names_projects_and_serials() -> None:
    """Bandersnatch drops any project without `_last-serial`; the name is the one its owner chose."""
    shown = replace(a_project("other", serial=9), display_name="Other_One")
    projects = make_project_list(MAIN, [shown, a_project("demo", serial=4)])
    assert msgspec.json.decode(render_project_list(projects, PageType.JSON)) == {
        "meta": {"_last-serial": 9, "api-version": "1.4"},
        "projects": [{"name": "demo", "_last-serial": 4}, {"name": "Other_One", "_last-serial": 9}],
    }
    assert render_project_list(projects, PageType.HTML).decode() == (
        "<!DOCTYPE html>\n"
        '<html lang="en">\n'
        "  <head>\n"
        '    <meta name="pypi:repository-version" content="1.4">\n'
        "    <title>Simple index</title>\n"
        "  </head>\n"
        "  <body>\n"
        '    <a href="demo/">demo</a><br />\n'
        '    <a href="other/">Other_One</a><br />\n'
        "  </body>\n"
        "</html>\n"
        "<!--SERIAL 9-->\n"
    )
