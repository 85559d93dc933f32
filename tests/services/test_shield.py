"""Held names: reserved, claimed, overlaid, released, listed, and the report of what is near them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from strongroom.core.access import Right
from strongroom.core.caller import Caller
from strongroom.core.errors import Conflict, Forbidden, InvalidRequest, NotFound, StrongroomError, Unauthenticated
from strongroom.core.events import NameHeld, NameReleased
from strongroom.core.model import Index
from strongroom.core.names import IndexName, ProjectName, ProjectPattern
from strongroom.core.reservations import Hold, Reservation
from strongroom.ports import NameKnowledge
from strongroom.services.shield import MOST_ASKED, Held, InternalName, NameReport, Shield, WantedName, Wish
from tests.factories import (
    MAIN,
    NOBODY,
    OPERATOR,
    STAGING,
    a_caller,
    a_grant,
    a_project,
    a_reservation,
    an_administrator,
    an_index,
)
from tests.fakes import START
from tests.services.house import House, wait
from tests.services.promoting import FakeNames

DEMO = ProjectPattern("demo")
ACME = ProjectPattern("acme-*")
MANAGER = a_caller("max", a_grant(Right.READ, Right.MANAGE, index="main"))
ADMINISTRATOR = an_administrator("ada")
READER = a_caller("bob", a_grant(Right.READ))
PUBLIC_HAS_IT = NameKnowledge(("public",), is_certain=True)
NOWHERE = IndexName("nowhere")


class Stage:
    """A house with indexes, what is known of names, and the use cases."""

    def __init__(self, *indexes: Index, **known: NameKnowledge) -> None:
        self.house = House()
        for index in indexes or (an_index("main"), an_index("staging")):
            self.house.add_index(index)
        self.names = FakeNames()
        self.names.known.update(known)
        self.shield = Shield(self.house.catalog, self.house.clock, self.names)

    def hold(
        self,
        pattern: ProjectPattern,
        hold: Hold,
        *,
        caller: Caller = OPERATOR,
        index: IndexName = MAIN,
        reason: str = "",
    ) -> Held:
        """Hold a name."""
        return wait(self.shield.hold(caller, Wish(index, pattern, hold, reason)))

    def keep(self, reservation: Reservation) -> None:
        """Store a hold as no use case would."""
        self.house.change(lambda tx: tx.reservations.save(reservation))

    def held(self) -> tuple[Reservation, ...]:
        """Return what is stored."""
        return self.house.look(lambda tx: tx.reservations.list())

    def ask(self, index: IndexName, **counts: int) -> None:
        """Let clients ask for names (with _ for -) so many times."""
        asked = {(index, ProjectName(name.replace("_", "-"))): count for name, count in counts.items()}
        self.house.change(lambda tx: tx.asked_names.add(asked, START))


def test_a_prefix_is_reserved() -> None:
    """Stored and recorded with who, why and when; nothing is looked up for a prefix."""
    stage = Stage()
    held = stage.hold(ACME, Hold.RESERVED, caller=ADMINISTRATOR, reason=" our   prefix ")
    expected = Reservation(MAIN, ACME, Hold.RESERVED, START, "user:ada", "our prefix")
    assert held == Held(expected)
    assert stage.held() == (expected,)
    assert stage.house.events() == [NameHeld(index=MAIN, pattern=ACME, hold="reserved", reason="our prefix")]
    assert stage.names.asked == []


def test_the_same_again_changes_nothing() -> None:
    """The first one stays as it was made."""
    stage = Stage()
    first = stage.hold(ACME, Hold.RESERVED, reason="ours")
    stage.house.clock.advance(timedelta(days=1))
    assert stage.hold(ACME, Hold.RESERVED, caller=ADMINISTRATOR, reason="ours") == first
    assert len(stage.house.events()) == 1


def test_a_manager_reserves_what_nobody_else_can_want() -> None:
    """A reserved name is kept from every index: prefixes and public names take an administrator of the server."""
    stage = Stage(demo=PUBLIC_HAS_IT)
    for pattern, hint in ((ACME, "one by one"), (DEMO, "strongroom name claim demo --index main")):
        with pytest.raises(Forbidden, match="kept from every index") as caught:
            stage.hold(pattern, Hold.RESERVED, caller=MANAGER)
        assert caught.value.code == "reservation-reach"
        assert hint in caught.value.hint
    assert (stage.held(), stage.house.events()) == ((), [])
    stage.hold(ProjectPattern("acme-billing"), Hold.RESERVED, caller=MANAGER)
    stage.hold(DEMO, Hold.CLAIMED, caller=MANAGER)
    stage.hold(DEMO, Hold.RESERVED, caller=ADMINISTRATOR)
    assert len(stage.held()) == 2


def test_another_hold_or_reason_replaces_it() -> None:
    """One row for each index and pattern, one event each time."""
    stage = Stage(demo=PUBLIC_HAS_IT)
    for hold, reason in ((Hold.RESERVED, ""), (Hold.CLAIMED, ""), (Hold.CLAIMED, "patched"), (Hold.OVERLAY, "")):
        stage.hold(DEMO, hold, reason=reason)
    stage.hold(DEMO, Hold.RESERVED, index=STAGING)
    assert [(item.index, item.hold, item.reason) for item in stage.held()] == [
        (MAIN, Hold.OVERLAY, ""),
        (STAGING, Hold.RESERVED, ""),
    ]
    assert len(stage.house.events()) == 5


@pytest.mark.parametrize("hold", [Hold.CLAIMED, Hold.OVERLAY])
def test_only_what_exists_upstream_is_claimed(hold: Hold) -> None:
    """A claim lets other indexes ask for the name: of a private one, that would tell."""
    stage = Stage()
    with pytest.raises(Conflict, match="No upstream has a project 'demo'") as caught:
        stage.hold(DEMO, hold)
    assert caught.value.code == "name-not-upstream"
    assert "strongroom name reserve demo --index main" in caught.value.hint
    assert (stage.held(), stage.house.events()) == ((), [])


def test_without_the_lists_a_claim_is_believed_and_said() -> None:
    """Somebody must be able to claim before the first list is there."""
    stage = Stage(demo=NameKnowledge((), is_certain=False))
    assert stage.hold(DEMO, Hold.CLAIMED).remarks == (
        "Whether 'demo' exists upstream too could not be checked: the list of an upstream's names is not here yet.",
    )
    silent = Shield(stage.house.catalog, stage.house.clock)
    assert wait(silent.hold(OPERATOR, Wish(STAGING, DEMO, Hold.CLAIMED))).remarks == ()


def test_reserving_what_exists_upstream_is_said() -> None:
    """Nobody on this server gets it from there any more."""
    stage = Stage(demo=NameKnowledge(("public",), is_certain=True, lookalikes=("dem0",)))
    told, alike = stage.hold(DEMO, Hold.RESERVED).remarks
    assert told.startswith("'demo' exists upstream too: through no index of this server")
    assert "strongroom name claim demo --index main" in told
    assert alike == "'demo' is easily taken for 'dem0'."
    assert stage.hold(DEMO, Hold.CLAIMED).remarks == (alike,)


@pytest.mark.parametrize(
    ("pattern", "hold", "code"),
    [
        ("*", Hold.RESERVED, "reservation-pattern"),
        ("*-acme", Hold.RESERVED, "reservation-pattern"),
        ("acme-*", Hold.CLAIMED, "hold-pattern"),
        ("acme-*", Hold.OVERLAY, "hold-pattern"),
    ],
)
def test_what_cannot_be_held_is_refused(pattern: str, hold: Hold, code: str) -> None:
    """Nothing is stored or recorded."""
    stage = Stage()
    with pytest.raises(InvalidRequest) as caught:
        stage.hold(ProjectPattern(pattern), hold)
    assert caught.value.code == code
    assert (stage.held(), stage.house.events()) == ((), [])


@pytest.mark.parametrize(
    ("caller", "index", "error"),
    [
        (NOBODY, MAIN, Unauthenticated),
        (READER, MAIN, Forbidden),
        (MANAGER, STAGING, NotFound),
        (MANAGER, NOWHERE, NotFound),
        (OPERATOR, NOWHERE, NotFound),
    ],
)
def test_only_who_manages_the_index_holds_names(caller: Caller, index: IndexName, error: type[StrongroomError]) -> None:
    """Nor lists, releases or reports them: held names may be secrets. Nothing is looked up for others."""
    stage = Stage()
    stage.keep(a_reservation("demo", index=index))
    shield = stage.shield
    for work in (
        shield.hold(caller, Wish(index, DEMO, Hold.RESERVED, "mine")),
        shield.release(caller, index, pattern=DEMO),
        shield.list(caller, index),
        shield.report(caller, index),
    ):
        with pytest.raises(error):
            wait(work)
    assert stage.held() == (a_reservation("demo", index=index),)
    assert (stage.house.events(), stage.names.asked) == ([], [])


def test_a_name_is_released() -> None:
    """And recorded; what is not held is named."""
    stage = Stage()
    stage.hold(ACME, Hold.RESERVED)
    released = wait(stage.shield.release(MANAGER, MAIN, pattern=ACME))
    assert (released.pattern, released.hold) == (ACME, Hold.RESERVED)
    assert stage.held() == ()
    assert stage.house.events()[1:] == [NameReleased(index=MAIN, pattern=ACME, hold="reserved")]
    with pytest.raises(NotFound, match=r"does not hold 'acme-\*'"):
        wait(stage.shield.release(MANAGER, MAIN, pattern=ACME))
    assert len(stage.house.events()) == 2


def test_each_sees_what_the_indexes_hold_that_he_manages() -> None:
    """By index and pattern; a reader sees none."""
    stage = Stage()
    for index, pattern in ((STAGING, DEMO), (MAIN, DEMO), (MAIN, ACME)):
        stage.hold(pattern, Hold.RESERVED, index=index)

    def seen(caller: Caller, index: IndexName | None = None) -> list[tuple[str, str]]:
        return [(item.index, item.pattern) for item in wait(stage.shield.list(caller, index))]

    assert seen(OPERATOR) == [("main", "acme-*"), ("main", "demo"), ("staging", "demo")]
    assert seen(OPERATOR, STAGING) == [("staging", "demo")]
    assert seen(MANAGER) == [("main", "acme-*"), ("main", "demo")]
    assert seen(READER) == seen(NOBODY) == []


def test_own_names_that_exist_upstream_are_reported() -> None:
    """With files or held; nothing else, and prefixes are not looked up."""
    stage = Stage(billing=PUBLIC_HAS_IT, held=PUBLIC_HAS_IT, both=PUBLIC_HAS_IT)
    for name, index in (("billing", "main"), ("own", "main"), ("both", "main"), ("both", "staging")):
        stage.house.add_files(a_project(name, index=index))
    for pattern, hold in (("held", Hold.CLAIMED), ("both", Hold.OVERLAY), ("acme-*", Hold.RESERVED)):
        stage.keep(a_reservation(pattern, hold=hold))
    report = wait(stage.shield.report(OPERATOR))
    assert [(item.index, item.project, item.hold) for item in report.internal] == [
        ("main", "billing", None),
        ("main", "both", Hold.OVERLAY),
        ("main", "held", Hold.CLAIMED),
        ("staging", "both", None),
    ]
    assert (report.wanted, report.is_certain) == ((), True)
    assert stage.names.asked == ["billing", "both", "held", "own", "both"]
    only = wait(stage.shield.report(MANAGER)).internal
    assert {item.index for item in only} == {"main"}
    assert only[0] == InternalName(MAIN, ProjectName("billing"), None, ("public",))


def test_names_that_nobody_owns_are_reported_with_what_may_be_meant() -> None:
    """Most asked first; what is owned, reserved or upstream by now is none of them."""
    known = {"dem0": NameKnowledge((), is_certain=True, lookalikes=("d-emo",)), "popular": PUBLIC_HAS_IT}
    stage = Stage(**known)
    stage.house.add_files(a_project("demo"))
    stage.house.add_files(a_project("elsewhere", index="staging"))
    stage.keep(a_reservation("acme-*"))
    stage.ask(MAIN, dem0=3, demo=9, elsewhere=9, acme_x=9, popular=9, typing=5)
    stage.ask(STAGING, dem0=1)
    report = wait(stage.shield.report(OPERATOR, MAIN))
    assert report == NameReport(
        internal=(),
        wanted=(
            WantedName(MAIN, ProjectName("typing"), 5, START, ()),
            WantedName(MAIN, ProjectName("dem0"), 3, START, ("d-emo", "demo")),
        ),
        is_certain=True,
    )


def test_a_report_is_bounded() -> None:
    """However many names clients make up."""
    stage = Stage()
    names = {f"wrong_{number}": 1000 - number for number in range(3 * MOST_ASKED)}
    stage.ask(MAIN, **names)
    wanted = wait(stage.shield.report(OPERATOR)).wanted
    assert (len(wanted), wanted[0].project) == (MOST_ASKED, "wrong-0")
    assert len(stage.names.asked) <= 2 * MOST_ASKED


def test_a_report_says_when_a_list_is_missing() -> None:
    """So that an empty one comforts nobody."""
    stage = Stage(demo=NameKnowledge((), is_certain=False))
    stage.house.add_files(a_project("demo"))
    assert not wait(stage.shield.report(OPERATOR)).is_certain
    assert not wait(Shield(stage.house.catalog, stage.house.clock).report(OPERATOR)).is_certain
