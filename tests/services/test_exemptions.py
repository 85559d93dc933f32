"""Exemptions: who asks, who decides, and what is recorded."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet

from strongroom.core.access import Right
from strongroom.core.caller import Caller
from strongroom.core.errors import Conflict, Forbidden, InvalidRequest, NotFound, TooMany, Unauthenticated
from strongroom.core.events import ExemptionDecided, ExemptionRequested
from strongroom.core.exemptions import MOST_PENDING, USUAL_LIFETIME, Decision, Exemption
from strongroom.core.names import IndexName, ProjectName, parse_project_name
from strongroom.core.rules import Rules
from strongroom.services.exemptions import Exemptions, ExemptionWish
from tests.factories import (
    DEMO,
    MAIN,
    NOBODY,
    OPERATOR,
    a_caller,
    a_grant,
    a_scope,
    a_token,
    a_token_caller,
    an_administrator,
    an_index,
)
from tests.fakes import START
from tests.services.house import House, wait

PUBLIC, MIRROR = IndexName("public"), IndexName("mirror")
DAY = timedelta(days=1)
BOB = a_caller("bob", a_grant(Right.READ))
MIA = a_caller("mia", a_grant(Right.READ, Right.MANAGE, index="public"))
WISH = ExemptionWish(PUBLIC, DEMO, SpecifierSet("==1.0"), " we need \n it ", code="too-young")


Use = Callable[[Exemptions, Caller, str], Coroutine[Any, Any, object]]  # Any: what a coroutine yields and takes
USES: list[Use] = [
    lambda service, caller, name: service.approve(caller, name),
    lambda service, caller, name: service.refuse(caller, name, reason="no"),
    lambda service, caller, name: service.withdraw(caller, name),
]


@pytest.fixture
def house() -> House:
    """Provide `main` over `public`, which has rules."""
    house = House()
    house.add_index(replace(an_index("public"), rules=Rules(cooldown=3 * DAY)))
    house.add_index(replace(an_index("main"), bases=(PUBLIC,)))
    return house


def exemptions(house: House) -> Exemptions:
    """Make the service."""
    return Exemptions(house.catalog, house.secrets, house.clock)


def stored(house: House) -> tuple[Exemption, ...]:
    """Return all rows."""
    return house.look(lambda tx: tx.exemptions.list())


def asked(house: House, caller: Caller = BOB, *, wish: ExemptionWish = WISH) -> Exemption:
    """Ask for an exemption."""
    return wait(exemptions(house).request(caller, wish))


def test_a_reader_asks_for_an_exemption(house: House) -> None:
    """It waits; one row, one event, by the person and not by his token."""
    token = a_token(scope=a_scope(Right.READ))
    made = asked(house, a_token_caller(token, a_grant(Right.READ)))
    assert stored(house) == (made,)
    assert made == Exemption(
        exemption_id=made.exemption_id,
        index=PUBLIC,
        project=DEMO,
        versions=SpecifierSet("==1.0"),
        code="too-young",
        reason="we need it",
        requested_by="user:bob",
        requested_at=START,
        expires_at=START + USUAL_LIFETIME,
    )
    (entry,) = house.entries()
    assert entry.event == ExemptionRequested(
        index=PUBLIC,
        project=DEMO,
        exemption=made.exemption_id,
        versions="==1.0",
        code="too-young",
        expires_at="2026-01-19T12:00:00+00:00",
        reason="we need it",
    )
    assert entry.actor.name == f"user:bob token:{token.token_id}"


def test_asking_again_is_the_same_request(house: House) -> None:
    """While it waits, whatever the reason; another person's, another version or a later one is a new one."""
    first = asked(house)
    assert asked(house, BOB, wish=replace(WISH, reason="still")) == first
    assert len(house.events()) == 1
    assert asked(house, MIA) != first
    assert asked(house, BOB, wish=replace(WISH, versions=SpecifierSet("==2.0"))) != first
    wait(exemptions(house).withdraw(BOB, first.exemption_id))
    assert asked(house) != first
    assert len(stored(house)) == 4


def test_the_index_that_clients_use_stands_for_the_one_with_the_rules(house: House) -> None:
    """Reading the one that clients use is enough."""
    carol = a_caller("carol", a_grant(Right.READ, index="main"))
    made = asked(house, carol, wish=replace(WISH, index=MAIN))
    assert made.index == PUBLIC
    with pytest.raises(NotFound):
        asked(house, carol)


def test_an_index_with_rules_of_its_own_is_meant_itself(house: House) -> None:
    """Even where an index behind it has some too."""
    house.change(lambda tx: tx.indexes.replace(replace(an_index("main"), bases=(PUBLIC,), rules=Rules(denied=("x",)))))
    assert asked(house, BOB, wish=replace(WISH, index=MAIN)).index == MAIN
    assert asked(house).index == PUBLIC


