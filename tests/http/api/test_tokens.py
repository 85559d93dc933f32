from __future__ import annotations

from datetime import timedelta

import pytest

from strongroom.core.access import Right
from strongroom.core.events import TokenIssued, TokenRevoked
from strongroom.core.names import TokenId, UserName, parse_token_id
from tests.http.api.office import NOT_FOUND, Office

AT, IN_90_DAYS = "2026-01-05T12:00:00Z", "2026-04-05T12:00:00Z"


def id_of(text: object) -> TokenId:
    """Return the public part of a token's text."""
    return parse_token_id(str(text).split("_")[1])


def test_create(office: Office) -> None:
    """The answer holds the token, which works at once; the store and the log never hold it."""
    wanted = {"label": " CI \n", "rights": ["read"], "projects": ["acme-*"], "networks": ["127.0.0.1/8"]}
    reply = office.ask("POST", "/tokens", token=office.bob, json=wanted)
    text = str(reply.json["secret"])
    assert reply.status == 201
    assert reply.headers["cache-control"] == "no-store"
    assert reply.json == {
        "id": id_of(text),
        "owner": "bob",
        "label": "CI",
        "rights": ["read"],
        "indexes": [],
        "projects": ["acme-*"],
        "networks": ["127.0.0.0/8"],
        "parent": id_of(office.bob),
        "created_at": AT,
        "expires_at": IN_90_DAYS,
        "revoked_at": None,
        "last_used_at": None,
        "secret": text,
    }
    assert [type(event) for event in office.events()] == [TokenIssued]
    assert text.encode() not in office.ask("GET", "/tokens", token=office.bob).body
    assert text.encode() not in office.ask("GET", "/audit/entries", token=office.ada).body
    assert office.ask("GET", "/whoami", token=text).json["networks"] == ["127.0.0.0/8"]


def test_create_with_the_usual_rights(office: Office) -> None:
    """Without rights a token reads and uploads, but no more than the one that asks for it."""
    assert office.ask("POST", "/tokens", token=office.bob, json={}).json["rights"] == ["read", "upload"]
    assert office.ask("POST", "/tokens", token=office.carol, json={}).json["rights"] == ["read"]


def test_create_for_another(office: Office) -> None:
    """Only an administrator makes a token for somebody else; a stranger learns nothing about the name."""
    bodies = {
        office.ask("POST", "/tokens", token=office.bob, json={"owner": name}).body for name in ("carol", "missing")
    }
    assert len(bodies) == 1
    assert office.events() == []
    made = office.ask("POST", "/tokens", token=office.ada, json={"owner": "carol", "rights": ["read"]})
    assert (made.status, made.json["owner"]) == (201, "carol")
    missing = office.ask("POST", "/tokens", token=office.ada, json={"owner": "missing"})
    assert (missing.status, missing.json["code"]) == (404, "user-unknown")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"rights": ["delete"]}, 400, "token-right"),
        ({"rights": ["read", "administer"]}, 400, "token-right"),
        ({"lifetime_days": None}, 403, "token-lifetime"),
        ({"lifetime_days": 400}, 403, "token-lifetime"),
        ({"lifetime_days": 0}, 422, "invalid-body"),
        ({"lifetime_days": 10**400}, 422, "invalid-body"),
        ({"lifetime_days": True}, 422, "invalid-body"),
        ({"lifetime_days": 1.5}, 422, "invalid-body"),
        ({"indexes": ["missing"]}, 404, "index-unknown"),
        ({"projects": ["acme/*"]}, 422, "project-pattern"),
        ({"networks": ["10.0.0.0/33"]}, 422, "network"),
        ({"networks": ["fe80::1%eth0"]}, 422, "network"),
        ({"networks": [7]}, 422, "network"),
        ({"rights": []}, 422, "invalid-body"),
        ({"scope": []}, 422, "invalid-body"),
    ],
)
def test_create_refused(office: Office, body: dict[str, object], status: int, code: str) -> None:
    """A token that may not be made, or makes no sense, is not made."""
    reply = office.ask("POST", "/tokens", token=office.bob, json=body)
    assert (reply.status, reply.json["code"]) == (status, code)
    assert office.events() == []
    assert len(office.read(lambda tx: tx.tokens.list())) == 3


def test_list_newest_first(office: Office) -> None:
    """Everybody sees his own tokens, the newest first, page by page; an administrator sees those of all."""
    office.clock.advance(timedelta(seconds=1))
    newer = id_of(office.ask("POST", "/tokens", token=office.bob, json={}).json["secret"])
    first = office.ask("GET", "/tokens?limit=1", token=office.bob).json
    second = office.ask("GET", f"/tokens?limit=1&cursor={first['next_cursor']}", token=office.bob).json
    seen = [item["id"] for page in (first, second) for item in _items(page)]
    assert (seen, second["next_cursor"]) == ([newer, id_of(office.bob)], None)
    everybody = _items(office.ask("GET", "/tokens", token=office.ada).json)
    assert {item["owner"] for item in everybody} == {"ada", "bob", "carol"}
    carols = _items(office.ask("GET", "/tokens?owner=carol", token=office.ada).json)
    assert [item["id"] for item in carols] == [id_of(office.carol)]
    assert office.ask("GET", "/tokens?owner=carol", token=office.bob).status == 403


