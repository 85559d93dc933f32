"""Exemptions over the wire."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from strongroom.core.access import Right
from strongroom.core.events import ExemptionDecided, ExemptionRequested
from strongroom.core.names import IndexName
from strongroom.core.rules import Rules
from tests.factories import a_grant, an_index
from tests.http.api.office import NOT_FOUND, Office

PATH = "/indexes/public/exemptions"
WISH = {"project": "Django", "versions": "==5.2.1", "rule": "too-young", "reason": "a hole", "lifetime_days": 7}


@pytest.fixture
def guarded(office: Office) -> Office:
    """Provide an office whose `main` is based on `public`, which has rules; Mia manages `public`."""

    def change(rules: Rules) -> None:
        public = replace(an_index("public"), rules=rules)
        office.write(lambda tx: tx.indexes.add(public))
        office.write(lambda tx: tx.indexes.replace(replace(an_index("main"), bases=(IndexName("public"),))))

    change(Rules(cooldown=timedelta(days=3)))
    office.add_user("mia", a_grant(Right.READ, Right.MANAGE, index="public"))
    office.settle()
    return office


def ask(office: Office, body: dict[str, object] | None = None, *, token: str | None = None) -> dict[str, object]:
    """Ask for an exemption as Bob, and return the answer."""
    reply = office.ask("POST", PATH, token=token or office.bob, json=body or WISH)
    assert reply.status == 201, reply.body
    return reply.json


def test_an_exemption_is_asked_for_shown_and_listed(guarded: Office) -> None:
    """The same at each place; asking again is the same request."""
    made = ask(guarded)
    assert made == {
        "id": made["id"],
        "index": "public",
        "project": "django",
        "versions": "==5.2.1",
        "rule": "too-young",
        "reason": "a hole",
        "requested_by": "user:bob",
        "requested_at": "2026-01-05T12:00:00Z",
        "expires_at": "2026-01-12T12:00:00Z",
        "decision": "pending",
        "decided_by": None,
        "decided_at": None,
        "decision_reason": "",
    }
    assert ask(guarded) == made
    assert guarded.ask("GET", f"{PATH}/{made['id']}", token=guarded.bob).json == made
    for query in ("", "?pending=true"):
        listed = guarded.ask("GET", PATH + query, token=guarded.bob).json
        assert listed == {"items": [made], "next_cursor": None}
    assert [type(event) for event in guarded.events()] == [ExemptionRequested]


def test_all_versions_and_every_rule_are_meant_unless_they_are_named(guarded: Office) -> None:
    """And two weeks."""
    made = ask(guarded, {"project": "django", "reason": "we build it ourselves"})
    assert (made["versions"], made["rule"], made["expires_at"]) == ("", None, "2026-01-19T12:00:00Z")


def test_the_index_that_clients_use_stands_for_the_one_behind_it(guarded: Office) -> None:
    """The answer names the index whose rules they are; there it is found, and not under the other."""
    reply = guarded.ask("POST", "/indexes/main/exemptions", token=guarded.bob, json=WISH)
    assert (reply.status, reply.json["index"]) == (201, "public")
    one = f"/indexes/main/exemptions/{reply.json['id']}"
    assert guarded.ask("GET", one, token=guarded.bob).json == NOT_FOUND
    decision = guarded.ask("POST", f"{one}/decision", token=guarded.ada, json={"decision": "approve"})
    assert decision.json == NOT_FOUND
    assert [type(event) for event in guarded.events()] == [ExemptionRequested]


def test_it_is_approved_and_ended(guarded: Office) -> None:
    """By who manages the index: for a time from now on, and with a reason when it ends."""
    made = ask(guarded)
    mia = guarded.issue("mia", Right.READ, Right.MANAGE)
    guarded.settle()
    where = f"{PATH}/{made['id']}/decision"
    approved = guarded.ask("POST", where, token=mia, json={"decision": "approve", "lifetime_days": 1, "reason": "ok"})
    assert approved.json == made | {
        "decision": "approved",
        "decided_by": "user:mia",
        "decided_at": "2026-01-05T12:00:00Z",
        "decision_reason": "ok",
        "expires_at": "2026-01-06T12:00:00Z",
    }
    assert guarded.ask("POST", where, token=mia, json={"decision": "approve"}).status == 409
    assert guarded.ask("POST", where, token=mia, json={"decision": "refuse"}).json["code"] == "exemption-reason"
    ended = guarded.ask("POST", where, token=mia, json={"decision": "refuse", "reason": "malware"})
    assert (ended.status, ended.json["decision"], ended.json["decision_reason"]) == (200, "refused", "malware")
    assert [event.decision for event in guarded.events() if isinstance(event, ExemptionDecided)] == [
        "approved",
        "refused",
    ]


def test_it_is_withdrawn_by_who_asked(guarded: Office) -> None:
    """And by nobody else."""
    made = ask(guarded)
    where = f"{PATH}/{made['id']}/decision"
    assert guarded.ask("POST", where, token=guarded.ada, json={"decision": "withdraw"}).status == 403
    assert guarded.ask("POST", where, token=guarded.bob, json={"decision": "approve"}).status == 403
    reply = guarded.ask("POST", where, token=guarded.bob, json={"decision": "withdraw"})
    assert (reply.status, reply.json["decision"]) == (200, "withdrawn")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"project": "django"}, 422),
        ({"project": "django", "reason": ""}, 422),
        ({"project": "django", "reason": " "}, 400),
        ({"project": "dj*", "reason": "x"}, 422),
        ({"project": "django", "reason": "x", "versions": "~=2"}, 422),
        ({"project": "django", "reason": "x", "versions": 2}, 422),
        ({"project": "django", "reason": "x", "rule": "to-young"}, 400),
        ({"project": "django", "reason": "x", "lifetime_days": 0}, 422),
        ({"project": "django", "reason": "x", "lifetime_days": 366}, 422),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(guarded: Office, body: dict[str, object], status: int) -> None:
    """Nothing is stored or recorded."""
    assert guarded.ask("POST", PATH, token=guarded.bob, json=body).status == status
    assert guarded.events() == []


def test_nobody_in_particular_sees_and_asks_nothing(guarded: Office) -> None:
    """Not even of an index that everybody may read."""
    guarded.add_index("open", anonymous_read=True)
    made = ask(guarded)
    for method, path in (
        ("GET", "/indexes/open/exemptions"),
        ("POST", "/indexes/open/exemptions"),
        ("GET", f"{PATH}/{made['id']}"),
        ("POST", f"{PATH}/{made['id']}/decision"),
    ):
        assert guarded.ask(method, path, json=WISH if method == "POST" else None).status == 401


def test_what_one_may_not_read_is_not_there(guarded: Office) -> None:
    """Carol reads acme-* in main only: the same answer as for what is missing."""
    made = ask(guarded)
    for path in (f"{PATH}/{made['id']}", f"{PATH}/{'0' * 16}", f"{PATH}/nonsense", PATH, "/indexes/nowhere/exemptions"):
        assert guarded.ask("GET", path, token=guarded.carol).json == NOT_FOUND
    assert guarded.ask("POST", PATH, token=guarded.carol, json=WISH).json == NOT_FOUND
    acme = guarded.ask("POST", "/indexes/main/exemptions", token=guarded.carol, json=WISH | {"project": "acme-web"})
    assert acme.status == 201
