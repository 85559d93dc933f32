from __future__ import annotations

from dataclasses import replace

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from strongroom.core.dependencies import Need, Unreadable, describe_missing, read_needs
from strongroom.core.names import parse_project_name


def needs(*lines: str) -> list[str]:
    """Return what metadata with these requirements needs."""
    text = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n" + "".join(f"Requires-Dist: {line}\n" for line in lines)
    return [str(need) for need in read_needs(f"{text}\nRequires-Dist: not-a-field".encode(), wanted_by="demo==1.0")]


def test_requirements_are_read_with_normalised_names() -> None:
    """Old spellings with brackets and extras of the requirement included; the description is not metadata."""
    assert needs("Acme_Core (>=1.0)", "acme.tools[cli]~=2.1", "plain") == ["acme-core>=1.0", "acme-tools~=2.1", "plain"]
    assert needs() == []


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("a; extra == 'test'", False),
        ("a; python_version >= '3.9' and extra == 'test'", False),
        ("a; sys_platform == 'win32'", True),
        ("a; platform_machine == 'arm64'", True),
        ("a; python_version < '3.11'", True),
        ("a; python_version < '3.7'", False),
        ("a; platform_python_implementation == 'PyPy'", False),
        ("a @ https://files.example/a-1.0.tar.gz", False),
    ],
)
def test_only_what_a_usual_environment_installs_counts(line: str, counts: bool) -> None:  # noqa: FBT001  # a parameter
    """Extras are somebody's wish, and a direct URL comes from elsewhere."""
    assert bool(needs(line)) is counts


def test_what_is_no_requirement_is_told() -> None:
    """An installer would stumble over it too."""
    assert needs("???", "_bad-") == ["'???'", "'_bad-'"]


@pytest.mark.parametrize(
    ("specifier", "versions", "is_met"),
    [
        ("", ["1.0"], True),
        ("", [], False),
        (">=2", ["1.0"], False),
        (">=1", ["0.9", "1.5"], True),
        (">=1", ["2.0rc1"], True),
        ("==1.0", ["1.0+corp"], True),
    ],
)
def test_a_need_is_met_by_a_version(specifier: str, versions: list[str], is_met: bool) -> None:  # noqa: FBT001
    """As pip chooses: a pre-release only where there is nothing else."""
    need = Need(parse_project_name("a"), SpecifierSet(specifier), "demo==1.0")
    assert need.is_met_by(map(Version, versions)) is is_met


def test_what_is_missing_is_said_in_one_sentence() -> None:
    """Each once, with who wants it; of many the first ten."""
    need = Need(parse_project_name("core"), SpecifierSet(">=2"), "demo==1.0")
    assert describe_missing([need, need, Unreadable("?", "demo==1.0")], index="main") == (
        "The index 'main' does not have core>=2 (for demo==1.0), '?' (for demo==1.0)"
    )
    both = [need, replace(need, wanted_by="other==2.0")]
    assert describe_missing(both, index="main").endswith("does not have core>=2 (for demo==1.0, other==2.0)")
    many = [Need(parse_project_name(f"a{n}"), SpecifierSet(), "demo==1.0") for n in range(12)]
    assert describe_missing(many, index="main").endswith("a9 (for demo==1.0) and 2 more")
