from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
from starlette.routing import Route

from strongroom.core.access import Right
from strongroom.http.api.application import OtherMethods
from strongroom.http.api.endpoint import Endpoint, GuardedRoute
from strongroom.http.routes import Needs, Public, SignedIn, Subject
from tests.http.api.office import NOT_FOUND, Office

PLACES = {
    "exemption": "0Jb5n3cWPYJ0Cw2x",
    "index": "main",
    "project": "demo",
    "pattern": "held",
    "version": "1.0",
    "filename": "demo-1.0-py3-none-any.whl",
    "user": "bob",
    "token": "A" * 16,
    "promotion": "0" * 16,
    "digest": "0" * 64,
}
RIGHTS = {
    ("GET", "/whoami"): "signed in",
    ("GET", "/indexes"): "signed in",
    ("POST", "/indexes"): "administer server",
    ("GET", "/indexes/{index}"): "read index",
    ("PATCH", "/indexes/{index}"): "manage index",
    ("DELETE", "/indexes/{index}"): "administer server",
    ("GET", "/indexes/{index}/names"): "manage index",
    ("PUT", "/indexes/{index}/names/{pattern}"): "manage index",
    ("DELETE", "/indexes/{index}/names/{pattern}"): "manage index",
    ("GET", "/indexes/{index}/name-report"): "manage index",
    ("GET", "/indexes/{index}/projects"): "read index",
    ("GET", "/indexes/{index}/projects/{project}"): "read project",
    ("DELETE", "/indexes/{index}/projects/{project}"): "delete project",
    ("PUT", "/indexes/{index}/projects/{project}/status"): "manage project",
    ("GET", "/indexes/{index}/projects/{project}/explanation"): "read project",
    ("GET", "/indexes/{index}/exemptions"): "signed in",
    ("POST", "/indexes/{index}/exemptions"): "signed in",
    ("GET", "/indexes/{index}/exemptions/{exemption}"): "signed in",
    ("POST", "/indexes/{index}/exemptions/{exemption}/decision"): "signed in",
    ("POST", "/indexes/{index}/rules/trial"): "manage index",
    ("GET", "/indexes/{index}/projects/{project}/releases/{version}"): "read project",
    ("DELETE", "/indexes/{index}/projects/{project}/releases/{version}"): "delete project",
    ("PUT", "/indexes/{index}/projects/{project}/releases/{version}/yank"): "yank project",
    ("DELETE", "/indexes/{index}/projects/{project}/releases/{version}/yank"): "yank project",
    ("GET", "/indexes/{index}/projects/{project}/files/{filename}"): "read project",
    ("DELETE", "/indexes/{index}/projects/{project}/files/{filename}"): "delete project",
    ("PUT", "/indexes/{index}/projects/{project}/files/{filename}/yank"): "yank project",
    ("DELETE", "/indexes/{index}/projects/{project}/files/{filename}/yank"): "yank project",
    ("POST", "/promotions"): "signed in",
    ("GET", "/promotions"): "signed in",
    ("GET", "/promotions/{promotion}"): "signed in",
    ("POST", "/promotions/{promotion}/decision"): "signed in",
    ("POST", "/promotions/{promotion}/undo"): "signed in",
    ("GET", "/users"): "administer server",
    ("POST", "/users"): "administer server",
    ("GET", "/users/{user}"): "signed in",
    ("PATCH", "/users/{user}"): "administer server",
    ("PUT", "/users/{user}/password"): "signed in",
    ("DELETE", "/users/{user}/password"): "signed in",
    ("POST", "/users/{user}/grants"): "administer server",
    ("DELETE", "/users/{user}/grants"): "administer server",
    ("GET", "/tokens"): "signed in",
    ("POST", "/tokens"): "signed in",
    ("DELETE", "/tokens/{token}"): "signed in",
    ("POST", "/tokens/{token}/rotation"): "signed in",
    ("GET", "/audit/entries"): "administer server",
    ("GET", "/audit/verification"): "administer server",
    ("GET", "/changes"): "administer server",
    ("GET", "/blobs/sha256/{digest}"): "administer server",
    ("GET", "/replica"): "administer server",
    ("GET", "/openapi.json"): "public",
}
CREDENTIALS = sorted(key for key, right in RIGHTS.items() if right != "public")


def guarded_routes(office: Office) -> Iterator[tuple[tuple[str, str], GuardedRoute]]:
    """Yield each endpoint's route under its method and path."""
    for route in office.api.routes:
        if isinstance(route, GuardedRoute):
            for method in route.methods or ():
                yield (method, route.path), route


def right_of(route: GuardedRoute) -> str:
    """Return the declared right in words."""
    match route.access:
        case Needs(right, subject):
            return f"{right} {subject.value}"
        case SignedIn():
            return "signed in"
        case Public():
            return "public"


