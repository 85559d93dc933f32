"""The tables that hold indexes, projects and files, on every catalog."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from packaging.version import Version

from strongroom.core.errors import Conflict
from strongroom.core.model import Downloads, File, Index, Project, ProjectStatus, Tombstone, Yank
from strongroom.core.names import Filename, IndexName, ProjectName
from strongroom.core.rules import Rules
from strongroom.core.upstream import Delivery, Upstream
from strongroom.ports import Transaction
from tests.contracts.driven import Driven
from tests.factories import DEMO, MAIN, STAGING, a_file, a_project, an_index, sha256_of
from tests.fakes import START
from tests.replacing import replace

MISSING = Filename("missing-1.0.tar.gz")
FULL_RULES = Rules(
    cooldown=timedelta(days=3, microseconds=1),
    allowed=("django", "acme-*"),
    denied=('evil>=2,!="3"', "ünicode"),
    takes_sdists=False,
    takes_yanked=False,
    platforms=("manylinux_2_*_x86_64",),
    max_size_bytes=2**40,
    licences=("MIT", "Apache-2.0"),
    takes_unknown_licences=False,
)


def saving(project: Project) -> Callable[[Transaction], None]:
    """Return the transaction that saves the project."""
    return lambda tx: tx.projects.save(project)


def adding(file: File) -> Callable[[Transaction], None]:
    """Return the transaction that adds the file."""
    return lambda tx: tx.files.add(file)


@pytest.fixture
def packages(catalog: Driven) -> Driven:
    """Make a catalog with two indexes and the project `demo` in both."""

    def fill(tx: Transaction) -> None:
        tx.indexes.add(an_index("main"))
        tx.indexes.add(an_index("staging"))
        tx.projects.save(a_project())
        tx.projects.save(a_project(index="staging"))

    catalog.write(fill)
    return catalog


def test_an_index_comes_back_as_it_went_in(catalog: Driven) -> None:
    """Every field of an index is stored, the order of its bases included."""
    full = Index(
        name=MAIN,
        created_at=START,
        accepts_uploads=False,
        anonymous_read=True,
        bases=(IndexName("zeta"), IndexName("alpha")),
        upstream=Upstream(
            url="https://upstream.example/simple/",
            credentials=bytes(range(256)),
            freshness=timedelta(days=40_000, microseconds=1),
            delivery=Delivery.REDIRECT,
            is_offline=True,
        ),
        rules=FULL_RULES,
        forbids_reserved=True,
        needs_approval=True,
        downloads=Downloads.REDIRECT,
    )
    catalog.write(lambda tx: tx.indexes.add(full))
    catalog.write(lambda tx: tx.indexes.add(an_index("staging")))
    assert catalog.read(lambda tx: tx.indexes.find(MAIN)) == full
    assert catalog.read(lambda tx: tx.indexes.find(STAGING)) == an_index("staging")
    assert catalog.read(lambda tx: tx.indexes.find(IndexName("other"))) is None
    assert [index.name for index in catalog.read(lambda tx: tx.indexes.list())] == ["main", "staging"]


def test_an_index_is_replaced_and_removed(catalog: Driven) -> None:
    """A replaced index keeps nothing of the old one; a removed one is gone, and removing it again is harmless."""
    catalog.write(lambda tx: tx.indexes.add(an_index()))
    catalog.write(lambda tx: tx.indexes.replace(an_index(anonymous_read=True)))
    assert catalog.read(lambda tx: tx.indexes.list()) == (an_index(anonymous_read=True),)
    for _ in range(2):
        catalog.write(lambda tx: tx.indexes.remove(MAIN))
        assert catalog.read(lambda tx: tx.indexes.list()) == ()


def test_an_index_name_is_taken_once(catalog: Driven) -> None:
    """Adding a second index of a name is a conflict and changes nothing; so is replacing one that is not there."""
    catalog.write(lambda tx: tx.indexes.add(an_index()))
    with pytest.raises(Conflict, match="'main'"):
        catalog.write(lambda tx: tx.indexes.add(an_index(anonymous_read=True)))
    with pytest.raises(Conflict, match="'staging'"):
        catalog.write(lambda tx: tx.indexes.replace(an_index("staging")))
    assert catalog.read(lambda tx: tx.indexes.list()) == (an_index(),)


def test_an_index_with_projects_is_not_removed(packages: Driven) -> None:
    """Neither an index that has projects nor a project that has files can be removed."""
    packages.write(lambda tx: tx.files.add(a_file()))
    with pytest.raises(Conflict):
        packages.write(lambda tx: tx.indexes.remove(MAIN))
    with pytest.raises(Conflict):
        packages.write(lambda tx: tx.projects.remove(MAIN, DEMO))
    packages.write(lambda tx: tx.projects.remove(STAGING, DEMO))
    packages.write(lambda tx: tx.indexes.remove(STAGING))
    assert packages.read(lambda tx: tx.indexes.find(MAIN)) == an_index()
    assert packages.read(lambda tx: tx.projects.find(MAIN, DEMO)) == a_project()


def test_a_project_is_saved_again_and_again(packages: Driven) -> None:
    """Saving replaces the project of that index and name, and no other."""
    changed = replace(a_project(serial=7), status=ProjectStatus.QUARANTINED, status_reason="", display_name="De.Mo")
    packages.write(lambda tx: tx.projects.save(changed))
    assert packages.read(lambda tx: tx.projects.find(MAIN, DEMO)) == changed
    assert packages.read(lambda tx: tx.projects.find(STAGING, DEMO)) == a_project(index="staging")
    assert packages.read(lambda tx: tx.projects.find(MAIN, ProjectName("other"))) is None


def test_projects_are_listed_byte_by_byte(packages: Driven) -> None:
    """The list of an index is sorted as ASCII, on every database and in every locale."""
    for name in ("zz", "a-b", "a0", "ab", "a-a", "a"):
        packages.write(saving(a_project(name)))
    names = [project.name for project in packages.read(lambda tx: tx.projects.list(MAIN))]
    assert names == ["a", "a-a", "a-b", "a0", "ab", "demo", "zz"]
    assert [project.name for project in packages.read(lambda tx: tx.projects.list(STAGING))] == ["demo"]


def test_a_project_needs_its_index(catalog: Driven) -> None:
    """A project of an unknown index is a conflict, and so is a file of an unknown project."""
    with pytest.raises(Conflict):
        catalog.write(lambda tx: tx.projects.save(a_project()))
    catalog.write(lambda tx: tx.indexes.add(an_index()))
    with pytest.raises(Conflict):
        catalog.write(lambda tx: tx.files.add(a_file()))
    assert catalog.read(lambda tx: tx.files.count(MAIN)) == 0


def test_a_file_comes_back_as_it_went_in(packages: Driven) -> None:
    """Every field of a file is stored, and an absent one stays absent."""
    plain = a_file("demo-2.0.tar.gz", serial=2)
    full = replace(
        a_file(),
        version=Version("1!1.0rc1.post2.dev3+corp.1"),
        md5="0" * 32,
        blake2b_256="1" * 64,
        requires_python=">=3.11",
        metadata_sha256=sha256_of("metadata"),
        serves_metadata=True,
        provenance_sha256=sha256_of("provenance"),
        size_bytes=2**40,
        yank=Yank("broken"),
    )
    packages.write(lambda tx: tx.files.add(full))
    packages.write(lambda tx: tx.files.add(plain))
    assert packages.read(lambda tx: tx.files.find(MAIN, full.filename)) == full
    assert packages.read(lambda tx: tx.files.find(MAIN, plain.filename)) == plain
    assert packages.read(lambda tx: tx.files.find(STAGING, full.filename)) is None


def test_a_yank_without_a_reason_is_a_yank(packages: Driven) -> None:
    """An empty reason is stored as such, and taking the yank back leaves none."""
    packages.write(lambda tx: tx.files.add(a_file()))
    packages.write(lambda tx: tx.files.replace(a_file(yank=Yank(""))))
    assert packages.read(lambda tx: tx.files.list(MAIN, DEMO)) == (a_file(yank=Yank("")),)
    packages.write(lambda tx: tx.files.replace(a_file()))
    assert packages.read(lambda tx: tx.files.list(MAIN, DEMO)) == (a_file(),)


def test_files_are_listed_in_the_order_of_upload(packages: Driven) -> None:
    """Neither name, version nor a later change decides the order of a project's files."""
    names = ["demo-2.0.tar.gz", "demo-1.0.tar.gz", "demo-10.0.tar.gz"]
    for name in names:
        packages.write(adding(a_file(name)))
    packages.write(lambda tx: tx.files.add(a_file(names[0], index="staging")))
    packages.write(lambda tx: tx.files.replace(a_file(names[0], serial=9, yank=Yank())))
    assert [file.filename for file in packages.read(lambda tx: tx.files.list(MAIN, DEMO))] == names
    assert packages.read(lambda tx: (tx.files.count(MAIN), tx.files.count(STAGING))) == (3, 1)
    scanned = packages.read(lambda tx: [(file.index, file.filename) for file in tx.files.scan()])
    assert scanned == [*((MAIN, name) for name in names), (STAGING, names[0])]