def test_without_rules_there_is_nothing_to_be_exempt_from(house: House) -> None:
    """And of several indexes with rules one has to be named."""
    house.add_index(an_index("plain"))
    house.add_index(replace(an_index("mirror"), rules=Rules(takes_sdists=False)))
    house.add_index(replace(an_index("both"), bases=(PUBLIC, MIRROR)))
    for name, code in (("plain", "exemption-pointless"), ("both", "exemption-ambiguous")):
        with pytest.raises(InvalidRequest) as caught:
            asked(house, BOB, wish=replace(WISH, index=IndexName(name)))
        assert caught.value.code == code
    assert (stored(house), house.events()) == ((), [])


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (replace(WISH, reason=" "), "exemption-reason"),
        (replace(WISH, reason="x" * 501), "text-length"),
        (replace(WISH, code="to-young"), "exemption-rule"),
        (replace(WISH, lifetime=timedelta(0)), "exemption-lifetime"),
        (replace(WISH, lifetime=366 * DAY), "exemption-lifetime"),
    ],
)
def test_a_request_has_to_make_sense(house: House, wish: ExemptionWish, code: str) -> None:
    """It gives a reason, names a rule that there is, and ends."""
    with pytest.raises(InvalidRequest) as caught:
        asked(house, BOB, wish=wish)
    assert caught.value.code == code
    assert (stored(house), house.events()) == ((), [])


def test_who_may_not_read_may_not_ask(house: House) -> None:
    """Nobody has to sign in, also where everybody may read; a missing index looks like a hidden one."""
    house.add_index(replace(an_index("open", anonymous_read=True), rules=Rules(denied=("x",))))
    for wish in (WISH, replace(WISH, index=IndexName("open"))):
        with pytest.raises(Unauthenticated):
            asked(house, NOBODY, wish=wish)
    heard = []
    for caller, index in (
        (a_caller("eve", a_grant(Right.READ, projects="other")), PUBLIC),
        (a_caller("eve", a_grant(Right.MANAGE)), PUBLIC),
        (BOB, IndexName("nowhere")),
    ):
        with pytest.raises(NotFound) as caught:
            asked(house, caller, wish=replace(WISH, index=index))
        heard.append(caught.value.sentence)
    assert len(set(heard)) == 1
    assert (stored(house), house.events()) == ((), [])


def test_nobody_floods_those_who_decide(house: House) -> None:
    """So many may wait of one person; those that are decided or have lapsed don't count."""
    for number in range(MOST_PENDING):
        asked(house, BOB, wish=replace(WISH, versions=SpecifierSet(f"=={number}")))
    with pytest.raises(TooMany):
        asked(house, BOB, wish=replace(WISH, versions=SpecifierSet("==1000")))
    assert len(stored(house)) == MOST_PENDING
    asked(house, MIA)
    wait(exemptions(house).approve(MIA, stored(house)[0].exemption_id))
    asked(house, BOB, wish=replace(WISH, versions=SpecifierSet("==1001")))
    house.clock.advance(USUAL_LIFETIME)
    asked(house, BOB, wish=replace(WISH, versions=SpecifierSet("==1002")))


def test_who_manages_the_index_approves(house: House) -> None:
    """With a reason, and for as long as he says; the row and one event tell it."""
    made = asked(house)
    house.clock.advance(DAY)
    approved = wait(exemptions(house).approve(MIA, made.exemption_id, reason="looked at", lifetime=2 * DAY))
    assert approved == replace(
        made,
        decision=Decision.APPROVED,
        decided_by="user:mia",
        decided_at=START + DAY,
        decision_reason="looked at",
        expires_at=START + 3 * DAY,
    )
    assert stored(house) == (approved,)
    assert house.events()[1:] == [
        ExemptionDecided(
            index=PUBLIC,
            project=DEMO,
            exemption=made.exemption_id,
            decision="approved",
            expires_at="2026-01-08T12:00:00+00:00",
            reason="looked at",
        )
    ]


def test_a_refusal_gives_a_reason(house: House) -> None:
    """It ends an approved exemption too."""
    made = asked(house)
    service = exemptions(house)
    with pytest.raises(InvalidRequest):
        wait(service.refuse(MIA, made.exemption_id, reason=" "))
    wait(service.approve(MIA, made.exemption_id))
    ended = wait(service.refuse(MIA, made.exemption_id, reason="it was malware"))
    assert (ended.decision, ended.decision_reason) == (Decision.REFUSED, "it was malware")
    with pytest.raises(Conflict):
        wait(service.approve(MIA, made.exemption_id))
    assert [event.decision for event in house.events() if isinstance(event, ExemptionDecided)] == [
        "approved",
        "refused",
    ]


