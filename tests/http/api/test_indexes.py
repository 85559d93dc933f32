from __future__ import annotations

from strongroom.core.access import Right
from strongroom.core.events import IndexChanged, IndexCreated, IndexDeleted
from strongroom.core.names import parse_index_name
from tests.factories import MAIN, STAGING, a_grant, an_index
from tests.http.api.office import Office

NO_RULES: dict[str, object] = {
    "cooldown_seconds": None,
    "allowed": [],
    "denied": [],
    "takes_sdists": True,
    "takes_yanked": True,
    "platforms": [],
    "max_size_bytes": None,
    "licences": [],
    "takes_unknown_licences": True,
}
AT = "2026-01-05T12:00:00Z"


def view(name: str, *, accepts_uploads: bool = True, anonymous_read: bool = False) -> dict[str, object]:
    """Return how the API shows an index."""
    return {
        "name": name,
        "created_at": AT,
        "accepts_uploads": accepts_uploads,
        "anonymous_read": anonymous_read,
        "bases": [],
        "upstream": None,
        "rules": NO_RULES,
        "forbids_reserved": False,
        "needs_approval": False,
        "downloads": "auto",
    }


def test_create(office: Office) -> None:
    """A new index is answered, stored and told, once."""
    reply = office.ask("POST", "/indexes", token=office.ada, json={"name": "staging", "accepts_uploads": False})
    assert (reply.status, reply.json) == (201, view("staging", accepts_uploads=False))
    assert office.events() == [IndexCreated(index=STAGING, accepts_uploads=False)]
    stored = office.read(lambda tx: tx.indexes.find(STAGING))
    assert stored is not None
    assert not stored.accepts_uploads


def test_create_again(office: Office) -> None:
    """A taken name is a conflict, and nothing changes."""
    reply = office.ask("POST", "/indexes", token=office.ada, json={"name": "main"})
    assert (reply.status, reply.json) == (
        409,
        {
            "title": "Conflict",
            "status": 409,
            "detail": "There is an index 'main' already. Choose another name.",
            "code": "index-exists",
        },
    )
    assert office.events() == []


def test_create_with_a_reserved_name(office: Office) -> None:
    """A name that the server's own URLs use is refused with the core's sentence."""
    reply = office.ask("POST", "/indexes", token=office.ada, json={"name": "simple"})
    assert (reply.status, reply.json["code"]) == (422, "index-name-reserved")
    assert office.events() == []


def test_list_shows_what_may_be_read(office: Office) -> None:
    """Each caller sees the indexes that he may read, by name."""
    office.add_index("staging")
    assert office.ask("GET", "/indexes", token=office.ada).json == {
        "items": [view("main"), view("staging")],
        "next_cursor": None,
    }
    assert office.ask("GET", "/indexes", token=office.carol).json == {"items": [view("main")], "next_cursor": None}


def test_list_in_pages(office: Office) -> None:
    """A cursor leads on to where the page before ended."""
    office.add_index("staging")
    first = office.ask("GET", "/indexes?limit=1", token=office.ada).json
    assert first["items"] == [view("main")]
    second = office.ask("GET", f"/indexes?limit=1&cursor={first['next_cursor']}", token=office.ada).json
    assert second == {"items": [view("staging")], "next_cursor": None}


def test_show_counts_what_may_be_read(office: Office) -> None:
    """The counts are of the projects that the caller may read."""
    office.add_file("demo-1.0-py3-none-any.whl")
    office.add_file("demo-1.0.tar.gz")
    assert office.ask("GET", "/indexes/main", token=office.ada).json == view("main") | {"projects": 1, "files": 2}
    assert office.ask("GET", "/indexes/main", token=office.carol).json == view("main") | {"projects": 0, "files": 0}


def test_change(office: Office) -> None:
    """What is named changes, what is left out stays; doing it again changes nothing."""
    for _ in range(2):
        reply = office.ask("PATCH", "/indexes/main", token=office.ada, json={"accepts_uploads": False})
        assert (reply.status, reply.json) == (200, view("main", accepts_uploads=False))
    assert office.events() == [IndexChanged(index=MAIN, accepts_uploads=False)]


def test_opening_takes_more_than_managing(office: Office) -> None:
    """Who only manages an index cannot open it to everybody."""
    office.add_user("max", a_grant(Right.READ, Right.MANAGE, index="main"))
    token = office.issue("max", Right.READ, Right.MANAGE)
    before = office.events()
    reply = office.ask("PATCH", "/indexes/main", token=token, json={"anonymous_read": True})
    assert (reply.status, reply.json["code"]) == (403, "forbidden")
    assert office.ask("PATCH", "/indexes/main", token=token, json={}).json == view("main")
    assert office.events() == before


def test_delete(office: Office) -> None:
    """An empty index is gone, with one event; the next time it is missing."""
    office.add_index("staging")
    before = office.events()
    reply = office.ask("DELETE", "/indexes/staging", token=office.ada)
    assert (reply.status, reply.body) == (204, b"")
    assert office.events() == [*before, IndexDeleted(index=STAGING)]
    again = office.ask("DELETE", "/indexes/staging", token=office.ada)
    assert (again.status, again.json["code"]) == (404, "index-unknown")


