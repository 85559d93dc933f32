"""What each uploader published, installed by each installer in each prompt-free way, and refused where it must be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.functional.conftest import TINY, Publication, World
from tests.functional.installers import WAYS, Access, Target, Way, install
from tests.functional.projects import module_of
from tests.functional.publishers import PUBLISHERS, Publisher, output_of

Publications = Callable[[Publisher], Publication]
NO_BINARY = {
    "uv": {"UV_NO_BINARY": "1"},
    "pip": {"PIP_NO_BINARY": ":all:"},
    "pip-old": {"PIP_NO_BINARY": ":all:"},
    "poetry": {"POETRY_INSTALLER_NO_BINARY": ":all:"},
    "pdm": {"PDM_NO_BINARY": ":all:"},
}
REFUSALS = {"wrong": "401", "expired": "401", "other-project": "404", "network": "403"}
SAID = {
    ("uv", "401"): "401 Unauthorized",
    ("uv", "404"): f"{TINY} was not found",
    ("uv", "403"): "403 Forbidden",
    ("pip", "401"): "401 Client Error",
    ("pip", "404"): "404 Client Error",
    ("pip", "403"): "403 Client Error",
    ("poetry", "401"): "Authorization error",
    ("poetry", "404"): f"Could not find a matching version of package {TINY}",
    ("poetry", "403"): "Authorization error",
    ("pdm", "401"): "Unable to find candidates",  # pdm 2.29 never says the status
    ("pdm", "404"): "Unable to find candidates",
    ("pdm", "403"): "Unable to find candidates",
}
FIRST_WAYS = [way for way in WAYS if way.name == "url"]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_everything_published_is_installed(
    world: World, publication: Publications, way: Way, home: Path, target: Target
) -> None:
    """All six uploaders' projects install from one URL with one token, and are the files that were published."""
    published = [publication(publisher) for publisher in PUBLISHERS]
    told = way.tell(Access(world.server.authority, world.token), home)
    names = [publisher.project for publisher in PUBLISHERS]
    ran = install(told, *names, client=way.client, home=home, target=target)
    assert ran.returncode == 0, output_of(ran)
    for each in published:
        name = each.publisher.project
        module = next(path for path in each.folder.rglob("__init__.py") if path.parent.name == module_of(name))
        assert target.version_of(name) == "1.0"
        assert target.module_text(name) == module.read_text()


@pytest.mark.parametrize("way", FIRST_WAYS, ids=str)
def test_an_sdist_is_installed(world: World, way: Way, home: Path, target: Target) -> None:
    """The sdist alone is enough: the installer builds it, and asks no other index for anything."""
    told = way.tell(Access(world.server.authority, world.token), home)
    told = type(told)(told.words, {**told.variables, **NO_BINARY[way.client]}, told.source)
    ran = install(told, TINY, client=way.client, home=home, target=target)
    assert ran.returncode == 0, output_of(ran)
    assert target.version_of(TINY) == "1.0"


@pytest.mark.parametrize("user", ["__token__", "pypi", "token", "alice"])
def test_user_names_that_mean_a_token(world: World, user: str, home: Path, target: Target) -> None:
    """The token is the password; the user name may be any of the usual words or its owner's name."""
    access = Access(world.server.authority, world.token, user=user)
    told = FIRST_WAYS[0].tell(access, home)
    ran = install(told, TINY, client="uv", home=home, target=target)
    assert ran.returncode == 0, output_of(ran)


@pytest.mark.parametrize("reason", REFUSALS)
@pytest.mark.parametrize("way", FIRST_WAYS, ids=str)
def test_a_refused_token_installs_nothing(world: World, way: Way, reason: str, home: Path, target: Target) -> None:
    """Wrong and expired tokens see 401, a token of another project 404, one of another network 403."""
    page = world.server.get(f"/simple/{TINY}/", token=world.tokens[reason])
    assert str(page.status) == REFUSALS[reason]
    told = way.tell(Access(world.server.authority, world.tokens[reason]), home)
    ran = install(told, TINY, client=way.client, home=home, target=target)
    assert ran.returncode != 0, output_of(ran)
    assert SAID[way.client.removesuffix("-old"), REFUSALS[reason]] in output_of(ran)
    assert target.version_of(TINY) is None


def test_what_may_not_be_read_looks_missing(world: World) -> None:
    """A forbidden project and a missing one answer with the same status and body."""
    hidden = world.server.get(f"/simple/{TINY}/", token=world.tokens["other-project"])
    missing = world.server.get("/simple/acme-none/", token=world.tokens["other-project"])
    assert hidden.status == missing.status == 404
    assert hidden.body.replace(TINY.encode(), b"acme-none") == missing.body


def test_nobody_is_asked_to_sign_in(world: World) -> None:
    """Without credentials every page asks for them, whether the project exists or not."""
    for name in (TINY, "acme-none"):
        answer = world.server.get(f"/simple/{name}/")
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Basic realm=")