def test_every_endpoint_declares_exactly_this_right(office: Office) -> None:
    """The whole table of rights: a new endpoint, or another right, has to be written down here too."""
    assert {key: right_of(route) for key, route in guarded_routes(office)} == RIGHTS


def test_nothing_is_routed_without_a_declared_right(office: Office) -> None:
    """Beside the guarded routes there is only what names or refuses the other methods of the same paths."""
    others = [route for route in office.api.routes if not isinstance(route, GuardedRoute)]
    assert all(isinstance(route, Route) and isinstance(route.endpoint, OtherMethods) for route in others)
    assert {route.path for route in others if isinstance(route, Route)} == {path for _, path in RIGHTS}


def test_an_endpoint_without_a_right_cannot_be_built() -> None:
    """The right is a required part of an endpoint, so forgetting it stops the program at its start."""
    parameters = inspect.signature(Endpoint).parameters.values()
    assert [parameter.name for parameter in parameters if parameter.default is parameter.empty] == [
        "method",
        "path",
        "handler",
        "access",
    ]


@pytest.mark.parametrize(("method", "path"), CREDENTIALS)
def test_nobody_gets_in_without_credentials(office: Office, method: str, path: str) -> None:
    """Without credentials each operation answers 401 with a challenge before it reads the body, and changes nothing."""
    office.add_file(PLACES["filename"])
    reply = office.ask(method, path.format(**PLACES), body="{not json")
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == 'Basic realm="Strongroom", charset="UTF-8"'
    assert reply.json["code"] == "unauthenticated"
    assert office.events() == []


@pytest.mark.parametrize(("method", "path"), [key for key in CREDENTIALS if RIGHTS[key].startswith("administer")])
def test_a_member_administers_nothing(office: Office, method: str, path: str) -> None:
    """Who may not administer gets 403, whether the thing exists or not, and nothing is changed."""
    for user in ("bob", "missing"):
        reply = office.ask(method, path.format(**(PLACES | {"user": user})), token=office.bob, body="{not json")
        assert reply.status == 403
        assert reply.json["code"] == "forbidden"
    assert office.events() == []


@pytest.mark.parametrize(("method", "path"), [key for key in CREDENTIALS if RIGHTS[key].endswith("project")])
def test_what_may_not_be_read_is_missing(office: Office, method: str, path: str) -> None:
    """A project that the caller may not read, one that is missing, and one in no index answer with the same bytes."""
    office.add_file(PLACES["filename"])
    bodies = set()
    for index, project in (("main", "demo"), ("main", "missing"), ("missing", "demo"), ("Bad Name", "-")):
        reply = office.ask(
            method, path.format(**(PLACES | {"index": index, "project": project})), token=office.carol, json={}
        )
        assert reply.status == 404
        bodies.add(reply.body)
    assert len(bodies) == 1
    assert reply.json == NOT_FOUND
    assert office.events() == []


def test_an_index_that_may_not_be_read_is_missing(office: Office) -> None:
    """A closed index and one that does not exist look the same to somebody without a grant there."""
    office.add_index("staging")
    closed = office.ask("GET", "/indexes/staging", token=office.carol)
    missing = office.ask("GET", "/indexes/missing", token=office.carol)
    assert (closed.status, closed.body) == (404, missing.body)


def test_a_cookie_is_no_credential(office: Office) -> None:
    """The API looks at the Authorization header only, so a browser cannot be made to act for its user."""
    reply = office.ask("GET", "/whoami", cookie=f"session={office.ada}; token={office.ada}")
    assert reply.status == 401


def test_an_open_index_needs_no_credentials(office: Office) -> None:
    """Everybody may read an index that is open, and may not change it."""
    office.add_index("open", anonymous_read=True)
    office.add_file("demo-1.0-py3-none-any.whl", index="open")
    assert office.ask("GET", "/indexes/open/projects/demo").status == 200
    assert office.ask("PUT", "/indexes/open/projects/demo/releases/1.0/yank", json={}).status == 401
    assert office.events() == []


def test_a_revoked_right_ends_at_once(office: Office) -> None:
    """A grant that is taken away is gone with the next request, though the token was remembered."""
    assert office.ask("GET", "/indexes/main", token=office.carol).status == 200
    taken = office.ask("DELETE", "/users/carol/grants?right=read&index=main&projects=acme-*", token=office.ada)
    assert taken.json == {"grants": []}
    assert office.ask("GET", "/indexes/main", token=office.carol).json == NOT_FOUND


def test_rights_are_declared_with_values(office: Office) -> None:
    """The declared right is a value that others can walk, not words."""
    routes = dict(guarded_routes(office))
    assert routes["POST", "/indexes"].access == Needs(Right.ADMINISTER, Subject.SERVER)
