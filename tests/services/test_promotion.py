"""Promotion in one step: what becomes visible, who may do it, and that it is all or nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

import pytest

from strongroom.adapters.memory.log import MemoryEvents
from strongroom.core.access import ProjectTarget, Right
from strongroom.core.errors import (
    FileExists,
    Forbidden,
    InvalidRequest,
    NotFound,
    StorageFault,
    StrongroomError,
    Unauthenticated,
    UploadRefused,
)
from strongroom.core.events import Promoted
from strongroom.core.model import Project, ProjectStatus
from strongroom.core.names import IndexName, parse_filename, parse_project_name, parse_project_pattern
from strongroom.core.promotions import Stage
from strongroom.core.reservations import Hold, Reservation
from strongroom.ports import NameKnowledge, Transaction
from strongroom.services.download import Download
from strongroom.services.promotion import Options
from tests.factories import (
    MAIN,
    NOBODY,
    OPERATOR,
    STAGING,
    a_caller,
    a_file,
    a_grant,
    a_mirror,
    a_project,
    a_user,
    an_index,
    sha256_of,
)
from tests.fakes import START
from tests.replacing import replace
from tests.services.house import wait
from tests.services.promoting import FIVE, Stages, selections, staged, wheels

CORE = parse_project_name("core")


@pytest.fixture
def stages() -> Stages:
    """Provide the stages."""
    return Stages()


def test_five_packages_become_visible_in_one_step(stages: Stages) -> None:
    """One event for each, with one promotion's id; the serials are theirs; what is in staging stays there."""
    outcome = stages.promote(*FIVE, options=Options(reason="  the June\nrelease "))
    promotion = outcome.promotion
    assert promotion is not None
    assert stages.visible() == stages.visible("staging") == wheels(*FIVE)
    assert [entry.event for entry in stages.house.entries()] == [
        Promoted(
            index=MAIN,
            project=parse_project_name(name),
            version="1.0",
            filenames=(parse_filename(filename),),
            source=STAGING,
            promotion=promotion.promotion_id,
            reason="the June release",
        )
        for name, filename in zip(FIVE, wheels(*FIVE), strict=True)
    ]
    assert (promotion.stage, promotion.requested_by, promotion.decided_by) == (Stage.DONE, "operator:root", "")
    assert stages.look(lambda tx: tx.promotions.list()) == (promotion,)
    file, project = stages.look(lambda tx: (tx.files.list(MAIN, CORE), tx.projects.find(MAIN, CORE)))
    assert file == (a_file("core-1.0-py3-none-any.whl", serial=4),)
    assert project == a_project("core", serial=4)


def test_no_bytes_are_copied(stages: Stages) -> None:
    """The new row names the same blobs: bytes, METADATA and provenance; time and uploader are those of the upload."""
    metadata, provenance = sha256_of("metadata"), sha256_of("provenance")
    rich = replace(
        staged("rich-1.0.tar.gz"), metadata_sha256=metadata, provenance_sha256=provenance, uploaded_by="user:ann"
    )
    stages.house.add_files(a_project("rich", index="staging"), rich)
    stages.house.clock.advance(timedelta(days=9))
    stages.promote("rich==1.0")
    promoted = stages.look(lambda tx: tx.files.find(MAIN, rich.filename))
    assert promoted == replace(rich, index=MAIN, serial=1)
    assert promoted.uploaded_at == START
    assert wait(_count(stages)) == 0


async def _count(stages: Stages) -> int:
    return len([blob async for blob in stages.blobs.list()])


