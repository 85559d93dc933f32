from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from packaging.version import Version

from strongroom.core.jsonapi import (
    Places,
    ReleaseFacts,
    choose_release,
    find_described_file,
    render_project,
    render_release,
)
from strongroom.core.model import ProjectStatus, Yank
from strongroom.core.pages import ProjectPage, make_project_page
from tests.factories import a_file, a_project, sha256_of

PLACES = Places("https://packages.example/main/files/", "https://packages.example/project/")
METADATA = """\
Metadata-Version: 2.4
Name: demo
Version: 1.0
Summary: Zoë's demo
Keywords: one,two
Author-email: Zoë <zoe@example.org>
License-Expression: MIT
License-File: LICENSE
Classifier: Private :: Do Not Upload
Requires-Dist: other>=2
Requires-Python: >=3.9
Provides-Extra: fast
Project-URL: Home, https://demo.example/
Description-Content-Type: text/markdown

# Demo
""".encode()
WHEEL = replace(
    a_file("demo-1.0-py3-none-any.whl"),
    metadata_sha256=sha256_of("metadata"),
    serves_metadata=True,
    md5="0" * 32,
    blake2b_256="1" * 64,
    requires_python=">=3.9",
)


def a_page(*names: str, yanked: tuple[str, ...] = ()) -> ProjectPage:
    """Make a page of wheels of these versions."""
    files = [a_file(f"demo-{name}-py3-none-any.whl", yank=Yank("bad") if name in yanked else None) for name in names]
    return make_project_page(a_project(serial=5), files)


def read(body: bytes) -> dict[str, dict[str, object]]:
    """Read the two parts of a body that are objects."""
    parts = msgspec.json.decode(body, type=dict[str, object])
    return {name: msgspec.convert(parts.get(name, {}), dict[str, object]) for name in ("info", "releases")}


def test_info_says_what_metadata_says() -> None:
    """`info` has PyPI's keys, filled from METADATA."""
    facts = ReleaseFacts(make_project_page(a_project(serial=5), [WHEEL]), Version("1.0"), METADATA)
    assert read(render_project(facts, PLACES))["info"] == {
        "name": "demo",
        "version": "1.0",
        "summary": "Zoë's demo",
        "description": "# Demo\n",
        "description_content_type": "text/markdown",
        "keywords": "one,two",
        "license": None,
        "license_expression": "MIT",
        "license_files": ["LICENSE"],
        "classifiers": ["Private :: Do Not Upload"],
        "author": None,
        "author_email": "Zoë <zoe@example.org>",
        "maintainer": None,
        "maintainer_email": None,
        "home_page": None,
        "download_url": None,
        "platform": None,
        "project_urls": {"Home": "https://demo.example/"},
        "requires_dist": ["other>=2"],
        "requires_python": ">=3.9",
        "provides_extra": ["fast"],
        "dynamic": None,
        "package_url": "https://packages.example/project/demo/",
        "project_url": "https://packages.example/project/demo/",
        "release_url": "https://packages.example/project/demo/1.0/",
        "bugtrack_url": None,
        "docs_url": None,
        "downloads": {"last_day": -1, "last_month": -1, "last_week": -1},
        "yanked": False,
        "yanked_reason": None,
    }


def test_a_file_has_what_mirrors_need() -> None:
    """Bandersnatch and Dependabot find name, absolute URL, digests, size, times and yank of each file."""
    facts = ReleaseFacts(make_project_page(a_project(serial=5), [WHEEL]), Version("1.0"), METADATA)
    expected = {
        "comment_text": None,
        "core-metadata": {"sha256": sha256_of("metadata")},
        "digests": {"blake2b_256": "1" * 64, "md5": "0" * 32, "sha256": WHEEL.sha256},
        "downloads": -1,
        "filename": "demo-1.0-py3-none-any.whl",
        "has_sig": False,
        "md5_digest": "0" * 32,
        "packagetype": "bdist_wheel",
        "python_version": "py3",
        "requires_python": ">=3.9",
        "size": WHEEL.size_bytes,
        "upload_time": "2026-01-05T12:00:00",
        "upload_time_iso_8601": "2026-01-05T12:00:00.000000Z",
        "url": "https://packages.example/main/files/demo/demo-1.0-py3-none-any.whl",
        "yanked": False,
        "yanked_reason": None,
    }
    body = msgspec.json.decode(render_project(facts, PLACES))
    assert body.keys() == {"info", "last_serial", "releases", "urls", "vulnerabilities", "ownership"}
    assert body["releases"] == {"1.0": [expected]}
    assert body["urls"] == [expected]
    assert body["last_serial"] == 5
    assert body["vulnerabilities"] == []
    assert body["ownership"] == {"organization": None, "roles": []}