def test_delete_with_files(office: Office) -> None:
    """An index that holds files stays."""
    office.add_index("staging")
    office.add_file("demo-1.0-py3-none-any.whl", index="staging")
    reply = office.ask("DELETE", "/indexes/staging", token=office.ada)
    assert (reply.status, reply.json["code"]) == (409, "index-holds-files")
    assert office.read(lambda tx: tx.indexes.find(parse_index_name("staging"))) is not None
    assert office.events() == []


UPSTREAM = {
    "url": "https://upstream.example/simple/",
    "has_credentials": True,
    "freshness_seconds": 60,
    "delivery": "redirect",
    "is_offline": True,
}


def test_create_with_everything(office: Office) -> None:
    """Bases, an upstream with credentials, and rules; the credentials are kept sealed and never answered."""
    settings = {
        "accepts_uploads": False,
        "bases": ["main"],
        "rules": {"cooldown_seconds": 259200, "denied": ["Acme_*"], "takes_sdists": False},
        "forbids_reserved": True,
        "needs_approval": True,
        "downloads": "redirect",
    }
    credentials = {"username": "reader", "password": "a secret"}
    upstream = {key: UPSTREAM[key] for key in ("freshness_seconds", "delivery", "is_offline")} | {
        "url": "https://upstream.example/simple",
        "credentials": credentials,
    }
    reply = office.ask("POST", "/indexes", token=office.ada, json=settings | {"name": "staging", "upstream": upstream})
    rules = NO_RULES | {"cooldown_seconds": 259200, "denied": ["acme-*"], "takes_sdists": False}
    assert reply.status == 201
    assert reply.json == view("staging") | settings | {"rules": rules, "upstream": UPSTREAM}
    assert b"secret" not in reply.body
    stored = office.read(lambda tx: tx.indexes.find(STAGING))
    assert stored is not None
    assert stored.upstream is not None
    assert stored.upstream.credentials == b"sealed:reader:a secret"


def test_change_of_the_upstream(office: Office) -> None:
    """What is left out stays; credentials and the upstream itself can be taken away."""
    made = {"name": "staging", "upstream": {"url": "https://reader:secret@upstream.example/simple/"}}
    office.ask("POST", "/indexes", token=office.ada, json=made)

    def change(**body: object) -> object:
        return office.ask("PATCH", "/indexes/staging", token=office.ada, json=body).json["upstream"]

    usual = {"freshness_seconds": 600, "delivery": "cache", "is_offline": False}
    assert change(upstream={"is_offline": True}) == UPSTREAM | usual | {"is_offline": True}
    without = UPSTREAM | usual | {"has_credentials": False}
    assert change(upstream={"is_offline": False, "removes_credentials": True}) == without
    assert change(rules={"cooldown_seconds": 0}) == without
    assert change(removes_upstream=True) is None


def test_the_upstreams_address_is_for_those_who_manage(office: Office) -> None:
    """All others see that there is one, and how it is used."""
    upstream = {"url": "https://reader:secret@upstream.example/simple/"}
    office.ask("PATCH", "/indexes/main", token=office.ada, json={"upstream": upstream})
    office.add_user("max", a_grant(Right.READ, Right.MANAGE, index="main"))
    max_token = office.issue("max", Right.READ, Right.MANAGE)
    hidden = {
        "url": None,
        "has_credentials": None,
        "freshness_seconds": 600,
        "delivery": "cache",
        "is_offline": False,
    }
    for path in ("/indexes/main", "/indexes"):
        for token, expected in (
            (max_token, hidden | {"url": "https://upstream.example/simple/", "has_credentials": True}),
            (office.bob, hidden),
            (office.carol, hidden),
        ):
            reply = office.ask("GET", path, token=token)
            shown = reply.json
            if path == "/indexes":
                items = shown["items"]
                assert isinstance(items, list)
                shown = items[0]
            assert shown["upstream"] == expected
            assert b"secret" not in reply.body


def test_impossible_settings(office: Office) -> None:
    """Each with its code; nothing is stored."""
    for body, status, code in (
        ({"bases": ["main"]}, 400, "base-itself"),
        ({"bases": ["nowhere"]}, 400, "base-unknown"),
        ({"upstream": {"is_offline": True}}, 400, "index-no-upstream"),
        ({"upstream": {"url": "file:///etc/passwd"}}, 400, "upstream-url"),
        ({"rules": {"licences": ["no licence"]}}, 400, "rule-licence"),
        ({"rules": {"cooldown_seconds": -1}}, 422, "invalid-body"),
    ):
        reply = office.ask("PATCH", "/indexes/main", token=office.ada, json=body)
        assert (reply.status, reply.json["code"]) == (status, code)
    office.add_index("staging")
    office.ask("PATCH", "/indexes/staging", token=office.ada, json={"bases": ["main"]})
    reply = office.ask("PATCH", "/indexes/main", token=office.ada, json={"bases": ["staging"]})
    assert (reply.status, reply.json["code"]) == (409, "base-cycle")
    assert office.read(lambda tx: tx.indexes.find(MAIN)) == an_index()
