"""What a filename and core metadata say, and that their faults are reported together."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from strongroom.core.distfile import Distribution, parse_distribution_filename, read_distribution
from strongroom.core.errors import InvalidName, UploadRefused
from strongroom.core.model import PackageType
from strongroom.core.names import Filename, ProjectName
from tests.archives import metadata_of

WHEEL = Filename("demo-1.0-py3-none-any.whl")
SDIST = Filename("demo-1.0.tar.gz")

FILENAMES = [
    ("demo-1.0-py3-none-any.whl", "demo", "1.0", "py3"),
    ("Foo_Bar-1.0-py2.py3-none-any.whl", "foo-bar", "1.0", "py2.py3"),
    ("foo.bar-1!2.0-1-cp311-cp311-linux_x86_64.whl", "foo-bar", "1!2.0", "cp311"),
    ("demo-1.0+corp.3-1_corp-py3-none-any.whl", "demo", "1.0+corp.3", "py3"),
    ("demo-1.0-py3-none-any-cu126.whl", "demo", "1.0", "py3"),
    ("demo-1.0-2-py3-none-any-cu126_x.y.whl", "demo", "1.0", "py3"),
    ("demo-1.0_1-py3-none-any.whl", "demo", "1.0.post1", "py3"),
    ("demo-1.0_post1-py3-none-any.whl", "demo", "1.0.post1", "py3"),
    ("demo-1.0.tar.gz", "demo", "1.0", "source"),
    ("Foo.Bar-1.0.tar.gz", "foo-bar", "1.0", "source"),
    ("foo-bar-1.0.zip", "foo-bar", "1.0", "source"),
    ("a-2-b-1.0.tar.gz", "a-2-b", "1.0", "source"),
    ("demo-1-2.tar.gz", "demo-1", "2", "source"),
    ("demo-1.0-rc1.tar.gz", "demo", "1.0rc1", "source"),
    ("demo-1.0+corp-3.tar.gz", "demo", "1.0+corp.3", "source"),
    ("demo-1!2.0.tar.gz", "demo", "1!2.0", "source"),
]

BAD_FILENAMES = [
    ("demo-1.0.whl", "wheel-filename"),
    ("demo-1.0-any.whl", "wheel-filename"),
    ("demo-1.0-x-py3-none-any-a.whl", "wheel-filename"),
    ("demo-1.0-1-py3-none-any-a-b.whl", "wheel-filename"),
    ("demo-1.0-py3-none-any-CU.whl", "wheel-filename"),
    ("demo-1.0--none-any.whl", "wheel-filename"),
    ("demo-1.0-py3-n~ne-any.whl", "wheel-filename"),
    ("demo-one-py3-none-any.whl", "filename-version"),
    ("_demo-1.0-py3-none-any.whl", "project-name"),
    ("demo.tar.gz", "sdist-filename"),
    ("demo-one.tar.gz", "sdist-filename"),
    ("1.0.zip", "sdist-filename"),
]


@pytest.mark.parametrize(("filename", "project", "version", "python_tag"), FILENAMES)
def test_filenames_are_read(filename: str, project: str, version: str, python_tag: str) -> None:
    """A filename names a project, a version and a python tag, however old tools spelt it."""
    told = parse_distribution_filename(Filename(filename))

    expected_type = PackageType.WHEEL if filename.endswith(".whl") else PackageType.SDIST
    assert told == (project, Version(version), expected_type, python_tag)


@pytest.mark.parametrize(("filename", "code"), BAD_FILENAMES)
def test_bad_filenames_are_refused(filename: str, code: str) -> None:
    """A filename that names no project and version is refused with a hint."""
    with pytest.raises(InvalidName) as caught:
        parse_distribution_filename(Filename(filename))

    assert caught.value.code == code
    assert caught.value.hint


def test_variant_label_needs_no_build_tag() -> None:
    """PEP 825: with six parts, a third part that begins with a digit is a build tag, else the last is a label."""
    with_label = parse_distribution_filename(Filename("demo-1.0-py3-none-any-x8664v3.whl"))
    with_build = parse_distribution_filename(Filename("demo-1.0-3-cp311-none-any.whl"))

    assert with_label.python_tag == "py3"
    assert with_build.python_tag == "cp311"


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        (None, None, ("demo-1", "2")),
        ("demo", None, ("demo", "1.post2")),
        ("Demo_1", None, ("demo-1", "2")),
        (None, "1-2", ("demo", "1.post2")),
        (None, "latest", ("demo-1", "2")),
        ("demo/", "2", ("demo-1", "2")),
    ],
)
def test_metadata_resolves_ambiguous_names(name: str | None, version: str | None, expected: tuple[str, str]) -> None:
    """`demo-1-2.tar.gz` is demo-1 2 or demo 1.post2; the metadata decides, else the last hyphen."""
    told = parse_distribution_filename(Filename("demo-1-2.tar.gz"), name=name, version=version)

    assert (told.project, told.version) == (expected[0], Version(expected[1]))


@given(
    name=st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,5}([._][A-Za-z0-9]{1,4}){0,2}", fullmatch=True),
    version=st.from_regex(
        r"([0-9]!)?[0-9]{1,2}(\.[0-9]{1,2}){0,2}((a|b|rc)[0-9])?(\.post[0-9])?(\+[a-z0-9]{1,4})?", fullmatch=True
    ),
)
def test_reads_names_as_packaging_does(name: str, version: str) -> None:
    """Where `packaging` reads a filename, the same project and version come out."""
    wheel, sdist = f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.tar.gz"

    of_wheel, of_sdist = (parse_distribution_filename(Filename(filename)) for filename in (wheel, sdist))

    assert [str(of_wheel.project), of_wheel.version] == list(parse_wheel_filename(wheel)[:2])
    assert [str(of_sdist.project), of_sdist.version] == list(parse_sdist_filename(sdist))
    assert str(of_wheel.project) == str(canonicalize_name(name))


def test_reads_a_distribution() -> None:
    """All that the index keeps of a distribution comes from its filename and its metadata."""
    metadata = metadata_of("Demo", "1.0.0", "Summary: A demo", "Requires-Python: >=3.9", "X-Odd: yes")

    assert read_distribution(WHEEL, metadata) == Distribution(
        filename=WHEEL,
        project=ProjectName("demo"),
        display_name="Demo",
        version=Version("1.0.0"),
        package_type=PackageType.WHEEL,
        python_tag="py3",
        metadata_version="2.4",
        requires_python=">=3.9",
        summary="A demo",
        has_static_metadata=True,
    )


@pytest.mark.parametrize(
    ("filename", "metadata_version", "expected"),
    [(WHEEL, "1.0", True), (SDIST, "2.1", False), (SDIST, "2.2", True), (SDIST, "2.10", True)],
)
def test_static_metadata(filename: Filename, metadata_version: str, expected: bool) -> None:  # noqa: FBT001
    """PEP 643: an sdist's metadata is reliable from metadata 2.2 on; a wheel's always."""
    distribution = read_distribution(filename, metadata_of("demo", "1.0", metadata_version=metadata_version))

    assert distribution.has_static_metadata is expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (">=3.9", ">=3.9"),
        (">=3.9,\n        <4", ">=3.9, <4"),
        ("==3.*", "==3.*"),
        (">=3.6.*", None),
        (">=" + "3" * 5000, None),
        ("python 3", None),
        ("", None),
    ],
)
def test_requires_python_is_readable_or_left_out(line: str, expected: str | None) -> None:
    """Requires-Python is one line that clients can read, or absent; it never refuses a file."""
    metadata = metadata_of("demo", "1.0", f"Requires-Python: {line}")

    assert read_distribution(WHEEL, metadata).requires_python == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Summary: One\n    two", "One two"),
        ("Summary: a\x00b", "ab"),
        ("Summary: UNKNOWN", None),
        ("Summary:", None),
        ("Summary: One\nSummary: Two", None),
        ("Author: x", None),
    ],
)
def test_summary_is_one_line(line: str, expected: str | None) -> None:
    """The summary is one line of text without NUL, or absent."""
    assert read_distribution(WHEEL, metadata_of("demo", "1.0", line)).summary == expected


def test_latin_1_metadata_is_read() -> None:
    """Old metadata that is not UTF-8 is read as Latin-1."""
    metadata = b"Metadata-Version: 1.0\nName: demo\nVersion: 1.0\nSummary: Zo\xeb\n"

    assert read_distribution(SDIST, metadata).summary == "Zoë"


def test_the_description_is_not_read() -> None:
    """Lines behind the first empty line are text, also when they look like fields or break UTF-8."""
    metadata = metadata_of("demo", "1.0").replace(b"A description.", b"Name: other\n\xff")

    assert read_distribution(WHEEL, metadata).display_name == "demo"


def test_all_faults_are_reported_together() -> None:
    """One error names every fault, under the first one's code."""
    with pytest.raises(UploadRefused) as caught:
        read_distribution(WHEEL, metadata_of("other", "2.0", metadata_version="9.9"))

    assert caught.value.code == "metadata-format"
    for part in ("Metadata-Version", "'other'", "version 2.0"):
        assert part in caught.value.message


def test_a_bad_filename_is_reported_with_the_metadata_s_faults() -> None:
    """A filename that cannot be read stops the comparison, not the report."""
    with pytest.raises(UploadRefused) as caught:
        read_distribution(Filename("demo.tar.gz"), b"Name: demo\n")

    assert caught.value.code == "metadata-format"
    assert "demo.tar.gz" in caught.value.message


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_read(metadata: bytes) -> None:
    """No bytes make reading metadata fail in another way than by `UploadRefused`."""
    with contextlib.suppress(UploadRefused):
        assert read_distribution(WHEEL, metadata).project == "demo"
