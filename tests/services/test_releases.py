"""Published files: yanked, deleted, and a project's status."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from packaging.version import Version

from strongroom.core.access import ProjectTarget, Right
from strongroom.core.caller import Caller
from strongroom.core.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated
from strongroom.core.events import Deleted, StatusChanged, Unyanked, Yanked
from strongroom.core.model import File, Project, ProjectStatus, Tombstone, Yank
from strongroom.core.names import IndexName, parse_filename, parse_project_name
from strongroom.ports import Transaction
from strongroom.services.releases import Releases, Selection
from tests.factories import (
    DEMO,
    MAIN,
    NOBODY,
    OPERATOR,
    a_caller,
    a_file,
    a_grant,
    a_project,
    a_scope,
    a_token,
    a_token_caller,
    an_index,
)
from tests.fakes import START
from tests.services.house import House, wait

ONE, TWO = Version("1.0"), Version("2.0")
WHEEL, SDIST, NEXT = "demo-1.0-py3-none-any.whl", "demo-1.0.0.tar.gz", "demo-2.0.tar.gz"
RELEASE = Selection(MAIN, DEMO, ONE)
PROJECT = Selection(MAIN, DEMO)
FILE = Selection(MAIN, DEMO, filename=parse_filename(SDIST))
TARGET = ProjectTarget(MAIN, DEMO)


@pytest.fixture
def house() -> House:
    """Provide a house with two releases of one project, and a project of the same name elsewhere."""
    house = House()
    house.add_index(an_index("main"))
    house.add_index(an_index("staging"))
    house.add_files(a_project(), a_file(WHEEL), a_file(SDIST), a_file(NEXT))
    house.add_files(a_project(index="staging"), a_file(WHEEL, index="staging"))
    return house


def releases(house: House) -> Releases:
    """Make the service."""
    return Releases(house.catalog, house.clock)


def files(house: House) -> dict[str, File]:
    """Return the project's files by name."""
    return {file.filename: file for file in house.look(lambda tx: tx.files.list(MAIN, DEMO))}


def project(house: House) -> Project | None:
    """Return the project's row."""
    return house.look(lambda tx: tx.projects.find(MAIN, DEMO))


def test_a_release_is_yanked_with_its_reason(house: House) -> None:
    """All its files, 1.0 and 1.0.0 alike; one event; the other release and index stay as they are."""
    yanked = wait(releases(house).yank(OPERATOR, RELEASE, reason=" broken\nbuild "))
    assert [file.filename for file in yanked] == [WHEEL, SDIST]
    assert files(house) == {
        WHEEL: a_file(WHEEL, yank=Yank("broken build"), serial=1),
        SDIST: a_file(SDIST, yank=Yank("broken build"), serial=1),
        NEXT: a_file(NEXT),
    }
    (entry,) = house.entries()
    assert entry.event == Yanked(
        index=MAIN,
        project=DEMO,
        version="1.0",
        filenames=(parse_filename(WHEEL), parse_filename(SDIST)),
        reason="broken build",
    )
    assert entry.actor == OPERATOR.actor
    staging = house.look(lambda tx: tx.files.list(IndexName("staging"), DEMO))
    assert staging == (a_file(WHEEL, index="staging"),)


def test_serials_follow_the_event(house: House) -> None:
    """The project and the changed files carry the event's serial, unchanged files their own."""
    wait(releases(house).yank(OPERATOR, RELEASE))
    wait(releases(house).unyank(OPERATOR, FILE))
    assert {name: file.serial for name, file in files(house).items()} == {WHEEL: 1, SDIST: 2, NEXT: 1}
    assert project(house) == a_project(serial=2)


def test_one_file_is_yanked(house: House) -> None:
    """The rest of the release is offered as before."""
    wait(releases(house).yank(OPERATOR, FILE))
    assert [name for name, file in files(house).items() if file.yank] == [SDIST]