def test_a_crash_between_two_packages_leaves_nothing(stages: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails inside the transaction: no file, no project, no event, no promotion."""
    append = MemoryEvents.append

    def fail_at_third(self: MemoryEvents, event: Promoted, **more: object) -> int:
        if event.project == "billing":
            raise StorageFault("disk", "The disk is gone")
        return append(self, event, **more)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(MemoryEvents, "append", fail_at_third)
    with pytest.raises(StorageFault):
        stages.promote(*FIVE)
    assert stages.visible() == []
    assert stages.house.events() == []
    assert stages.look(lambda tx: (tx.promotions.list(), tx.projects.list(MAIN))) == ((), ())


def test_one_refused_package_refuses_all(stages: Stages) -> None:
    """A filename never changes its bytes; the other four do not come either."""
    other = replace(a_file("web-1.0-py3-none-any.whl"), sha256=sha256_of("other"))
    stages.house.add_files(a_project("web"), other)
    with pytest.raises(FileExists, match="File already exists"):
        stages.promote(*FIVE)
    assert stages.visible() == wheels("web")
    assert stages.house.events() == []


def test_a_dry_run_plans_and_writes_nothing(stages: Stages) -> None:
    """It refuses what the promotion would refuse."""
    outcome = stages.promote("core", "web==1.0", options=Options(dry_run=True))
    assert outcome.promotion is None
    assert [(plan.project, str(plan.version), plan.was_chosen) for plan in outcome.releases] == [
        ("core", "1.0", True),
        ("web", "1.0", False),
    ]
    assert stages.visible() == []
    with pytest.raises(NotFound):
        stages.promote("web==2.0", options=Options(dry_run=True))
    assert stages.house.events() == []


def test_promoting_again_is_no_change(stages: Stages) -> None:
    """No event and no promotion; together with something new only that is recorded."""
    stages.promote("core")
    again = stages.promote("core", "core==1.0")
    assert again.promotion is None
    assert [plan.present for plan in again.releases] == [(parse_filename("core-1.0-py3-none-any.whl"),)]
    more = stages.promote("core", "web").promotion
    assert more is not None
    assert [release.project for release in more.releases] == ["web"]
    assert len(stages.house.events()) == 2


def test_two_releases_of_one_project_come_together(stages: Stages) -> None:
    """The project carries the serial of the last."""
    stages.house.change(lambda tx: tx.files.add(staged("core-2.0-py3-none-any.whl")))
    stages.promote("core==1.0", "core==2.0")
    files = stages.look(lambda tx: tx.files.list(MAIN, CORE))
    assert [(str(file.version), file.serial) for file in files] == [("1.0", 1), ("2.0", 2)]
    assert stages.look(lambda tx: tx.projects.find(MAIN, CORE)) == a_project("core", serial=2)


def test_two_promotions_at_once_end_as_one(stages: Stages) -> None:
    """Whoever comes second finds everything there."""

    async def race() -> list[bool]:
        work = [stages.promotions.promote(OPERATOR, selections(*FIVE), source=STAGING, target=MAIN) for _ in range(4)]
        return [outcome.promotion is not None for outcome in await asyncio.gather(*work)]

    assert sum(asyncio.run(race())) == 1
    assert stages.visible() == wheels(*FIVE)
    assert len(stages.house.events()) == 5


def test_an_index_of_releases_takes_promotions_only(stages: Stages) -> None:
    """An index without uploads takes promotions; a mirror, and the index itself, do not."""
    stages.house.add_index(an_index("release", accepts_uploads=False))
    stages.house.add_index(a_mirror())
    stages.promote("core", to="release")
    assert stages.visible("release") == wheels("core")
    for target, code in (("public", "promotion-into-mirror"), ("staging", "promotion-same-index")):
        with pytest.raises(UploadRefused) as refusal:
            stages.promote("core", to=target)
        assert refusal.value.code == code


@pytest.mark.parametrize(
    ("named", "to", "code"),
    [
        (("nothing",), "main", "project-unknown"),
        (("core==9",), "main", "release-unknown"),
        (("core",), "nowhere", "index-unknown"),
    ],
)
def test_what_is_not_there_is_named(stages: Stages, named: tuple[str, ...], to: str, code: str) -> None:
    """Project, release or index."""
    with pytest.raises(NotFound) as fault:
        stages.promote(*named, to=to)
    assert fault.value.code == code


def test_something_must_be_named(stages: Stages) -> None:
    """And not too much at once."""
    for named in ((), ("core",) * 501):
        with pytest.raises(InvalidRequest):
            stages.promote(*named)


def test_who_reads_the_source_and_uploads_to_the_target_may(stages: Stages) -> None:
    """The event names him."""
    stages.promote("core", caller=stages.developer())
    (entry,) = stages.house.entries()
    assert entry.actor.name == "user:bob"


@pytest.mark.parametrize(
    ("rights", "error"),
    [
        ([], NotFound),
        ([(Right.READ, "main"), (Right.UPLOAD, "main")], NotFound),
        ([(Right.READ, "staging")], NotFound),
        ([(Right.READ, "staging"), (Right.READ, "main")], Forbidden),
        ([(Right.READ, "staging"), (Right.MANAGE, "main")], NotFound),
        ([(Right.UPLOAD, "staging"), (Right.UPLOAD, "main")], NotFound),
    ],
)
def test_rights_are_needed_on_both_sides(
    stages: Stages, rights: list[tuple[Right, str]], error: type[StrongroomError]
) -> None:
    """What one may not read does not exist; what one reads and may not upload to is forbidden."""
    caller = stages.person("bob", *(a_grant(right, index=index) for right, index in rights))
    with pytest.raises(error):
        stages.promote("core", caller=caller)
    assert stages.visible() == []


def test_rights_are_needed_on_each_project(stages: Stages) -> None:
    """One hidden package hides the promotion, one without the right to upload forbids it: nothing comes."""
    caller = stages.person(
        "bob",
        a_grant(Right.READ, index="staging", projects="a*"),
        a_grant(Right.READ, index="staging", projects="core"),
        a_grant(Right.UPLOAD, index="main", projects="a*"),
    )
    with pytest.raises(NotFound):
        stages.promote("api", "web", caller=caller)
    with pytest.raises(Forbidden):
        stages.promote("api", "core", caller=caller)
    with pytest.raises(Unauthenticated):
        stages.promote("api", caller=NOBODY)
    assert stages.visible() == []
    stages.promote("api", "auth", caller=caller)


def test_rights_count_as_they_are_now(stages: Stages) -> None:
    """Not as they were when the caller signed in."""
    stages.house.add_user(a_user("bob"))
    caller = a_caller("bob", a_grant(Right.READ), a_grant(Right.UPLOAD))
    with pytest.raises(NotFound):
        stages.promote("core", caller=caller)
    with pytest.raises(Unauthenticated):
        stages.promote("core", caller=a_caller("gone", a_grant(Right.READ)))


def test_a_name_that_exists_upstream_is_claimed_in_the_target(stages: Stages) -> None:
    """The source's claim does not count; the target's does, and then nobody looks the name up."""
    stages.names.known["core"] = NameKnowledge(("public",), is_certain=True)
    _hold(stages, STAGING)
    with pytest.raises(UploadRefused) as refusal:
        stages.promote("core", "web")
    assert refusal.value.code == "name-exists-upstream"
    assert "strongroom name claim core --index main" in refusal.value.hint
    assert stages.visible() == []
    _hold(stages, MAIN)
    stages.names.asked.clear()
    stages.promote("core", "web")
    assert stages.names.asked == ["web"]


def _hold(stages: Stages, index: IndexName) -> None:
    held = Reservation(index, parse_project_pattern("core"), Hold.CLAIMED, START, "user:ada")
    stages.house.change(lambda tx: tx.reservations.save(held))


def test_a_known_project_is_never_looked_up(stages: Stages) -> None:
    """Its name belongs to the target already, deleted files included."""
    stages.house.add_files(a_project("core"), a_file("core-0.9.tar.gz"))
    stages.names.known["core"] = NameKnowledge(("public",), is_certain=True)
    stages.promote("core")
    assert stages.names.asked == []


def test_what_is_unknown_upstream_is_said(stages: Stages) -> None:
    """Without a list of names the promotion is allowed, with a remark."""
    stages.names.known["core"] = NameKnowledge((), is_certain=False)
    outcome = stages.promote("core")
    assert "'core' exists upstream" in outcome.releases[0].remarks[0]
    assert stages.visible() == wheels("core")
    without = replace(stages.promotions, known_names=None)
    outcome = wait(without.promote(OPERATOR, selections("web"), source=STAGING, target=MAIN))
    assert outcome.releases[0].remarks == ()


def _save(tx: Transaction, *, project: Project) -> None:
    tx.projects.save(project)


def test_quarantine_stops_on_either_side(stages: Stages) -> None:
    """In the source, because its files are withheld; in the target, because it takes none."""
    for index in ("staging", "main"):
        quarantined = replace(a_project("core", index=index), status=ProjectStatus.QUARANTINED)
        stages.house.change(partial(_save, project=quarantined))
        with pytest.raises(UploadRefused) as refusal:
            stages.promote("core")
        assert refusal.value.code == "project-quarantined"
        stages.house.change(lambda tx: tx.projects.save(a_project("core", index="staging")))
    assert stages.visible() == []


def test_urls_stay_as_they_are(stages: Stages) -> None:
    """The file is served under its old URL in staging and under the target's; after an undo staging still has it."""
    download = Download(stages.house.catalog, stages.blobs, stages.mirror, stages.house.clock)
    filename = parse_filename("core-1.0-py3-none-any.whl")

    def served(index: IndexName) -> str:
        return wait(download.get_file(ProjectTarget(index, CORE), filename)).file.sha256

    promotion = stages.promote("core").promotion
    assert promotion is not None
    assert served(STAGING) == served(MAIN) == sha256_of(filename)
    wait(stages.promotions.undo(OPERATOR, promotion.promotion_id))
    assert served(STAGING) == sha256_of(filename)
    with pytest.raises(NotFound):
        served(MAIN)


def test_an_installer_sees_all_or_none(stages: Stages) -> None:
    """Whatever reads the catalog while promotions and their undoing run finds five packages or nothing."""

    async def read_while_promoting() -> set[int]:
        seen: set[int] = set()
        is_over = asyncio.Event()

        async def look() -> None:
            while not is_over.is_set():
                seen.add(await stages.house.catalog.read(lambda tx: tx.files.count(MAIN)))
                await asyncio.sleep(0)

        async def promote() -> None:
            for _ in range(5):
                outcome = await stages.promotions.promote(OPERATOR, selections(*FIVE), source=STAGING, target=MAIN)
                assert outcome.promotion is not None
                stages.house.clock.advance(timedelta(minutes=1))
                await stages.promotions.undo(OPERATOR, outcome.promotion.promotion_id)
            is_over.set()

        await asyncio.gather(look(), look(), promote())
        return seen

    assert asyncio.run(read_while_promoting()) == {0, 5}
