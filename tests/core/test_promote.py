from __future__ import annotations

from datetime import timedelta

import pytest
from packaging.version import Version

from strongroom.core.errors import InvalidName, NotFound
from strongroom.core.model import File, ProjectStatus, Tombstone, Yank
from strongroom.core.names import IndexName, parse_filename
from strongroom.core.policies.upstream_name import Namesakes
from strongroom.core.policy import ALLOW, Refuse
from strongroom.core.promote import (
    Offer,
    Place,
    ReleasePlan,
    Selected,
    choose_undone,
    choose_version,
    judge_way,
    plan_release,
)
from strongroom.core.promotions import PromotedRelease, Promotion, Stage, parse_promotion_id
from tests.factories import DEMO, MAIN, STAGING, a_file, a_mirror, a_project, an_index, an_upstream, sha256_of
from tests.fakes import START
from tests.replacing import replace

WHEEL, SDIST = parse_filename("demo-1.0-py3-none-any.whl"), parse_filename("demo-1.0.tar.gz")
ONE = Selected(DEMO, Version("1.0"))


def staged(filename: str, *, yank: Yank | None = None) -> File:
    """Make a file of staging."""
    return a_file(filename, index="staging", serial=7, yank=yank)


def offer(*files: File) -> Offer:
    """Make what staging has of the project."""
    return Offer(a_project(index="staging"), files or (staged(WHEEL), staged(SDIST)))


def buried(filename: str, *, sha256: str | None = None) -> Tombstone:
    """Make what a deleted file left in main."""
    return Tombstone(MAIN, DEMO, parse_filename(filename), sha256_of(sha256 or filename), START)


def planned(selected: Selected, offered: Offer, *, place: Place) -> ReleasePlan:
    """Plan what must not be refused."""
    plan = plan_release(selected, offered, place=place)
    assert isinstance(plan, ReleasePlan)
    return plan


def refused(selected: Selected, offered: Offer, *, place: Place) -> Refuse:
    """Plan what must be refused."""
    refusal = plan_release(selected, offered, place=place)
    assert isinstance(refusal, Refuse)
    return refusal


def test_all_files_of_the_release_become_visible() -> None:
    """The same bytes, uploader and upload time under the target's name; other releases are not touched."""
    plan = planned(ONE, offer(staged(WHEEL), staged(SDIST), staged("demo-2.0.tar.gz")), place=Place(an_index()))
    assert plan.new == (a_file(WHEEL, serial=0), a_file(SDIST, serial=0))
    assert (plan.present, plan.was_chosen, plan.remarks) == ((), False, ())
    assert plan.carried == PromotedRelease(DEMO, "1.0", (WHEEL, SDIST))


def test_what_is_there_stays() -> None:
    """A file with the same bytes is no change, whatever else is said of it."""
    place = Place(an_index(), a_project(), files={WHEEL: a_file(WHEEL, yank=Yank("ours"))})
    plan = planned(ONE, offer(), place=place)
    assert [file.filename for file in plan.new] == [SDIST]
    assert plan.present == (WHEEL,)


def test_other_bytes_under_a_filename_are_refused() -> None:
    """With the words that clients know from an upload."""
    other = replace(a_file(WHEEL), sha256=sha256_of("other"))
    refusal = refused(ONE, offer(), place=Place(an_index(), a_project(), files={WHEEL: other}))
    assert refusal.code == "file-exists"
    assert refusal.reason.startswith("File already exists")


def test_a_deleted_name_takes_its_own_bytes_only() -> None:
    """What was undone can be promoted again; a name that was deleted with other bytes stays taken."""
    assert len(planned(ONE, offer(), place=Place(an_index(), tombstones={WHEEL: buried(WHEEL)})).new) == 2
    place = Place(an_index(), tombstones={WHEEL: buried(WHEEL, sha256="other")})
    assert refused(ONE, offer(), place=place).code == "filename-deleted"


def test_a_yank_is_carried() -> None:
    """Whoever promotes a yanked release gets a yanked release."""
    plan = planned(ONE, offer(staged(WHEEL, yank=Yank("broken"))), place=Place(an_index()))
    assert [file.yank for file in plan.new] == [Yank("broken")]


@pytest.mark.parametrize(("status", "code"), [("archived", "project-archived"), ("quarantined", "project-quarantined")])
def test_the_target_projects_status_must_take_files(status: str, code: str) -> None:
    """As for an upload (PEP 792)."""
    project = replace(a_project(), status=ProjectStatus(status), status_reason="moved")
    refusal = refused(ONE, offer(), place=Place(an_index(), project))
    assert refusal.code == code
    assert "(moved)" in refusal.reason


def test_a_quarantined_project_is_not_passed_on() -> None:
    """An archived one is: its files are still offered."""
    quarantined = replace(a_project(index="staging"), status=ProjectStatus.QUARANTINED, status_reason="malware")
    refusal = refused(ONE, Offer(quarantined, offer().files), place=Place(an_index()))
    assert (refusal.code, "in 'staging' (malware)" in refusal.reason) == ("project-quarantined", True)
    unexplained = Offer(replace(quarantined, status_reason=None), offer().files)
    assert "in 'staging', so" in refused(ONE, unexplained, place=Place(an_index())).reason
    archived = Offer(replace(quarantined, status=ProjectStatus.ARCHIVED), offer().files)
    assert len(planned(ONE, archived, place=Place(an_index())).new) == 2


