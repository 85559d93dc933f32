"""The same publishing and installing on whichever stores were chosen (`stores.py`): the short form of the matrix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.functional.conftest import Publication, World
from tests.functional.installers import WAYS, Access, Target, Way, install
from tests.functional.publishers import PUBLISHERS, Publisher, output_of, publish
from tests.functional.stores import chosen_kind

Publications = Callable[[Publisher], Publication]
UPLOADERS = [publisher for publisher in PUBLISHERS if publisher.client in ("twine", "uv")]
INSTALLERS = [way for way in WAYS if way.name == "url" and way.client in ("uv", "pip")]

pytestmark = pytest.mark.stores


def test_the_server_stands_on_the_chosen_stores(world: World) -> None:
    """Nothing of what lies elsewhere lies in the data directory as well."""
    data, kind = world.server.data, chosen_kind()
    assert (data / "catalog.sqlite3").exists() == (kind == "sqlite")
    assert bool(list(data.glob("blobs/sha256/*/*/*"))) == (kind != "postgres-s3")
    assert world.server.run("verify").returncode == 0
    assert world.server.run("audit", "verify").returncode == 0


@pytest.mark.parametrize("publisher", UPLOADERS, ids=lambda publisher: publisher.client)
def test_uploads_are_listed_and_may_be_repeated(
    world: World, publication: Publications, publisher: Publisher, home: Path
) -> None:
    """What a client uploads is served byte for byte, and the same again succeeds and changes nothing."""
    published = publication(publisher)
    assert world.files(publisher.project) == published.digests
    for dist in published.dists:
        answer = world.server.get(f"/main/files/{publisher.project}/{dist.name}", token=world.token)
        assert answer.body == dist.path.read_bytes()
    variables = publisher.credentials(world.legacy, user="__token__", secret=world.token)
    again = publish(publisher, published.folder, home=home, variables=variables)
    assert again.returncode == 0, output_of(again)
    assert world.files(publisher.project) == published.digests


@pytest.mark.parametrize("way", INSTALLERS, ids=str)
def test_uploads_are_installed(world: World, publication: Publications, way: Way, home: Path, target: Target) -> None:
    """What two clients have published comes from one URL with one token, and nothing with a wrong one."""
    names = [publication(publisher).publisher.project for publisher in UPLOADERS]
    refused = way.tell(Access(world.server.authority, world.tokens["wrong"]), home)
    assert install(refused, *names, client=way.client, home=home, target=target).returncode != 0
    assert [target.version_of(name) for name in names] == [None, None]
    told = way.tell(Access(world.server.authority, world.token), home)
    ran = install(told, *names, client=way.client, home=home, target=target)
    assert ran.returncode == 0, output_of(ran)
    assert [target.version_of(name) for name in names] == ["1.0", "1.0"]
