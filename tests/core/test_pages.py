from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from strongroom.core.access import (
    ADMINISTRATOR_GRANTS,
    ANONYMOUS,
    Grant,
    Operator,
    Principal,
    ProjectTarget,
    Right,
    Scope,
    Signed,
    allows,
)
from strongroom.core.errors import Forbidden
from strongroom.core.mirrored import Offered
from strongroom.core.model import ProjectStatus, Yank
from strongroom.core.names import UserName, parse_project_name
from strongroom.core.pages import (
    demand_offered,
    make_project_list,
    make_project_page,
    narrow_project_list,
    reads_every_project,
    sort_files,
)
from strongroom.core.policy import Allow
from tests.factories import MAIN, STAGING, a_file, a_grant, a_project, a_scope, an_upstream_file
from tests.replacing import replace as change


def signed(*grants: Grant, scope: Scope | None = None) -> Signed:
    """Make somebody who holds these grants, perhaps through a token."""
    return Signed(UserName("bob"), grants, scope=None if scope is None else scope.grants())


def test_files_stand_by_version_then_by_name() -> None:
    """1.10 comes after 1.9, a pre-release before its release, a wheel and its sdist together."""
    names = [
        "demo-1.10-py3-none-any.whl",
        "demo-1.9.tar.gz",
        "demo-1.9-py3-none-any.whl",
        "demo-2.0rc1-py3-none-any.whl",
        "demo-2.0-py3-none-any.whl",
        "demo-1!0.1-py3-none-any.whl",
    ]
    assert [file.filename for file in sort_files(map(a_file, names)).files] == [
        "demo-1.9-py3-none-any.whl",
        "demo-1.9.tar.gz",
        "demo-1.10-py3-none-any.whl",
        "demo-2.0rc1-py3-none-any.whl",
        "demo-2.0-py3-none-any.whl",
        "demo-1!0.1-py3-none-any.whl",
    ]


def test_pep_700_versions_are_those_of_the_files() -> None:
    """Each version is named once, in its canonical spelling, in order."""
    files = [a_file("demo-1.10.tar.gz"), a_file("demo-1.9.tar.gz"), a_file("demo-1.9-py3-none-any.whl")]
    assert make_project_page(a_project(), files).versions == ("1.9", "1.10")
    two_spellings = [a_file("demo-1.0-py3-none-any.whl"), a_file("demo-1.0.0.tar.gz")]
    assert make_project_page(a_project(), two_spellings).versions == ("1.0",)


VERSIONS = ("1.0", "1.0.0", "1.0rc1", "1.10", "1.9", "1!0.1", "1.9+corp.1")
SHARED = {text: Version(text) for text in VERSIONS}
NAMED = st.tuples(st.sampled_from(VERSIONS), st.sampled_from([".tar.gz", "-py3-none-any.whl", "-py2-none-any.whl"]))


@given(st.lists(st.tuples(NAMED, st.booleans(), st.booleans()), unique_by=lambda drawn: drawn[0]))
def test_files_are_sorted_whatever_stood_together(drawn: list[tuple[tuple[str, str], bool, bool]]) -> None:
    """Own files and upstream ones, whether they share their version's object, and however that is spelled."""
    files: list[Offered] = []
    for (version, ending), is_own, is_shared in drawn:
        made: Offered = (a_file if is_own else an_upstream_file)(f"demo-{version}{ending}")
        files.append(change(made, version=SHARED[version]) if is_shared else made)
    expected = sorted(files, key=lambda file: (file.version, file.filename))
    found = sort_files(iter(files))
    assert [id(file) for file in found.files] == [id(file) for file in expected]
    assert found.versions == tuple(map(str, dict.fromkeys(file.version for file in expected)))


def test_pep_592_a_yanked_file_shows() -> None:
    """Resolvers skip it themselves; a page without it would break pinned installs."""
    file = a_file(yank=Yank("broken"))
    assert make_project_page(a_project(), [file]).files == (file,)


@pytest.mark.parametrize("status", [status for status in ProjectStatus if status is not ProjectStatus.QUARANTINED])
def test_pep_792_files_of_every_other_status_show(status: ProjectStatus) -> None:
    """An archived project takes no uploads, and offers what it has."""
    project = replace(a_project(), status=status)
    assert make_project_page(project, [a_file()]).files == (a_file(),)
    assert len(make_project_list(MAIN, [project]).entries) == 1
    demand_offered(project)


def test_pep_792_files_of_a_quarantined_project_do_not_show() -> None:
    """An index MUST NOT offer them: the page is empty, the list is without it, the file is refused with the reason."""
    project = replace(a_project(), status=ProjectStatus.QUARANTINED, status_reason="malware")
    page = make_project_page(project, [a_file()])
    assert (page.files, page.versions, page.status_reason) == ((), (), "malware")
    assert make_project_list(MAIN, [project]).entries == ()
    with pytest.raises(Forbidden, match="in quarantine, so its files are not served: malware"):
        demand_offered(project)


def test_the_list_carries_the_latest_serial_of_its_entries() -> None:
    """Nobody learns from a list's serial that a project changed that he may not see."""
    projects = make_project_list(MAIN, [a_project("acme", serial=3), a_project("secret", serial=9)])
    assert projects.serial == 9
    narrowed = narrow_project_list(projects, signed(a_grant(Right.READ, projects="acme")), open_indexes=frozenset())
    assert [entry.name for entry in narrowed.entries] == ["acme"]
    assert narrowed.serial == 3
    assert make_project_list(MAIN, []).serial == 0


READERS: dict[str, tuple[Principal, bool]] = {
    "anonymous": (ANONYMOUS, False),
    "operator": (Operator("root"), True),
    "administrator": (signed(*ADMINISTRATOR_GRANTS), True),
    "reader of every index": (signed(a_grant(Right.READ)), True),
    "reader of this index": (signed(a_grant(Right.READ, index="main")), True),
    "reader of another index": (signed(a_grant(Right.READ, index="staging")), False),
    "reader of some projects": (signed(a_grant(Right.READ, projects="acme-*")), False),
    "uploader": (signed(a_grant(Right.UPLOAD)), False),
    "reader whose token reads": (signed(a_grant(Right.READ), scope=a_scope(Right.READ)), True),
    "reader whose token reads some": (signed(a_grant(Right.READ), scope=a_scope(Right.READ, projects=["acme"])), False),
    "reader whose token uploads": (signed(a_grant(Right.READ), scope=a_scope(Right.UPLOAD)), False),
    "nobody with a wide token": (signed(scope=a_scope(Right.READ)), False),
}


@pytest.mark.parametrize(("principal", "expected"), READERS.values(), ids=READERS)
def test_who_reads_everything_is_told_from_who_reads_a_part(principal: Principal, *, expected: bool) -> None:
    """The shared rendering of the list is for those from whom no project is hidden, and only for them."""
    assert reads_every_project(principal, MAIN, open_indexes=frozenset()) is expected
    any_name = ProjectTarget(MAIN, parse_project_name("any-name-at-all"))
    assert isinstance(allows(principal, Right.READ, target=any_name, open_indexes=frozenset()), Allow) is expected


def test_everybody_reads_all_of_an_open_index() -> None:
    """An index that is open to anonymous reading hides nothing, and opens no other."""
    assert reads_every_project(ANONYMOUS, MAIN, open_indexes=frozenset({MAIN}))
    assert not reads_every_project(ANONYMOUS, STAGING, open_indexes=frozenset({MAIN}))