def test_yanking_again_is_no_change(house: House) -> None:
    """Unless the reason is another one; then only that is recorded."""
    service = releases(house)
    wait(service.yank(OPERATOR, FILE, reason="one"))
    assert wait(service.yank(OPERATOR, FILE, reason="one")) == ()
    assert len(house.events()) == 1
    assert [file.filename for file in wait(service.yank(OPERATOR, RELEASE, reason="one"))] == [WHEEL]
    assert len(wait(service.yank(OPERATOR, RELEASE, reason="two"))) == 2
    assert len(house.events()) == 3


def test_a_yanked_release_is_offered_again(house: House) -> None:
    """Once; only the files that were yanked are named."""
    service = releases(house)
    wait(service.yank(OPERATOR, FILE))
    assert [file.filename for file in wait(service.unyank(OPERATOR, RELEASE))] == [SDIST]
    assert wait(service.unyank(OPERATOR, RELEASE)) == ()
    assert house.events()[1:] == [
        Unyanked(index=MAIN, project=DEMO, version="1.0.0", filenames=(parse_filename(SDIST),))
    ]
    assert not any(file.yank for file in files(house).values())


def test_a_whole_project_is_not_yanked(house: House) -> None:
    """PEP 592 yanks files; a project has a status."""
    for work in (releases(house).yank(OPERATOR, PROJECT), releases(house).unyank(OPERATOR, PROJECT)):
        with pytest.raises(InvalidRequest):
            wait(work)
    assert house.events() == []


@pytest.mark.parametrize(
    ("selection", "deleted", "version"),
    [
        (FILE, [SDIST], "1.0.0"),
        (RELEASE, [WHEEL, SDIST], "1.0"),
        (PROJECT, [WHEEL, SDIST, NEXT], None),
    ],
)
def test_what_is_deleted_leaves_its_names_taken(
    house: House, selection: Selection, deleted: list[str], version: str | None
) -> None:
    """A file, a release or a project: one event, a tombstone for each file with its digest."""
    before = files(house)
    house.clock.advance(timedelta(days=1))
    assert [file.filename for file in wait(releases(house).delete(OPERATOR, selection))] == deleted
    assert sorted(files(house)) == sorted(set(before) - set(deleted))
    assert house.events() == [
        Deleted(index=MAIN, project=DEMO, filenames=tuple(map(parse_filename, deleted)), version=version)
    ]
    for name in before:
        tombstone = house.look(lambda tx, name=name: tx.files.find_tombstone(MAIN, parse_filename(name)))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        expected = Tombstone(MAIN, DEMO, parse_filename(name), before[name].sha256, START + timedelta(days=1))
        assert tombstone == (expected if name in deleted else None)
    assert project(house) == (None if selection == PROJECT else a_project(serial=1))


def test_the_last_file_takes_the_project_with_it(house: House) -> None:
    """However it goes; the same name in another index stays."""
    service = releases(house)
    wait(service.delete(OPERATOR, RELEASE))
    wait(service.delete(OPERATOR, Selection(MAIN, DEMO, TWO)))
    assert project(house) is None
    assert house.look(lambda tx: tx.projects.find(IndexName("staging"), DEMO)) == a_project(index="staging")
    assert len(house.events()) == 2


def test_a_status_is_set_with_its_reason(house: House) -> None:
    """PEP 792; setting it again is no change."""
    service = releases(house)
    for _ in range(2):
        saved = wait(service.set_status(OPERATOR, TARGET, status=ProjectStatus.ARCHIVED, reason="moved"))
        assert saved == replace(a_project(), serial=1, status=ProjectStatus.ARCHIVED, status_reason="moved")
        assert project(house) == saved
    wait(service.set_status(OPERATOR, TARGET, status=ProjectStatus.ACTIVE))
    assert project(house) == a_project(serial=2)
    assert house.events() == [
        StatusChanged(index=MAIN, project=DEMO, status="archived", reason="moved"),
        StatusChanged(index=MAIN, project=DEMO, status="active"),
    ]
    assert all(file.serial == 1 for file in files(house).values())


