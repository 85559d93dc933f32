"""Several indexes, an open one, and `uv publish --check-url`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.functional.conftest import TINY, World
from tests.functional.installers import UV_CLEAN, Target
from tests.functional.projects import make_dists
from tests.functional.publishers import Ran, output_of, run

STAGED = "acme-staged"


@pytest.fixture(scope="module")
def staging(world: World, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make the index `staging` with one project in it."""
    world.server.admin("index", "create", "staging")
    world.publish(*make_dists(tmp_path_factory.mktemp("staged"), STAGED), project=STAGED, index="staging")
    return "staging"


def uv_install(world: World, *words: str, home: Path, target: Target) -> Ran:
    """Install with uv, indexes as given."""
    command = ("uv", "pip", "install", "--python", target.python, *words)
    return run("uv", *command, cwd=home, home=home, variables=UV_CLEAN)


def test_an_index_shows_its_own_projects_only(world: World, staging: str) -> None:
    """What is published to one index is not in another, neither its page nor its name in the list."""
    assert len(world.files(STAGED, index=staging)) == 2
    assert world.files(STAGED) == {}
    assert world.files(TINY, index=staging) == {}
    assert STAGED not in world.server.get("/main/simple/", token=world.token).text
    assert STAGED in world.server.get(f"/{staging}/simple/", token=world.token).text


def test_uv_goes_on_to_the_next_index(world: World, staging: str, home: Path, target: Target) -> None:
    """A project that the first index does not have is a 404, so uv asks the next one."""
    first, second = world.simple_with(world.token, index=staging), world.simple_with(world.token, index="main")
    ran = uv_install(world, "--index", first, "--default-index", second, STAGED, TINY, home=home, target=target)
    assert ran.returncode == 0, output_of(ran)
    assert (target.version_of(STAGED), target.version_of(TINY)) == ("1.0", "1.0")


def test_a_token_for_one_index_stays_there(world: World, staging: str, home: Path, target: Target) -> None:
    """A token narrowed to an index installs from it and finds nothing in another."""
    token = world.server.admin("token", "create", "--user", "alice", "--index", staging)
    ran = uv_install(world, "--index-url", world.simple_with(token, index=staging), STAGED, home=home, target=target)
    assert ran.returncode == 0, output_of(ran)
    assert world.server.get(f"/main/simple/{TINY}/", token=token).status == 404


def test_an_open_index_needs_no_token(world: World, tmp_path: Path, home: Path, target: Target) -> None:
    """An index opened for anonymous reading serves everybody, takes uploads from nobody unknown, and opens no other."""
    world.server.admin("index", "create", "open", "--anonymous-read")
    dists = make_dists(tmp_path / "open", "acme-open")
    world.publish(*dists, project="acme-open", index="open")
    ran = uv_install(world, "--index-url", f"{world.server.url}/open/simple/", "acme-open", home=home, target=target)
    assert ran.returncode == 0, output_of(ran)
    pip = ("pip", "--python", target.python, "install", "--force-reinstall", "--no-cache-dir")
    again = run("pip", *pip, "--index-url", f"{world.server.url}/open/simple/", "acme-open", cwd=home, home=home)
    assert again.returncode == 0, output_of(again)
    publish = ("uv", "publish", "--trusted-publishing", "never", "--publish-url", f"{world.server.url}/open/legacy/")
    refused = run("uv", *publish, str(dists[0].path), cwd=home, home=home)
    assert refused.returncode != 0
    assert "Missing credentials" in output_of(refused)
    assert len(world.files("acme-open", index="open")) == 2
    assert world.server.get(f"/main/simple/{TINY}/").status == 401


def test_check_url_makes_a_repeated_publish_succeed(world: World, home: Path) -> None:
    """`uv publish --check-url` uploads once, skips the second time, and stops at other bytes before it sends them."""
    name = "acme-checked"
    make_dists(home, name)
    login = {"UV_PUBLISH_TOKEN": world.token}
    command = ("uv", "publish", "--publish-url", world.legacy, "--check-url", world.simple_with(world.token))
    first = run("uv", *command, cwd=home, home=home, variables=login)
    assert first.returncode == 0, output_of(first)
    assert output_of(first).count("Uploading") == 2
    second = run("uv", *command, cwd=home, home=home, variables=login)
    assert second.returncode == 0, output_of(second)
    assert "Uploading" not in output_of(second)
    shutil.rmtree(home / "dist")
    listed = world.files(name)
    make_dists(home, name, needs=["acme-tiny"])
    third = run("uv", *command, cwd=home, home=home, variables=login)
    assert third.returncode != 0
    assert "do not match" in output_of(third)
    assert world.files(name) == listed
