"""What resolvers ask of an index: times, yanked releases, locks, several indexes."""

from __future__ import annotations

import hashlib
import json
import time
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.functional.conftest import TINY, World
from tests.functional.installers import UV_CLEAN, Target
from tests.functional.projects import make_dists
from tests.functional.publishers import Ran, output_of, run

AGED = "acme-aged"
YANKED = "acme-yanked"


@pytest.fixture(scope="module")
def between(world: World, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Publish two releases and return a time between them."""
    folder = tmp_path_factory.mktemp("aged")
    world.publish(*make_dists(folder / "1", AGED, version="1.0"), project=AGED, version="1.0")
    time.sleep(1.1)
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    world.publish(*make_dists(folder / "2", AGED, version="2.0"), project=AGED, version="2.0")
    return moment


@pytest.fixture(scope="module")
def yanked(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Publish two releases, yank the newer one by the command line, and unyank it at the end."""
    folder = tmp_path_factory.mktemp("yanked")
    for version in ("1.0", "2.0"):
        dists = make_dists(folder / version, YANKED, version=version)
        world.publish(*dists, project=YANKED, version=version)
    world.server.admin("yank", f"{YANKED}==2.0", "--reason", "broken on Windows")
    yield YANKED
    world.server.admin("unyank", f"{YANKED}==2.0")


def uv_install(world: World, *words: str, home: Path, target: Target) -> Ran:
    """Install with uv from the default index."""
    command = ("uv", "pip", "install", "--python", target.python, "--index-url", world.simple_with(world.token))
    return run("uv", *command, *words, cwd=home, home=home, variables=UV_CLEAN)


def pip_run(world: World, *words: str, home: Path, client: str = "pip") -> Ran:
    """Run pip with the default index."""
    variables = {"PIP_INDEX_URL": world.simple_with(world.token), "PIP_NO_CACHE_DIR": "1"}
    return run(client, "pip", *words, cwd=home, home=home, variables=variables)


def test_uv_exclude_newer(world: World, between: str, home: Path, target: Target) -> None:
    """With a time uv takes the release that was there at that time: each file has its upload time."""
    ran = uv_install(world, "--exclude-newer", between, AGED, home=home, target=target)
    assert ran.returncode == 0, output_of(ran)
    assert target.version_of(AGED) == "1.0"


def test_pip_uploaded_prior_to(world: World, between: str, home: Path, target: Target) -> None:
    """With a time pip takes the release that was there at that time: each file has its upload time."""
    words = ("--python", target.python, "install", "--uploaded-prior-to", between, AGED)
    ran = pip_run(world, *words, home=home)
    assert ran.returncode == 0, output_of(ran)
    assert target.version_of(AGED) == "1.0"


def test_the_newest_release_is_installed_otherwise(world: World, between: str, home: Path, target: Target) -> None:
    """Without a time the newest release is taken."""
    assert between
    ran = uv_install(world, AGED, home=home, target=target)
    assert ran.returncode == 0, output_of(ran)
    assert target.version_of(AGED) == "2.0"


@pytest.mark.parametrize("client", ["pip", "pip-old"])
def test_pip_download(world: World, client: str, home: Path) -> None:
    """`pip download` gets the wheel and, asked for it, the sdist, byte for byte."""
    wheel, sdist = world.tiny
    for words in ((TINY,), ("--no-binary", ":all:", TINY)):
        ran = pip_run(world, "download", "--no-deps", "-d", "got", *words, home=home, client=client)
        assert ran.returncode == 0, output_of(ran)
    got = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (home / "got").iterdir()}
    assert got == {wheel.name: wheel.sha256, sdist.name: sdist.sha256}


@pytest.mark.parametrize("client", ["pip", "pip-old"])
def test_pip_index_versions(world: World, between: str, client: str, home: Path) -> None:
    """`pip index versions` lists the releases, newest first."""
    assert between
    ran = pip_run(world, "index", "versions", AGED, home=home, client=client)
    assert ran.returncode == 0, output_of(ran)
    assert "2.0, 1.0" in ran.stdout