def test_a_filename_is_taken_once_in_an_index(packages: Driven) -> None:
    """The second file of a name is a conflict in its index only; a file that is not there is not replaced."""
    packages.write(lambda tx: tx.files.add(a_file()))
    packages.write(lambda tx: tx.files.add(a_file(index="staging")))
    with pytest.raises(Conflict, match=a_file().filename):
        packages.write(lambda tx: tx.files.add(replace(a_file(), sha256=sha256_of("other"))))
    with pytest.raises(Conflict, match="missing"):
        packages.write(lambda tx: tx.files.replace(replace(a_file(), filename=MISSING)))
    assert packages.read(lambda tx: tx.files.list(MAIN, DEMO)) == (a_file(),)


def test_a_buried_file_leaves_its_name_taken(packages: Driven) -> None:
    """Burying removes the row and keeps name and digest, even after project and index are gone."""
    tombstone = Tombstone(MAIN, DEMO, a_file().filename, a_file().sha256, START)
    packages.write(lambda tx: tx.files.add(a_file()))
    packages.write(lambda tx: tx.files.add(a_file(index="staging")))
    packages.write(lambda tx: tx.files.bury(tombstone))
    assert packages.read(lambda tx: tx.files.find(MAIN, tombstone.filename)) is None
    assert packages.read(lambda tx: tx.files.find(STAGING, tombstone.filename)) == a_file(index="staging")
    packages.write(lambda tx: tx.projects.remove(MAIN, DEMO))
    packages.write(lambda tx: tx.indexes.remove(MAIN))
    assert packages.read(lambda tx: tx.files.find_tombstone(MAIN, tombstone.filename)) == tombstone
    assert packages.read(lambda tx: tx.files.find_tombstone(STAGING, tombstone.filename)) is None