def test_a_name_that_exists_upstream_is_claimed_first() -> None:
    """The hint is the command, for the target: a claim of the source does not count."""
    refusal = refused(ONE, offer(), place=Place(an_index(), namesakes=Namesakes(("public",))))
    assert refusal.code == "name-exists-upstream"
    assert "strongroom name claim demo --index main" in refusal.hint


def test_look_alikes_are_said() -> None:
    """They do not stop a promotion."""
    plan = planned(ONE, offer(), place=Place(an_index(), namesakes=Namesakes(lookalikes=("dem0",))))
    assert plan.remarks == ("'demo' is easily taken for 'dem0'.",)


def test_without_a_version_the_latest_final_release_is_meant() -> None:
    """No pre-release and nothing yanked while there is something better; and it is said which."""
    files = [staged(name) for name in ("demo-1.0.tar.gz", "demo-1.5.tar.gz", "demo-3.0rc1.tar.gz")]
    yanked = staged("demo-2.0.tar.gz", yank=Yank())
    plan = planned(Selected(DEMO), offer(*files, yanked), place=Place(an_index()))
    assert (plan.version, plan.was_chosen) == (Version("1.5"), True)
    assert choose_version([*files[2:], yanked]) == Version("3.0rc1")
    assert choose_version([yanked]) == Version("2.0")
    assert choose_version([]) is None


def test_choosing_again_does_not_bring_older_releases() -> None:
    """The latest release that the target has already is nothing to do."""
    files = [staged("demo-1.0.tar.gz"), staged("demo-2.0.tar.gz")]
    there = {files[1].filename: a_file("demo-2.0.tar.gz")}
    plan = planned(Selected(DEMO), offer(*files), place=Place(an_index(), a_project(), files=there))
    assert (plan.version, plan.new) == (Version("2.0"), ())


@pytest.mark.parametrize("selected", [Selected(DEMO, Version("9")), Selected(DEMO, Version("2.0"), (WHEEL,))])
def test_a_release_that_the_source_does_not_have(selected: Selected) -> None:
    """It is named, with its index."""
    with pytest.raises(NotFound, match="The index 'staging' has no"):
        plan_release(selected, offer(), place=Place(an_index()))
    with pytest.raises(NotFound):
        plan_release(Selected(DEMO), Offer(a_project(index="staging"), ()), place=Place(an_index()))


def test_named_files_come_alone() -> None:
    """What was uploaded to the release since then stays behind."""
    plan = planned(Selected(DEMO, Version("1.0"), (SDIST,)), offer(), place=Place(an_index()))
    assert plan.carried.filenames == (SDIST,)


def test_the_way_must_lead_somewhere() -> None:
    """Not into the same index, nor into a mirror; an index that takes no uploads takes promotions."""
    staging = an_index("staging")
    closed = an_index("release", accepts_uploads=False)
    both = an_index("both", upstream=an_upstream())
    assert judge_way(staging, closed) == judge_way(staging, both) == ALLOW
    codes = [
        verdict.code for target in (staging, a_mirror()) if isinstance(verdict := judge_way(staging, target), Refuse)
    ]
    assert codes == ["promotion-same-index", "promotion-into-mirror"]


def a_promotion(promotion_id: str, *filenames: str, minutes: int = 0, stage: Stage = Stage.DONE) -> Promotion:
    """Make a promotion of demo 1.0 from staging to main."""
    return Promotion(
        promotion_id=promotion_id,
        source=STAGING,
        target=MAIN,
        releases=(PromotedRelease(DEMO, "1.0", tuple(map(parse_filename, filenames))),),
        stage=stage,
        requested_by="user:bob",
        requested_at=START,
        decided_at=START + timedelta(minutes=minutes),
    )


def test_undoing_takes_what_it_brought() -> None:
    """Not what is gone already, nor what a later promotion brought in again."""
    first = a_promotion("a", WHEEL, SDIST)
    present = {WHEEL: a_file(WHEEL), SDIST: a_file(SDIST)}
    (release,) = first.releases
    assert choose_undone(first, [first], present=present) == {release: (a_file(WHEEL), a_file(SDIST))}
    assert choose_undone(first, [first], present={}) == {release: ()}
    later = a_promotion("b", WHEEL, minutes=1)
    assert choose_undone(first, [later, first], present=present) == {release: (a_file(SDIST),)}
    elsewhere = replace(later, target=IndexName("other"))
    earlier = replace(later, decided_at=START - timedelta(minutes=1))
    others = [replace(later, stage=Stage.UNDONE), elsewhere, earlier, replace(later, decided_at=None)]
    assert choose_undone(first, others, present=present) == {release: (a_file(WHEEL), a_file(SDIST))}


def test_an_id_is_parsed_at_the_door() -> None:
    """16 hexadecimal digits."""
    assert parse_promotion_id("0123456789abcdef") == "0123456789abcdef"
    for raw in ("", "0123456789ABCDEF", "0123456789abcdef\n", "x" * 16):
        with pytest.raises(InvalidName):
            parse_promotion_id(raw)