def test_pip_lock(world: World, home: Path, target: Target) -> None:
    """`pip lock` writes the permanent URL and the digest, and what it wrote can be installed."""
    ran = pip_run(world, "lock", TINY, "-o", "pylock.toml", home=home)
    assert ran.returncode == 0, output_of(ran)
    (package,) = tomllib.loads((home / "pylock.toml").read_text())["packages"]
    wheel = world.tiny[0]
    assert urlsplit(package["wheels"][0]["url"]).path == f"/main/files/{TINY}/{wheel.name}"
    assert world.token not in (home / "pylock.toml").read_text()
    assert package["wheels"][0]["hashes"]["sha256"] == wheel.sha256
    command = ("uv", "pip", "sync", "--preview", "--python", target.python, "pylock.toml")
    login = {"UV_INDEX_URL": world.simple_with(world.token)}
    installed = run("uv", *command, cwd=home, home=home, variables=UV_CLEAN | login)
    assert installed.returncode == 0, output_of(installed)
    assert target.version_of(TINY) == "1.0"


def test_uv_lock_and_frozen_sync(world: World, home: Path) -> None:
    """A uv.lock made with one token installs elsewhere with its hashes checked, and holds no token."""
    (home / "pyproject.toml").write_text(
        f'[project]\nname = "consumer"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = ["{TINY}"]\n'
        f'[[tool.uv.index]]\nname = "private"\nurl = "{world.simple}"\ndefault = true\n'
    )
    login = {"UV_INDEX_PRIVATE_USERNAME": "__token__", "UV_INDEX_PRIVATE_PASSWORD": world.token, "VIRTUAL_ENV": ""}
    locked = run("uv", "uv", "lock", cwd=home, home=home, variables=login)
    assert locked.returncode == 0, output_of(locked)
    (package,) = [each for each in tomllib.loads((home / "uv.lock").read_text())["package"] if each["name"] == TINY]
    wheel, sdist = world.tiny
    assert package["wheels"][0]["hash"] == f"sha256:{wheel.sha256}"
    assert package["wheels"][0]["size"] == wheel.path.stat().st_size
    assert package["sdist"]["hash"] == f"sha256:{sdist.sha256}"
    assert "upload-time" in package["wheels"][0]
    assert world.token not in (home / "uv.lock").read_text()
    synced = run("uv", "uv", "sync", "--frozen", "--no-cache", cwd=home, home=home, variables=login)
    assert synced.returncode == 0, output_of(synced)
    assert Target(home / ".venv").version_of(TINY) == "1.0"


@pytest.mark.parametrize("client", ["uv", "pip", "pip-old"])
@pytest.mark.parametrize(("wanted", "version"), [(YANKED, "1.0"), (f"{YANKED}==2.0", "2.0")])
def test_yanked_releases(
    world: World, yanked: str, client: str, wanted: str, version: str, home: Path, target: Target
) -> None:
    """A yanked release is passed over unless it is pinned, and its files stay."""
    if client == "uv":
        ran = uv_install(world, wanted, home=home, target=target)
    else:
        ran = pip_run(world, "--python", target.python, "install", wanted, home=home, client=client)
    assert ran.returncode == 0, output_of(ran)
    assert target.version_of(yanked) == version
    if client != "uv" and version == "2.0":
        assert "broken on Windows" in output_of(ran)


def test_yank_is_on_the_page(world: World, yanked: str) -> None:
    """The page gives the reason for each file of the yanked release and for no other."""
    page = world.server.get(f"/simple/{yanked}/", token=world.token, accept="application/vnd.pypi.simple.v1+json")
    reasons = {file["filename"]: file.get("yanked", False) for file in json.loads(page.body)["files"]}
    assert {name for name, reason in reasons.items() if reason == "broken on Windows"} == {
        "acme_yanked-2.0-py3-none-any.whl",
        "acme_yanked-2.0.tar.gz",
    }
    assert all(reason is False for name, reason in reasons.items() if "1.0" in name)