def test_only_who_asked_withdraws(house: House) -> None:
    """His request or his exemption; an administrator refuses instead."""
    made = asked(house)
    service = exemptions(house)
    for other in (MIA, an_administrator(), OPERATOR):
        with pytest.raises(Forbidden):
            wait(service.withdraw(other, made.exemption_id))
    wait(service.approve(MIA, made.exemption_id))
    assert wait(service.withdraw(BOB, made.exemption_id, reason="done")).decision is Decision.WITHDRAWN
    assert len(house.events()) == 3


def test_nobody_decides_about_his_own_request(house: House) -> None:
    """Not by another token of his either; who administers the server may, and the operator."""
    service = exemptions(house)
    made = asked(house, MIA)
    by_token = a_token_caller(a_token(owner="mia", scope=a_scope(*Right)), a_grant(Right.READ, Right.MANAGE))
    for caller in (MIA, by_token):
        for work in (
            service.approve(caller, made.exemption_id),
            service.refuse(caller, made.exemption_id, reason="no"),
        ):
            with pytest.raises(Forbidden) as caught:
                wait(work)
            assert caught.value.code == "exemption-own"
    for caller in (an_administrator("ada"), OPERATOR):
        own = asked(house, caller)
        assert wait(service.approve(caller, own.exemption_id)).decision is Decision.APPROVED
    assert stored(house)[0].decision is Decision.PENDING


@pytest.mark.parametrize("use", USES)
def test_deciding_takes_the_right_to_manage_the_index(house: House, use: Use) -> None:
    """Who reads is forbidden; who does not sees nothing, like what is missing; nobody has to sign in."""
    made = asked(house, a_caller("zoe", a_grant(Right.READ)))
    service = exemptions(house)
    others = [right for right in Right if right not in (Right.MANAGE, Right.ADMINISTER)]
    for reader in (
        a_caller("eve", a_grant(*others)),
        a_caller("eve", a_grant(Right.READ), a_grant(Right.MANAGE, index="main")),
        a_caller("eve", a_grant(Right.READ, Right.MANAGE, projects="demo")),
    ):
        with pytest.raises(Forbidden):
            wait(use(service, reader, made.exemption_id))
    heard = []
    for caller, name in (
        (a_caller("eve", a_grant(*Right, index="main")), made.exemption_id),
        (a_caller("eve", a_grant(Right.MANAGE)), made.exemption_id),
        (an_administrator(), "0" * 16),
    ):
        with pytest.raises(NotFound) as caught:
            wait(use(service, caller, name))
        heard.append(caught.value.sentence)
    assert len(set(heard)) == 1
    with pytest.raises(Unauthenticated):
        wait(use(service, NOBODY, made.exemption_id))
    assert stored(house) == (made,)
    assert len(house.events()) == 1


def test_one_is_shown_to_who_may_read_the_project(house: House) -> None:
    """And to who asked for it, as long as he signs in."""
    made = asked(house)
    service = exemptions(house)
    for seer in (MIA, a_caller("bob")):
        assert wait(service.show(seer, made.exemption_id)) == made
    for other, name in ((a_caller("eve"), made.exemption_id), (MIA, "0" * 16)):
        with pytest.raises(NotFound):
            wait(service.show(other, name))
    with pytest.raises(Unauthenticated):
        wait(service.show(NOBODY, made.exemption_id))


def test_the_list_shows_what_one_may_read(house: House) -> None:
    """And one's own requests; newest first."""
    other: ProjectName = parse_project_name("other")
    first = asked(house)
    house.clock.advance(DAY)
    second = asked(house, MIA, wish=replace(WISH, project=other))
    service = exemptions(house)
    assert wait(service.list(BOB)) == (second, first)
    assert wait(service.list(BOB, PUBLIC)) == (second, first)
    assert wait(service.list(BOB, MAIN)) == ()
    assert wait(service.list(a_caller("eve", a_grant(Right.READ, index="public", projects="oth*")), PUBLIC)) == (
        second,
    )
    assert wait(service.list(a_caller("eve", a_grant(Right.READ, index="main")))) == ()
    assert wait(service.list(a_caller("bob", a_grant(Right.READ, index="main")))) == (first,)
    for caller, index in ((a_caller("eve", a_grant(Right.READ, index="main")), PUBLIC), (BOB, IndexName("nowhere"))):
        with pytest.raises(NotFound):
            wait(service.list(caller, index))
    with pytest.raises(Unauthenticated):
        wait(service.list(NOBODY))


def test_the_list_can_show_what_waits(house: House) -> None:
    """Neither what was decided nor what has lapsed."""
    service = exemptions(house)
    decided = asked(house)
    wait(service.approve(MIA, decided.exemption_id))
    asked(house, MIA, wish=replace(WISH, lifetime=DAY))
    waiting = asked(house, a_caller("zoe", a_grant(Right.READ)))
    house.clock.advance(DAY)
    assert wait(service.list(BOB, pending_only=True)) == (waiting,)
    assert len(wait(service.list(BOB))) == 3