def test_a_release_lists_its_own_files_only() -> None:
    """`/pypi/{project}/{version}/json` has `urls` and, as on PyPI, no `releases`."""
    body = msgspec.json.decode(render_release(ReleaseFacts(a_page("1.0", "2.0"), Version("1.0"), b""), PLACES))
    assert "releases" not in body
    assert [file["filename"] for file in body["urls"]] == ["demo-1.0-py3-none-any.whl"]


def test_a_release_without_metadata_still_answers() -> None:
    """An old sdist without PKG-INFO gives a body with nulls."""
    facts = ReleaseFacts(a_page("1.0"), Version("1.0"), b"")
    assert read(render_project(facts, PLACES))["info"]["summary"] is None


def test_metadata_that_is_not_utf_8_still_answers() -> None:
    """Whatever bytes an old setuptools wrote, the answer is JSON."""
    facts = ReleaseFacts(a_page("1.0"), Version("1.0"), "Name: demo\nAuthor: Zoë\n\n".encode("latin-1"))
    assert read(render_project(facts, PLACES))["info"]["name"] == "demo"


LATEST = {
    ("1.0", "2.0"): "2.0",
    ("1.0", "2.0rc1"): "1.0",
    ("1.0a1", "1.0rc1"): "1.0rc1",
    ("1.0", "1.0.post1"): "1.0.post1",
    ("1.0", "1.0+corp.3"): "1.0+corp.3",
}


@pytest.mark.parametrize(("versions", "latest"), LATEST.items())
def test_the_latest_release_is_final_if_there_is_one(versions: tuple[str, ...], latest: str) -> None:
    """A pre-release is the latest only where there is nothing else."""
    assert choose_release(a_page(*versions), None) == Version(latest)


def test_the_latest_release_is_not_yanked_if_there_is_one() -> None:
    """Where everything was yanked, the latest of it answers, and says so."""
    assert choose_release(a_page("1.0", "2.0", yanked=("2.0",)), None) == Version("1.0")
    page = a_page("1.0", "2.0", yanked=("1.0", "2.0"))
    assert choose_release(page, None) == Version("2.0")
    info = read(render_project(ReleaseFacts(page, Version("2.0"), b""), PLACES))["info"]
    assert (info["yanked"], info["yanked_reason"]) == (True, "bad")


def test_an_unknown_release_is_none() -> None:
    """Versions are compared as PEP 440 says; what is not there is not made up."""
    assert choose_release(a_page("1.0"), Version("3")) is None
    assert choose_release(a_page(), None) is None
    quarantined = replace(a_project(), status=ProjectStatus.QUARANTINED)
    assert choose_release(make_project_page(quarantined, [a_file()]), None) is None


def test_a_release_is_called_as_it_was_published() -> None:
    """1.0.0 is 1.0 (PEP 440), so both URLs say the same, whichever was asked for first."""
    assert str(choose_release(a_page("1.0"), Version("1.0.0"))) == "1.0"
    assert str(choose_release(a_page("1!2.0+corp.3"), Version("1!2+CORP-3"))) == "1!2.0+corp.3"


def test_a_wheel_describes_a_release_before_an_sdist() -> None:
    """A wheel's METADATA is final; an sdist's may be dynamic."""
    sdist = replace(a_file("demo-1.0.tar.gz"), metadata_sha256=sha256_of("pkg-info"))
    bare = a_file("demo-1.0-cp311-none-any.whl")
    assert find_described_file(make_project_page(a_project(), [sdist, bare, WHEEL]), Version("1.0")) == WHEEL
    assert find_described_file(make_project_page(a_project(), [sdist, bare]), Version("1.0")) == sdist
    assert find_described_file(make_project_page(a_project(), [bare]), Version("1.0")) is None
