from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.core.access import Right
from strongroom.core.events import Promoted, PromotionRefused, PromotionRequested, PromotionUndone
from strongroom.core.names import Filename
from tests.factories import a_grant, an_index
from tests.http.api.office import NOT_FOUND, Office

AT = "2026-01-05T12:00:00Z"
WHEEL, SDIST = Filename("demo-1.0-py3-none-any.whl"), Filename("demo-1.0.tar.gz")
BODY: dict[str, object] = {"source": "staging", "target": "main", "releases": [{"project": "Demo", "version": "1.0.0"}]}


@pytest.fixture
def shop(office: Office) -> Office:
    """Provide an office with a release in staging."""
    office.add_index("staging")
    for filename in (WHEEL, SDIST):
        office.add_file(filename, index="staging")
    return office


def promote(office: Office, **more: object) -> dict[str, object]:
    """Promote the release as Bob, and return the answer."""
    reply = office.ask("POST", "/promotions", token=office.bob, json=BODY | more)
    assert reply.status == 200, reply.body
    return reply.json


def promotion_of(answer: dict[str, object]) -> dict[str, object]:
    """Return the promotion in an answer."""
    found = answer["promotion"]
    assert isinstance(found, dict)
    return found


def require_approval(office: Office) -> None:
    """Let main take promotions only with approval."""
    office.write(lambda tx: tx.indexes.replace(replace(an_index(), needs_approval=True)))


def test_promote_a_release(shop: Office) -> None:
    """All of its files are in the target, and the whole answer says so."""
    answer = promote(shop, reason="June")
    promotion = promotion_of(answer)
    assert answer == {
        "promotion": {
            "id": promotion["id"],
            "source": "staging",
            "target": "main",
            "stage": "done",
            "releases": [{"project": "demo", "version": "1.0", "filenames": [WHEEL, SDIST]}],
            "requested_by": "user:bob",
            "requested_at": AT,
            "reason": "June",
            "decided_by": None,
            "decided_at": AT,
        },
        "releases": [
            {
                "project": "demo",
                "version": "1.0",
                "was_chosen": False,
                "new": [WHEEL, SDIST],
                "present": [],
                "remarks": [],
            }
        ],
    }
    assert [file.filename for file in shop.files()] == [WHEEL, SDIST]
    assert [type(event) for event in shop.events()] == [Promoted]
    assert shop.ask("GET", f"/promotions/{promotion['id']}", token=shop.bob).json == promotion
    assert shop.ask("GET", "/promotions", token=shop.bob).json == {"items": [promotion], "next_cursor": None}


def test_a_dry_run_and_a_repetition_make_no_promotion(shop: Office) -> None:
    """The plan is answered; without a version it says which was chosen."""
    dry = promote(shop, releases=[{"project": "demo"}], dry_run=True)
    assert (dry["promotion"], shop.files()) == (None, ())
    plans = dry["releases"]
    assert isinstance(plans, list)
    assert [(plan["version"], plan["was_chosen"]) for plan in plans] == [("1.0", True)]
    promote(shop)
    again = promote(shop)
    assert again["promotion"] is None
    assert len(shop.events()) == 1


def test_refusals_name_their_rule(shop: Office) -> None:
    """400 with the rule's code, 404 for what is missing, 422 for what is not understood; nothing is written."""
    cases: list[tuple[dict[str, object], int, str]] = [
        ({"target": "staging"}, 400, "promotion-same-index"),
        ({"releases": [{"project": "ghost"}]}, 404, "project-unknown"),
        ({"releases": []}, 422, "invalid-body"),
        ({"releases": [{"project": "demo", "version": 1}]}, 422, "version"),
        ({"releases": [{"project": "demo", "version": "banana"}]}, 422, "version"),
        ({"reason": "a\0b"}, 400, "text-characters"),
    ]
    for change, status, code in cases:
        reply = shop.ask("POST", "/promotions", token=shop.bob, json=BODY | change)
        assert (reply.status, reply.json["code"]) == (status, code), change
    assert shop.events() == []


def test_rights_on_both_sides(shop: Office) -> None:
    """Carol reads neither: for her there is nothing."""
    reply = shop.ask("POST", "/promotions", token=shop.carol, json=BODY)
    assert (reply.status, reply.json) == (404, NOT_FOUND)
    promotion = promotion_of(promote(shop))
    assert shop.ask("GET", "/promotions", token=shop.carol).json == {"items": [], "next_cursor": None}
    assert shop.ask("GET", f"/promotions/{promotion['id']}", token=shop.carol).json == NOT_FOUND
    for malformed in ("0", "x" * 16):
        assert shop.ask("GET", f"/promotions/{malformed}", token=shop.ada).json == NOT_FOUND


def test_approve_a_promotion(shop: Office) -> None:
    """It waits until somebody else who manages the target approves it; he may say why."""
    require_approval(shop)
    shop.add_user("eve", a_grant(Right.READ), a_grant(Right.MANAGE, index="main"))
    eve = shop.issue("eve", Right.READ, Right.MANAGE)
    promotion = promotion_of(promote(shop))
    assert (promotion["stage"], promotion["decided_at"], shop.files()) == ("pending", None, ())
    decision = f"/promotions/{promotion['id']}/decision"
    assert shop.ask("POST", decision, token=shop.bob, json={"decision": "approve"}).status == 403
    reply = shop.ask("POST", decision, token=eve, json={"decision": "approve", "reason": "tested"})
    assert (reply.json["stage"], reply.json["decided_by"]) == ("done", "user:eve")
    assert [type(event) for event in shop.events()][-2:] == [PromotionRequested, Promoted]
    assert shop.ask("POST", decision, token=eve, json={"decision": "approve"}).status == 409
    listed = shop.ask("GET", "/promotions?index=main&stage=done", token=eve).json["items"]
    assert listed == [reply.json]
    assert shop.ask("GET", "/promotions?stage=pending", token=eve).json["items"] == []


def test_refuse_a_promotion(shop: Office) -> None:
    """Whoever asked for it withdraws it so."""
    require_approval(shop)
    promotion = promotion_of(promote(shop))
    decision = f"/promotions/{promotion['id']}/decision"
    reply = shop.ask("POST", decision, token=shop.bob, json={"decision": "refuse", "reason": "too early"})
    assert (reply.status, reply.json["stage"], shop.files()) == (200, "refused", ())
    assert [type(event) for event in shop.events()] == [PromotionRequested, PromotionRefused]
    assert shop.ask("POST", decision, token=shop.ada, json={"decision": "maybe"}).status == 422


def test_undo_a_promotion(shop: Office) -> None:
    """The files are gone from the target and stay in the source."""
    promotion = promotion_of(promote(shop))
    undo = f"/promotions/{promotion['id']}/undo"
    assert shop.ask("POST", undo, token=shop.bob, json={}).status == 403
    reply = shop.ask("POST", undo, token=shop.ada, json={"reason": "bad"})
    assert (reply.status, reply.json["filenames"]) == (200, [WHEEL, SDIST])
    assert (shop.files(), len(shop.files("staging"))) == ((), 2)
    assert [type(event) for event in shop.events()] == [Promoted, PromotionUndone]
    assert shop.ask("POST", undo, token=shop.ada, json={}).status == 409
