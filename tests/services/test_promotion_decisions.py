"""Promotions that wait for approval, those that are undone, and who hears of any."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from strongroom.core.access import Right
from strongroom.core.caller import Caller
from strongroom.core.errors import Conflict, FileExists, Forbidden, InvalidRequest, NotFound, Unauthenticated
from strongroom.core.events import Promoted, PromotionRefused, PromotionRequested, PromotionUndone
from strongroom.core.model import ProjectStatus
from strongroom.core.names import parse_filename, parse_project_name
from strongroom.core.promotions import PromotedRelease, Promotion, Stage
from strongroom.services.promotion import Options
from strongroom.services.releases import Releases, Selection
from tests.factories import MAIN, NOBODY, OPERATOR, STAGING, a_caller, a_file, a_grant, a_project, a_user, sha256_of
from tests.services.house import wait
from tests.services.promoting import FIVE, Stages, staged, wheels

CORE, WEB = parse_project_name("core"), parse_project_name("web")
CORE_WHEEL = parse_filename("core-1.0-py3-none-any.whl")


@pytest.fixture
def stages() -> Stages:
    """Provide the stages."""
    return Stages()


def stored(stages: Stages, promotion: Promotion) -> Promotion | None:
    """Return the promotion as it is stored."""
    return stages.look(lambda tx: tx.promotions.find(promotion.promotion_id))


def approve(stages: Stages, promotion: Promotion, *, caller: Caller = OPERATOR) -> None:
    """Approve it."""
    wait(stages.promotions.approve(caller, promotion.promotion_id))


def undo(stages: Stages, promotion: Promotion, *, caller: Caller = OPERATOR) -> list[str]:
    """Undo it, and return the names of the files that it took back."""
    return [file.filename for file in wait(stages.promotions.undo(caller, promotion.promotion_id, reason="bad")).files]


def test_a_promotion_waits_for_approval(stages: Stages) -> None:
    """Nothing is visible until then; afterwards all of it is, under the names of both people."""
    promotion = stages.request("core", "web", caller=stages.developer())
    assert (promotion.stage, stages.visible()) == (Stage.PENDING, [])
    stages.house.clock.advance(timedelta(hours=1))
    approve(stages, promotion, caller=stages.keeper())
    assert stages.visible() == wheels("core", "web")
    kinds = [type(event) for event in stages.house.events()]
    assert kinds == [PromotionRequested, PromotionRequested, Promoted, Promoted]
    assert [entry.actor.name for entry in stages.house.entries()] == ["user:bob"] * 2 + ["user:eve"] * 2
    decided_at = promotion.requested_at + timedelta(hours=1)
    assert stored(stages, promotion) == replace(
        promotion, stage=Stage.DONE, decided_by="user:eve", decided_at=decided_at
    )


def test_a_dry_run_asks_for_nothing(stages: Stages) -> None:
    """Nor does what is there already."""
    approve(stages, stages.request("core"))
    assert stages.promote("web", options=Options(dry_run=True)).promotion is None
    assert stages.promote("core").promotion is None
    assert len(stages.look(lambda tx: tx.promotions.list())) == 1


def test_nobody_approves_his_own_request(stages: Stages) -> None:
    """Unless he administers the server."""
    bob = stages.person("bob", a_grant(Right.READ), a_grant(Right.UPLOAD, Right.MANAGE, index="main"))
    promotion = stages.request("core", caller=bob)
    with pytest.raises(Forbidden) as refusal:
        approve(stages, promotion, caller=bob)
    assert refusal.value.code == "promotion-own"
    assert stages.visible() == []
    ada = stages.person("ada", a_grant(Right.ADMINISTER))
    approve(stages, stages.request("web", caller=ada), caller=ada)
    assert stages.visible() == wheels("web")


def test_approval_takes_the_right_to_manage(stages: Stages) -> None:
    """Of every project in the target; who knows neither side hears that there is nothing."""
    promotion = stages.request("core", "web")
    outsider = stages.person("ann", a_grant(Right.READ, Right.MANAGE, index="staging"))
    reader = stages.person("rob", a_grant(Right.READ))
    half = stages.person("hal", a_grant(Right.READ), a_grant(Right.MANAGE, index="main", projects="core"))
    for caller, error in ((NOBODY, NotFound), (outsider, NotFound), (reader, Forbidden), (half, Forbidden)):
        with pytest.raises(error):
            approve(stages, promotion, caller=caller)
        with pytest.raises(error):
            wait(stages.promotions.refuse(caller, promotion.promotion_id))
    assert stages.visible() == []
    assert stored(stages, promotion) == promotion


def test_a_request_is_refused_or_withdrawn(stages: Stages) -> None:
    """By whoever manages the target, or by whoever asked; then it stays refused."""
    bob, eve = stages.developer(), stages.keeper()
    promotion = stages.request("core", "web", caller=bob)
    refused = wait(stages.promotions.refuse(eve, promotion.promotion_id, reason=" not\nyet "))
    assert (refused.stage, refused.decided_by) == (Stage.REFUSED, "user:eve")
    assert stages.house.events()[2:] == [
        PromotionRefused(index=MAIN, project=name, version="1.0", promotion=promotion.promotion_id, reason="not yet")
        for name in (CORE, WEB)
    ]
    for work in (approve, undo):
        with pytest.raises(Conflict):
            work(stages, promotion)
    with pytest.raises(Conflict):
        wait(stages.promotions.refuse(eve, promotion.promotion_id))
    withdrawn = wait(stages.promotions.refuse(bob, stages.request("core", caller=bob).promotion_id))
    assert (withdrawn.stage, withdrawn.decided_by, stages.visible()) == (Stage.REFUSED, "user:bob", [])


def test_an_approval_brings_what_was_asked_for(stages: Stages) -> None:
    """A file that was uploaded to the release since then stays behind."""
    promotion = stages.request("core")
    stages.house.change(lambda tx: tx.files.add(staged("core-1.0.tar.gz")))
    approve(stages, promotion)
    assert stages.visible() == wheels("core")


def test_an_approval_judges_again(stages: Stages) -> None:
    """What was deleted, put in quarantine or changed since then is not promoted, and the request still waits."""
    promotion = stages.request("core", "web")
    quarantined = replace(a_project("web", index="staging"), status=ProjectStatus.QUARANTINED)
    stages.house.change(lambda tx: tx.projects.save(quarantined))
    with pytest.raises(Exception, match="quarantine"):
        approve(stages, promotion)
    stages.house.change(lambda tx: tx.projects.save(a_project("web", index="staging")))
    other = replace(a_file("web-1.0-py3-none-any.whl"), sha256=sha256_of("other"))
    stages.house.add_files(a_project("web"), other)
    with pytest.raises(FileExists):
        approve(stages, promotion)
    releases = Releases(stages.house.catalog, stages.house.clock)
    wait(releases.delete(OPERATOR, Selection(STAGING, CORE)))
    with pytest.raises(NotFound):
        approve(stages, promotion)
    assert stages.visible() == wheels("web")
    assert stored(stages, promotion) == promotion


def test_an_approval_judges_who_asked(stages: Stages) -> None:
    """Who lost his rights, or his account, cannot have anything promoted any more."""
    bob, eve = stages.developer(), stages.keeper()
    promotion = stages.request("core", caller=bob)
    grant = a_grant(Right.READ, index="staging")
    stages.house.change(lambda tx: tx.users.remove_grant(a_user("bob").name, grant))
    with pytest.raises(Conflict, match="may no longer read the project 'core' in the index 'staging'"):
        approve(stages, promotion, caller=eve)
    stages.house.change(lambda tx: tx.users.add_grant(a_user("bob").name, grant))
    stages.house.change(lambda tx: tx.users.replace(a_user("bob", disabled=True)))
    with pytest.raises(Conflict):
        approve(stages, promotion, caller=eve)
    unknown = replace(promotion, requested_by="user:gone")
    stages.house.change(lambda tx: tx.promotions.replace(unknown))
    with pytest.raises(Conflict):
        approve(stages, promotion, caller=eve)
    assert stages.visible() == []


def test_two_approvals_at_once_end_as_one(stages: Stages) -> None:
    """The second hears that it is done."""
    promotion = stages.request(*FIVE)

    async def race() -> list[object]:
        work = [stages.promotions.approve(OPERATOR, promotion.promotion_id) for _ in range(3)]
        return await asyncio.gather(*work, return_exceptions=True)

    outcomes = asyncio.run(race())
    assert sorted(isinstance(outcome, Conflict) for outcome in outcomes) == [False, True, True]
    assert len(stages.house.events()) == 10


def test_what_came_meanwhile_is_not_the_approvals(stages: Stages) -> None:
    """It is recorded as done, with no files; undoing it takes nothing."""
    first, second = stages.request("core"), stages.request("core")
    approve(stages, first)
    approve(stages, second)
    done = stored(stages, second)
    assert done is not None
    assert done.releases == (PromotedRelease(CORE, "1.0", ()),)
    assert undo(stages, second) == []
    assert stages.visible() == wheels("core")


def test_a_promotion_is_undone(stages: Stages) -> None:
    """Its files go in one step with one event for each release; their names stay taken; staging keeps all."""
    stages.promote("api")
    promotion = stages.promote("api", "core", "web").promotion
    assert promotion is not None
    assert undo(stages, promotion) == wheels("core", "web")
    assert stages.visible() == wheels("api")
    assert stages.visible("staging") == wheels(*FIVE)
    assert stages.house.events()[3:] == [
        PromotionUndone(
            index=MAIN,
            project=name,
            version="1.0",
            filenames=(parse_filename(f"{name}-1.0-py3-none-any.whl"),),
            promotion=promotion.promotion_id,
            reason="bad",
        )
        for name in (CORE, WEB)
    ]
    undone = stored(stages, promotion)
    assert undone is not None
    assert (undone.stage, undone.decided_by) == (Stage.UNDONE, "operator:root")
    project, owners, tombstone = stages.look(
        lambda tx: (
            tx.projects.find(MAIN, CORE),
            tx.projects.find_owners(CORE),
            tx.files.find_tombstone(MAIN, CORE_WHEEL),
        )
    )
    assert (project, MAIN in owners) == (None, True)
    assert tombstone is not None
    with pytest.raises(Conflict):
        undo(stages, promotion)


def test_undone_and_promoted_again(stages: Stages) -> None:
    """As often as one likes: the bytes are the same."""
    for turn in range(3):
        stages.house.clock.advance(timedelta(minutes=1))
        promotion = stages.promote("core").promotion
        assert promotion is not None
        assert stages.visible() == wheels("core")
        assert undo(stages, promotion) == wheels("core"), turn
        assert stages.visible() == []


def test_undoing_leaves_what_belongs_to_others(stages: Stages) -> None:
    """A file that was deleted and promoted again belongs to the later promotion, other releases to themselves."""
    stages.house.add_files(a_project("core"), a_file("core-0.9.tar.gz"))
    first = stages.promote("core", "web").promotion
    releases = Releases(stages.house.catalog, stages.house.clock)
    wait(releases.delete(OPERATOR, Selection(MAIN, CORE, filename=CORE_WHEEL)))
    stages.house.clock.advance(timedelta(minutes=1))
    assert stages.promote("core").promotion is not None
    assert first is not None
    assert undo(stages, first) == wheels("web")
    assert stages.visible() == ["core-0.9.tar.gz", *wheels("core")]


def test_an_undo_does_not_end_a_quarantine(stages: Stages) -> None:
    """A status that was set stays, with or without files."""
    promotion = stages.promote("core").promotion
    assert promotion is not None
    quarantined = replace(a_project("core"), status=ProjectStatus.QUARANTINED)
    stages.house.change(lambda tx: tx.projects.save(quarantined))
    undo(stages, promotion)
    assert stages.look(lambda tx: tx.projects.find(MAIN, CORE)) == replace(quarantined, serial=2)


def test_undoing_what_somebody_deleted(stages: Stages) -> None:
    """It takes nothing, and is recorded."""
    promotion = stages.promote("core").promotion
    assert promotion is not None
    wait(Releases(stages.house.catalog, stages.house.clock).delete(OPERATOR, Selection(MAIN, CORE)))
    assert undo(stages, promotion) == []
    assert isinstance(stages.house.events()[-1], PromotionUndone)


def test_undoing_takes_the_right_to_manage(stages: Stages) -> None:
    """Who promoted may not simply take it back."""
    bob = stages.developer()
    promotion = stages.promote("core", caller=bob).promotion
    assert promotion is not None
    with pytest.raises(Forbidden):
        undo(stages, promotion, caller=bob)
    assert stages.visible() == wheels("core")
    assert undo(stages, promotion, caller=stages.keeper()) == wheels("core")


def test_who_hears_of_a_promotion(stages: Stages) -> None:
    """Who reads the source and has something to do in the target; for others there is none."""
    promotion = stages.promote("core", "web").promotion
    assert promotion is not None
    seen_by = {
        "both": [a_grant(Right.READ)],
        "uploader": [a_grant(Right.READ, index="staging"), a_grant(Right.UPLOAD, index="main")],
        "manager": [a_grant(Right.READ, index="staging"), a_grant(Right.MANAGE, index="main")],
    }
    hidden_from = {
        "source": [a_grant(Right.READ, index="staging")],
        "target": [a_grant(Right.READ, Right.UPLOAD, Right.MANAGE, index="main")],
        "half": [a_grant(Right.READ, projects="core")],
    }
    for name, grants in seen_by.items():
        assert wait(stages.promotions.show(a_caller(name, *grants), promotion.promotion_id)) == promotion
        assert wait(stages.promotions.list(a_caller(name, *grants))) == (promotion,)
    for caller in (NOBODY, *(a_caller(name, *grants) for name, grants in hidden_from.items())):
        with pytest.raises(NotFound):
            wait(stages.promotions.show(caller, promotion.promotion_id))
        assert wait(stages.promotions.list(caller)) == ()
    with pytest.raises(NotFound):
        wait(stages.promotions.show(OPERATOR, "0" * 16))


def test_promotions_are_listed_by_index_and_stage(stages: Stages) -> None:
    """The newest first."""
    first = stages.promote("core").promotion
    stages.house.clock.advance(timedelta(minutes=1))
    second = stages.promote("web", to="dev").promotion
    assert first is not None
    assert second is not None
    listed = stages.promotions.list
    assert wait(listed(OPERATOR)) == (second, first)
    assert wait(listed(OPERATOR, index=MAIN)) == (first,)
    assert wait(listed(OPERATOR, index=STAGING, stage=Stage.DONE)) == (second, first)
    assert wait(listed(OPERATOR, stage=Stage.PENDING)) == ()


def test_a_reason_must_be_readable(stages: Stages) -> None:
    """In a promotion, a refusal and an undo; and rights are asked for anew at each."""
    promotion = stages.request("core")
    with pytest.raises(InvalidRequest):
        stages.promote("core", options=Options(reason="a\0b"))
    with pytest.raises(InvalidRequest):
        wait(stages.promotions.refuse(OPERATOR, promotion.promotion_id, reason="a\0b"))
    with pytest.raises(InvalidRequest):
        wait(stages.promotions.undo(OPERATOR, promotion.promotion_id, reason="a\0b"))
    with pytest.raises(Unauthenticated):
        undo(stages, promotion, caller=a_caller("gone", a_grant(Right.ADMINISTER)))
    assert stored(stages, promotion) == promotion
