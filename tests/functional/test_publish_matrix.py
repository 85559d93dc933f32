"""Every uploader against the real server: the same two files, the same again, other bytes, and refusals."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.functional.conftest import Publication, World
from tests.functional.publishers import PUBLISHERS, Publisher, build, output_of, publish

Publications = Callable[[Publisher], Publication]
REFUSALS = {"wrong": "401", "expired": "401", "other-project": "403", "network": "403"}
SAID_OF_CHANGED = {"pdm": "400 Bad Request"}
"""pdm 2.29 prints the status line and never the body; the others print the server's sentence."""
every_publisher = pytest.mark.parametrize("publisher", PUBLISHERS, ids=lambda publisher: publisher.client)


@every_publisher
def test_wheel_and_sdist_are_published(world: World, publication: Publications, publisher: Publisher) -> None:
    """What the client uploads is listed with its digest, and is served byte for byte."""
    published = publication(publisher)
    assert world.files(publisher.project) == published.digests
    assert {Path(name).suffix for name in published.digests} == {".whl", ".gz"}
    for dist in published.dists:
        answer = world.server.get(f"/main/files/{publisher.project}/{dist.name}", token=world.token)
        assert answer.status == 200
        assert answer.body == dist.path.read_bytes()


@every_publisher
def test_publishing_the_same_again_succeeds(
    world: World, publication: Publications, publisher: Publisher, home: Path
) -> None:
    """A repeated run of the same client succeeds and changes nothing: no file, no event."""
    published = publication(publisher)
    before = _serial(world)
    variables = publisher.credentials(world.legacy, user="__token__", secret=world.token)
    ran = publish(publisher, published.folder, home=home, variables=variables)
    assert ran.returncode == 0, output_of(ran)
    assert world.files(publisher.project) == published.digests
    assert _serial(world) == before


@pytest.mark.parametrize("publisher", PUBLISHERS[:3], ids=lambda publisher: publisher.client)
def test_the_upload_url_needs_no_slash(
    world: World, publication: Publications, publisher: Publisher, home: Path
) -> None:
    """The upload URL without its slash is answered itself: twine and poetry give up at a redirect."""
    published = publication(publisher)
    variables = publisher.credentials(world.legacy.rstrip("/"), user="__token__", secret=world.token)
    ran = publish(publisher, published.folder, home=home, variables=variables)
    assert ran.returncode == 0, output_of(ran)


@every_publisher
def test_changed_files_are_refused(
    world: World, publication: Publications, publisher: Publisher, tmp_path: Path
) -> None:
    """Other bytes under a published filename are refused with the sentence; the first bytes stay."""
    published = publication(publisher)
    changed = _copy(published.folder, tmp_path / "changed")
    for module in changed.rglob("__init__.py"):
        module.write_text(module.read_text() + "CHANGED = True\n")
    shutil.rmtree(changed / "dist")
    build(publisher, changed, home=tmp_path)
    variables = publisher.credentials(world.legacy, user="__token__", secret=world.token)
    ran = publish(publisher, changed, home=tmp_path, variables=variables)
    if publisher.client == "hatch":  # hatch 1.18.2 skips the filenames that it finds listed, whatever their bytes
        assert ran.returncode == 0, output_of(ran)
    else:
        assert ran.returncode != 0, output_of(ran)
        assert SAID_OF_CHANGED.get(publisher.client, "File already exists") in output_of(ran)
    assert world.files(publisher.project) == published.digests


@every_publisher
@pytest.mark.parametrize("reason", REFUSALS)
def test_a_refused_token_publishes_nothing(
    world: World, publication: Publications, publisher: Publisher, reason: str, tmp_path: Path
) -> None:
    """A wrong or expired token is answered with 401, one of another project or network with 403."""
    folder = _copy(publication(publisher).folder, tmp_path / "refused")
    listed = world.files(publisher.project)
    before = _serial(world)
    variables = publisher.credentials(world.legacy, user="__token__", secret=world.tokens[reason])
    ran = publish(publisher, folder, home=tmp_path, variables=variables)
    assert ran.returncode != 0, output_of(ran)
    assert REFUSALS[reason] in output_of(ran)
    assert world.tokens[reason] not in output_of(ran)
    assert world.files(publisher.project) == listed
    assert _serial(world) == before


def _copy(project: Path, target: Path) -> Path:
    shutil.copytree(project, target)
    return target


def _serial(world: World) -> str:
    return world.server.get("/simple/", token=world.token).headers["x-pypi-last-serial"]
