from __future__ import annotations

import pytest

from strongroom.core.access import Right
from strongroom.core.events import GrantAdded, GrantRemoved, UserChanged, UserCreated
from strongroom.core.names import parse_user_name
from tests.factories import a_grant
from tests.http.api.office import PASSWORD, Office

AT = "2026-01-05T12:00:00Z"
BOB, DORA = parse_user_name("bob"), parse_user_name("dora")
MEMBER: dict[str, object] = {"rights": ["read", "upload", "yank"], "index": None, "projects": "*"}


def view(name: str, *grants: dict[str, object], **more: bool) -> dict[str, object]:
    """Return how the API shows a user."""
    plain = {"is_administrator": False, "is_disabled": False, "has_password": False} | more
    return {"name": name, "created_at": AT, **plain, "grants": list(grants)}


def test_create(office: Office) -> None:
    """A new user is a member of every index when nothing else is said, and the answer holds no hash."""
    reply = office.ask("POST", "/users", token=office.ada, json={"name": "dora", "password": PASSWORD})
    assert (reply.status, reply.json) == (201, view("dora", MEMBER, has_password=True))
    assert office.events() == [UserCreated(user=DORA, grants=("read, upload, yank on every project in every index",))]
    assert b"fake:" not in reply.body
    stored = office.read(lambda tx: tx.users.find(DORA))
    assert stored is not None
    assert stored.password_hash == f"fake:{PASSWORD}"


def test_create_with_grants(office: Office) -> None:
    """The grants are those that were named, and no others."""
    grant: dict[str, object] = {"rights": ["read"], "index": "main", "projects": "acme-*"}
    reply = office.ask("POST", "/users", token=office.ada, json={"name": "dora", "grants": [grant]})
    assert reply.json == view("dora", grant)
    held = office.read(lambda tx: tx.users.list_grants(DORA))
    assert held == (a_grant(Right.READ, index="main", projects="acme-*"),)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "bob"}, 409, "user-exists"),
        ({"name": "Bob"}, 422, "user-name"),
        ({"name": "pypi"}, 422, "user-name"),
        ({"name": "dora", "password": "short"}, 422, "invalid-body"),
        ({"name": "dora", "password": "ä" * 200}, 400, "password-length"),
        ({"name": "dora", "grants": [{"rights": ["read"], "index": "missing"}]}, 404, "index-unknown"),
        ({"name": "dora", "grants": [{"rights": []}]}, 422, "invalid-body"),
        ({"name": "dora", "is_administrator": "yes"}, 422, "invalid-body"),
    ],
)
def test_create_refused(office: Office, body: dict[str, object], status: int, code: str) -> None:
    """A user that cannot be made leaves no trace."""
    reply = office.ask("POST", "/users", token=office.ada, json=body)
    assert (reply.status, reply.json["code"]) == (status, code)
    assert office.events() == []
    assert office.read(lambda tx: tx.users.find(DORA)) is None


def test_list_in_pages(office: Office) -> None:
    """Administrators see all accounts, by name."""
    first = office.ask("GET", "/users?limit=2", token=office.ada).json
    assert first["items"] == [
        view("ada", is_administrator=True, has_password=True),
        view("bob", MEMBER, has_password=True),
    ]
    second = office.ask("GET", f"/users?limit=2&cursor={first['next_cursor']}", token=office.ada).json
    carol: dict[str, object] = {"rights": ["read"], "index": "main", "projects": "acme-*"}
    assert second == {"items": [view("carol", carol)], "next_cursor": None}


def test_show_own(office: Office) -> None:
    """Everybody sees his own account; another's answers 403, whether it exists or not."""
    assert office.ask("GET", "/users/bob", token=office.bob).json == view("bob", MEMBER, has_password=True)
    others = {office.ask("GET", f"/users/{name}", token=office.bob).body for name in ("ada", "missing")}
    assert len(others) == 1
    assert office.ask("GET", "/users/ada", token=office.bob).status == 403


def test_show_missing(office: Office) -> None:
    """An administrator is told that there is no such user."""
    assert office.ask("GET", "/users/missing", token=office.ada).json["code"] == "user-unknown"
    assert office.ask("GET", "/users/NO%20NAME", token=office.ada).json["code"] == "not-found"


def test_disable_and_enable(office: Office) -> None:
    """A disabled user's tokens are shut out with the next request, and in again when he is enabled; each once."""
    for disabled in (True, True, False, False):
        reply = office.ask("PATCH", "/users/bob", token=office.ada, json={"is_disabled": disabled})
        assert reply.json == view("bob", MEMBER, has_password=True, is_disabled=disabled)
        assert office.ask("GET", "/whoami", token=office.bob).status == (401 if disabled else 200)
    assert office.events() == [UserChanged(user=BOB, change="disabled"), UserChanged(user=BOB, change="enabled")]


def test_the_last_administrator_stays(office: Office) -> None:
    """Nobody can shut out the last administrator."""
    reply = office.ask("PATCH", "/users/ada", token=office.ada, json={"is_disabled": True})
    assert (reply.status, reply.json["code"]) == (409, "last-administrator")
    assert office.events() == []


def test_own_password(office: Office) -> None:
    """Who came with his password may change it, and the old one is void at once."""
    new = "four other random words"
    reply = office.ask("PUT", "/users/bob/password", basic=f"bob:{PASSWORD}", json={"password": new})
    assert (reply.status, reply.json) == (200, view("bob", MEMBER, has_password=True))
    assert office.ask("GET", "/whoami", basic=f"bob:{PASSWORD}").status == 401
    assert office.ask("GET", "/whoami", basic=f"bob:{new}").status == 200
    assert office.events() == [UserChanged(user=BOB, change="password set")]


def test_a_token_changes_no_password(office: Office) -> None:
    """A token, which may have leaked, cannot take its owner's account over."""
    reply = office.ask("PUT", "/users/bob/password", token=office.bob, json={"password": "four other random words"})
    assert reply.status == 403
    assert office.ask("GET", "/whoami", basic=f"bob:{PASSWORD}").status == 200
    assert office.events() == []


def test_remove_password(office: Office) -> None:
    """Without a password only tokens sign in; removing it again changes nothing."""
    for _ in range(2):
        reply = office.ask("DELETE", "/users/bob/password", token=office.ada)
        assert reply.json == view("bob", MEMBER)
    assert office.ask("GET", "/whoami", basic=f"bob:{PASSWORD}").status == 401
    assert office.events() == [UserChanged(user=BOB, change="password removed")]


def test_grants(office: Office) -> None:
    """A right is given and taken at one place; doing either again changes nothing."""
    grant: dict[str, object] = {"rights": ["delete"], "index": "main", "projects": "acme-*"}
    for _ in range(2):
        reply = office.ask("POST", "/users/bob/grants", token=office.ada, json=grant)
        assert (reply.status, reply.json) == (200, {"grants": [MEMBER, grant]})
    for _ in range(2):
        reply = office.ask(
            "DELETE", "/users/bob/grants?right=delete&right=manage&index=main&projects=acme-*", token=office.ada
        )
        assert (reply.status, reply.json) == (200, {"grants": [MEMBER]})
    words = "delete on acme-* in main"
    assert office.events() == [GrantAdded(user=BOB, grant=words), GrantRemoved(user=BOB, grant=words)]


def test_taking_needs_to_name_a_right(office: Office) -> None:
    """Without a right in the query nothing is taken."""
    reply = office.ask("DELETE", "/users/bob/grants", token=office.ada)
    assert (reply.status, reply.json["detail"]) == (422, "The query parameter 'right' is missing.")
    assert office.events() == []
