"""Held names over REST."""

from __future__ import annotations

from strongroom.core.access import Right
from strongroom.core.events import NameHeld, NameReleased
from strongroom.core.names import ProjectName, ProjectPattern
from tests.factories import MAIN, a_grant
from tests.fakes import START
from tests.http.api.office import NOT_FOUND, Office

ACME = {
    "index": "main",
    "pattern": "acme-*",
    "hold": "reserved",
    "reason": "ours",
    "created_at": "2026-01-05T12:00:00Z",
}


def a_manager(office: Office) -> str:
    """Let somebody manage `main`, and return his token."""
    office.add_user("max", a_grant(Right.READ, Right.MANAGE, index="main"))
    return office.issue("max", Right.READ, Right.MANAGE)


def test_a_prefix_is_reserved_listed_and_released(office: Office) -> None:
    """Each time as it is; in the path in any spelling, with the star as it is or escaped."""
    token = office.ada
    before = office.events()
    for path in ("/indexes/main/names/acme-*", "/indexes/main/names/Acme_%2A"):
        made = office.ask("PUT", path, token=token, json={"hold": "reserved", "reason": "ours"})
        assert made.status == 200
        assert {key: made.json[key] for key in ACME} == ACME
        assert made.json["remarks"] == []
    listed = office.ask("GET", "/indexes/main/names", token=token).json
    by = made.json["created_by"]
    assert listed == {"items": [ACME | {"created_by": by}], "next_cursor": None}
    released = office.ask("DELETE", "/indexes/main/names/acme-*", token=token)
    assert (released.status, released.json) == (200, ACME | {"created_by": by})
    again = office.ask("DELETE", "/indexes/main/names/acme-*", token=token)
    assert (again.status, again.json["code"]) == (404, "name-not-held")
    pattern = ProjectPattern("acme-*")
    assert office.events() == [
        *before,
        NameHeld(index=MAIN, pattern=pattern, hold="reserved", reason="ours"),
        NameReleased(index=MAIN, pattern=pattern, hold="reserved"),
    ]


def test_what_cannot_be_held(office: Office) -> None:
    """A pattern that is no prefix, a claim on a prefix, and what is no name at all."""
    for path, hold, status, code in (
        ("*", "reserved", 400, "reservation-pattern"),
        ("acme-*", "claimed", 400, "hold-pattern"),
        ("acme-*", "stolen", 422, "invalid-body"),
        ("a%20b", "reserved", 404, "not-found"),
    ):
        reply = office.ask("PUT", f"/indexes/main/names/{path}", token=office.ada, json={"hold": hold})
        assert (reply.status, reply.json["code"]) == (status, code)
    assert office.events() == []


def test_a_name_is_not_told_to_those_who_only_read(office: Office) -> None:
    """Held names may be secrets; who does not even read the index does not find it."""
    office.add_index("staging")
    before = office.events()
    for method, path in (("GET", "names"), ("PUT", "names/demo"), ("DELETE", "names/demo"), ("GET", "name-report")):
        body = {"hold": "reserved"} if method == "PUT" else None
        read = office.ask(method, f"/indexes/main/{path}", token=office.bob, json=body)
        assert (read.status, read.json["code"]) == (403, "forbidden")
        unread = office.ask(method, f"/indexes/staging/{path}", token=office.carol, json=body)
        assert (unread.status, unread.json) == (404, NOT_FOUND)
    assert office.events() == before


def test_the_report(office: Office) -> None:
    """Without lists of upstreams' names it says that it is not certain."""
    office.add_file("demo-1.0.tar.gz")
    office.write(lambda tx: tx.asked_names.add({(MAIN, ProjectName("dem0")): 2}, START))
    reply = office.ask("GET", "/indexes/main/name-report", token=office.ada)
    assert (reply.status, reply.json) == (
        200,
        {
            "is_certain": False,
            "internal": [],
            "wanted": [
                {"project": "dem0", "count": 2, "last_asked_at": "2026-01-05T12:00:00Z", "lookalikes": ["demo"]}
            ],
        },
    )
