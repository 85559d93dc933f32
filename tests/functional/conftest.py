"""One server a worker, with users and tokens made by the real command line, and the six projects published."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from strongroom.bootstrap import local_operator, open_store
from strongroom.core.delegation import TokenRequest
from strongroom.core.names import parse_user_name
from strongroom.core.tokens import ID_BYTES, SECRET_BYTES, make_token
from tests import clients
from tests.functional.installers import Target, make_target
from tests.functional.projects import Dist, dists_in, make_dists, write_project
from tests.functional.publishers import Publisher, build, output_of, publish
from tests.functional.server import Server
from tests.functional.stores import settings_of
from tests.functional.wire import upload

TINY = "acme-tiny"
_LIFETIME_SECONDS = 1
LONG_FILES = (
    *("test_passage_install.py", "test_crash.py", "test_install_matrix.py", "test_nodes.py", "test_shield_spy.py"),
    *("test_load.py", "test_promotion.py", "test_publish_matrix.py", "test_hostile_upstream.py", "test_explain.py"),
    *("test_concurrency.py", "test_resolving.py", "test_cooldown.py", "test_three_nodes_walk.py", "test_stampede.py"),
    *("test_openapi.py", "test_rolling_upgrade.py", "test_replica.py"),
)
"""They begin first, the longest of all before the others, so that no worker is alone with one at the end."""


@dataclass(frozen=True, slots=True)
class World:
    """A running server, what it knows, and the tokens that the tests come with."""

    server: Server
    token: str
    tokens: dict[str, str]
    """Tokens that must be refused, by the reason: wrong, expired, other-project, network."""
    tiny: tuple[Dist, Dist]
    """A wheel and an sdist of `TINY`, published."""

    @property
    def legacy(self) -> str:
        """Return the upload URL."""
        return f"{self.server.url}/legacy/"

    @property
    def simple(self) -> str:
        """Return the index URL without credentials."""
        return f"{self.server.url}/simple/"

    def simple_with(self, token: str, *, index: str | None = None, user: str = "__token__") -> str:
        """Return the index URL with credentials in it."""
        return f"http://{user}:{token}@{self.server.authority}{f'/{index}' if index else ''}/simple/"

    def files(self, project: str, *, index: str = "main") -> dict[str, str]:
        """Return what the project's page lists: sha256 by filename."""
        page = self.server.get(
            f"/{index}/simple/{project}/", token=self.token, accept="application/vnd.pypi.simple.v1+json"
        )
        return (
            {} if page.status == 404 else {file["filename"]: file["hashes"]["sha256"] for file in page.json()["files"]}
        )

    def publish(self, *dists: Dist, project: str, version: str = "1.0", index: str = "main") -> None:
        """Publish files without a client; they must be accepted."""
        for dist in dists:
            url = f"{self.server.url}/{index}/legacy/"
            answer = upload(url, dist.path, token=self.token, name=project, version=version)
            assert answer.status == 200, answer.text


@dataclass(frozen=True, slots=True)
class Publication:
    """A project that one of the clients has built and published."""

    publisher: Publisher
    folder: Path
    dists: tuple[Dist, ...]

    @property
    def digests(self) -> dict[str, str]:
        """Return sha256 by filename."""
        return {dist.name: dist.sha256 for dist in self.dists}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first; `--no-loadscope-reorder` keeps that order."""
    places = {name: place for place, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the server's log when a test fails."""
    report = yield
    world = getattr(item, "funcargs", {}).get("world")
    if report.failed and isinstance(world, World):
        report.sections.append(("the server's log", world.server.log_text()[-4000:]))
    return report


@pytest.fixture(scope="session", autouse=True)
def installed_clients() -> None:
    """Make the clients' environments if they are not there."""
    clients.install()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return an empty home directory."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """Return a new virtual environment to install into."""
    return make_target(tmp_path / "target")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Start a server, make its users and tokens, and assert at the end that it stops cleanly."""
    folder = tmp_path_factory.mktemp("world")
    server = Server(folder / "data")
    server.start()
    try:
        server.admin("user", "create", "alice")
        token = server.admin("token", "create", "--user", "alice", "--label", "laptop")
        tiny = make_dists(folder / "tiny", TINY)
        world = World(server=server, token=token, tokens=_refused_tokens(server), tiny=tiny)
        world.publish(*tiny, project=TINY)
        yield world
        assert server.stop() == 0, server.log_text()
    finally:
        server.kill()


def _refused_tokens(server: Server) -> dict[str, str]:
    create = ("token", "create", "--user", "alice")
    expired = asyncio.run(_issue_short_token(server))
    tokens = {
        "wrong": make_token(os.urandom(ID_BYTES), os.urandom(SECRET_BYTES)).render(),
        "expired": expired,
        "other-project": server.admin(*create, "--project", "other-*"),
        "network": server.admin(*create, "--network", "10.0.0.0/8"),
    }
    time.sleep(_LIFETIME_SECONDS)
    return tokens


async def _issue_short_token(server: Server) -> str:
    """Make a token of a lifetime that the command line does not offer, in the store of the running server."""
    wanted = TokenRequest(owner=parse_user_name("alice"), lifetime=timedelta(seconds=_LIFETIME_SECONDS))
    async with open_store(settings_of(server.data)) as services:
        return (await services.tokens.issue(local_operator(), wanted)).text.render()


@pytest.fixture(scope="session")
def publication(world: World, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Publisher], Publication]:
    """Return a function that builds and publishes a client's project, once."""
    done: dict[str, Publication] = {}

    def get(publisher: Publisher) -> Publication:
        if publisher.client not in done:
            folder = tmp_path_factory.mktemp(publisher.client)
            home = folder / "home"
            home.mkdir()
            project = write_project(folder / "project", publisher.project, version="1.0", backend=publisher.backend)
            build(publisher, project, home=home)
            variables = publisher.credentials(world.legacy, user="__token__", secret=world.token)
            ran = publish(publisher, project, home=home, variables=variables)
            assert ran.returncode == 0, output_of(ran)
            done[publisher.client] = Publication(publisher, project, dists_in(project / "dist"))
        return done[publisher.client]

    return get