def test_revoke(office: Office) -> None:
    """A revoked token is refused from the next request on; revoking it again changes nothing."""
    office.clock.advance(timedelta(minutes=1))
    path = f"/tokens/{id_of(office.carol)}"
    replies = [office.ask("DELETE", path, token=office.ada) for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 200]
    assert replies[0].json["revoked_at"] == "2026-01-05T12:01:00Z"
    assert replies[1].body == replies[0].body
    refused = office.ask("GET", "/whoami", token=office.carol)
    assert (refused.status, refused.json["code"]) == (401, "token-revoked")
    assert office.events() == [TokenRevoked(token=id_of(office.carol), owner=UserName("carol"))]


def test_revoke_what_it_made(office: Office) -> None:
    """A token that a token made is shown with its parent, and void together with it."""
    child = str(office.ask("POST", "/tokens", token=office.bob, json={}).json["secret"])
    listed = _items(office.ask("GET", "/tokens", token=office.bob).json)
    assert {item["id"]: item["parent"] for item in listed} == {id_of(child): id_of(office.bob), id_of(office.bob): None}
    assert office.ask("DELETE", f"/tokens/{id_of(office.bob)}", token=office.ada).status == 200
    refused = office.ask("GET", "/whoami", token=child)
    assert (refused.status, refused.json["code"]) == (401, "token-revoked")
    assert office.events()[1:] == [
        TokenRevoked(token=id_of(text), owner=UserName("bob")) for text in (office.bob, child)
    ]


def test_others_tokens_are_missing(office: Office) -> None:
    """To end another's token looks like ending one that does not exist."""
    for token in (id_of(office.ada), "A" * 16, "no-token"):
        reply = office.ask("DELETE", f"/tokens/{token}", token=office.bob)
        assert (reply.status, reply.json) == (404, NOT_FOUND)
        reply = office.ask("POST", f"/tokens/{token}/rotation", token=office.bob, json={})
        assert (reply.status, reply.json) == (404, NOT_FOUND)
    assert office.events() == []


def test_rotate(office: Office) -> None:
    """The new token works, the old one is void at once, and a second rotation of it is a conflict."""
    path = f"/tokens/{id_of(office.carol)}/rotation"
    reply = office.ask("POST", path, token=office.ada, json={})
    text = str(reply.json["secret"])
    assert (reply.status, reply.json["owner"], reply.json["rights"]) == (201, "carol", ["read"])
    assert office.ask("GET", "/whoami", token=office.carol).status == 401
    assert office.ask("GET", "/whoami", token=text).json["user"] == "carol"
    again = office.ask("POST", path, token=office.ada, json={})
    assert (again.status, again.json["code"]) == (409, "token-ended")
    assert [type(event) for event in office.events()] == [TokenIssued]


def test_rotate_with_overlap(office: Office) -> None:
    """With an overlap the old token stays good for that long."""
    path = f"/tokens/{id_of(office.carol)}/rotation"
    office.ask("POST", path, token=office.ada, json={"overlap_seconds": 3600})
    office.clock.advance(timedelta(minutes=59))
    assert office.ask("GET", "/whoami", token=office.carol).status == 200
    office.clock.advance(timedelta(minutes=1))
    ended = office.ask("GET", "/whoami", token=office.carol)
    assert (ended.status, ended.json["code"]) == (401, "token-expired")


def test_whoami(office: Office) -> None:
    """A token hears what its owner may do and what it is narrowed to; a password has no scope."""
    expected = {
        "user": "carol",
        "token_id": id_of(office.carol),
        "grants": [{"rights": ["read"], "index": "main", "projects": "acme-*"}],
        "scope": [{"rights": ["read"], "index": None, "projects": "*"}],
        "expires_at": None,
        "networks": [],
    }
    assert office.ask("GET", "/whoami", token=office.carol).json == expected
    by_password = office.ask("GET", "/whoami", basic="bob:four plain random words").json
    assert (by_password["token_id"], by_password["scope"]) == (None, None)
    assert office.events() == []


def test_a_full_queue_of_passwords(office: Office) -> None:
    """When too many passwords are being checked the client is asked to wait."""
    office.passwords.is_full = True
    reply = office.ask("GET", "/whoami", basic="bob:four plain random words")
    assert (reply.status, reply.headers["retry-after"]) == (429, "5")


def test_a_token_from_elsewhere(office: Office) -> None:
    """A token that is bound to networks is refused from any other."""
    wanted = {"owner": "bob", "rights": [Right.READ], "networks": ["10.0.0.0/8"]}
    text = str(office.ask("POST", "/tokens", token=office.ada, json=wanted).json["secret"])
    reply = office.ask("GET", "/whoami", token=text)
    assert (reply.status, reply.json["code"]) == (403, "token-network")


def _items(page: dict[str, object]) -> list[dict[str, object]]:
    items = page["items"]
    assert isinstance(items, list)
    return items