def test_a_file_can_be_buried_again(packages: Driven) -> None:
    """A file that came back (a promotion after one that was undone) and goes again leaves the newer tombstone."""
    first = Tombstone(MAIN, DEMO, a_file().filename, a_file().sha256, START)
    second = replace(first, sha256=sha256_of("other"), deleted_at=START + timedelta(days=1))
    packages.write(lambda tx: tx.files.bury(first))
    packages.write(lambda tx: tx.files.bury(replace(first, index=STAGING)))
    packages.write(lambda tx: tx.files.add(a_file()))
    packages.write(lambda tx: tx.files.bury(second))
    assert packages.read(lambda tx: tx.files.find_tombstone(MAIN, first.filename)) == second
    assert packages.read(lambda tx: tx.files.find_tombstone(STAGING, first.filename)) == replace(first, index=STAGING)
    assert packages.read(lambda tx: tx.files.list(MAIN, DEMO)) == ()


def test_the_owners_of_a_name_are_found(packages: Driven) -> None:
    """Who has the project owns the name, and who deleted files of it, even when project and index are gone."""
    other = ProjectName("other")
    packages.write(lambda tx: tx.files.bury(Tombstone(STAGING, other, MISSING, sha256_of("x"), START)))
    packages.write(lambda tx: tx.projects.save(a_project("other")))
    owners = packages.read(lambda tx: [tx.projects.find_owners(name) for name in (DEMO, other, ProjectName("third"))])
    assert owners == [{MAIN, STAGING}, {MAIN, STAGING}, frozenset()]
    packages.write(lambda tx: tx.projects.remove(STAGING, DEMO))
    packages.write(lambda tx: tx.indexes.remove(STAGING))
    assert packages.read(lambda tx: tx.projects.find_owners(DEMO)) == {MAIN}
    assert packages.read(lambda tx: tx.projects.find_owners(other)) == {MAIN, STAGING}


def test_a_scan_passes_every_file(packages: Driven) -> None:
    """A scan yields each file once, however many batches that takes."""
    names = [f"demo-{number}.0.tar.gz" for number in range(1203)]

    def add_all(tx: Transaction) -> None:
        for name in names:
            tx.files.add(a_file(name))

    packages.write(add_all)
    assert packages.read(lambda tx: [file.filename for file in tx.files.scan()]) == names