def test_a_status_outlives_the_last_file(house: House) -> None:
    """Deleting what is in quarantine must not open the name again; setting it back to active does."""
    service = releases(house)
    wait(service.set_status(OPERATOR, TARGET, status=ProjectStatus.QUARANTINED, reason="malware"))
    wait(service.delete(OPERATOR, PROJECT))
    kept = replace(a_project(serial=2), status=ProjectStatus.QUARANTINED, status_reason="malware")
    assert (project(house), files(house)) == (kept, {})
    wait(service.set_status(OPERATOR, TARGET, status=ProjectStatus.ACTIVE))
    assert project(house) is None
    assert [event.__class__ for event in house.events()] == [StatusChanged, Deleted, StatusChanged]


MISSING = [
    Selection(MAIN, DEMO, Version("9")),
    Selection(MAIN, DEMO, TWO, parse_filename(WHEEL)),
    Selection(MAIN, DEMO, filename=parse_filename("demo-9.tar.gz")),
    Selection(MAIN, parse_project_name("ghost"), ONE),
    Selection(IndexName("nowhere"), DEMO, ONE),
]


@pytest.mark.parametrize("selection", MISSING, ids=str)
def test_what_is_not_there_is_named(house: House, selection: Selection) -> None:
    """And nothing is changed or recorded."""
    service = releases(house)
    for work in (
        service.yank(OPERATOR, selection),
        service.unyank(OPERATOR, selection),
        service.delete(OPERATOR, selection),
    ):
        with pytest.raises(NotFound, match=f"of {selection} in|'{selection.project}' in"):
            wait(work)
    assert len(files(house)) == 3
    assert house.events() == []


Use = Callable[[Releases, Caller], Coroutine[Any, Any, object]]  # Any: what a coroutine yields and takes

USES: list[tuple[Right, Use]] = [
    (Right.YANK, lambda service, caller: service.yank(caller, RELEASE)),
    (Right.YANK, lambda service, caller: service.unyank(caller, RELEASE)),
    (Right.DELETE, lambda service, caller: service.delete(caller, RELEASE)),
    (Right.MANAGE, lambda service, caller: service.set_status(caller, TARGET, status=ProjectStatus.QUARANTINED)),
]


@pytest.mark.parametrize(("right", "use"), USES)
def test_each_change_needs_its_own_right(house: House, right: Right, use: Use) -> None:
    """All other rights don't help: who may read is forbidden, who may not sees nothing, nobody must sign in."""
    others = [other for other in Right if other not in (right, Right.ADMINISTER)]
    service = releases(house)
    for caller in (
        a_caller("bob", a_grant(*others)),
        a_caller("bob", a_grant(Right.READ), a_grant(right, index="staging")),
        a_caller("bob", a_grant(Right.READ), a_grant(right, projects="other")),
        a_token_caller(a_token(scope=a_scope(*others)), a_grant(*Right)),
    ):
        with pytest.raises(Forbidden):
            wait(use(service, caller))
    with pytest.raises(NotFound, match="nothing here, or you may not see it"):
        wait(use(service, a_caller("bob")))
    with pytest.raises(Unauthenticated):
        wait(use(service, NOBODY))
    assert house.events() == []
    assert files(house) == {name: a_file(name) for name in (WHEEL, SDIST, NEXT)}


@pytest.mark.parametrize(("right", "use"), USES)
def test_the_right_on_the_project_is_enough(house: House, right: Right, use: Use) -> None:
    """Nothing else is needed, not even reading."""
    wait(use(releases(house), a_caller("bob", a_grant(right, index="main", projects="de*"))))


@pytest.mark.parametrize(("right", "use"), USES)
def test_who_may_not_read_learns_nothing(house: House, right: Right, use: Use) -> None:
    """The answer is the same whether the project exists or not."""
    answers = set()
    for _ in range(2):
        with pytest.raises(NotFound) as raised:
            wait(use(releases(house), a_caller("bob", a_grant(right, index="staging"))))
        answers.add((raised.value.code, raised.value.sentence))
        house.change(_remove_project)
    assert len(answers) == 1


def _remove_project(tx: Transaction) -> None:
    for file in tx.files.list(MAIN, DEMO):
        tx.files.bury(Tombstone(file.index, file.project, file.filename, file.sha256, START))
    tx.projects.remove(MAIN, DEMO)
