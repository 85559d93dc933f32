"""Public and internal packages through one URL: real installs of a deep set, as if from upstream, and without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from tests.functional.passage.installs import (
    INTERNAL_NEEDS,
    Installed,
    Installer,
    Source,
    Versions,
    describe_difference,
    place_to_install,
)
from tests.functional.passage.scene import COOLDOWN, SETTLED, TOO_YOUNG, Passage, deep_site, passage
from tests.functional.passage.wheels import PROJECTS
from tests.upstream.server import UpstreamServer


@dataclass(frozen=True, slots=True)
class Kind:
    """What an upstream says of its files."""

    name: str
    has_metadata: bool = True
    is_html_only: bool = False


JSON = Kind("json")
JSON_ALONE = Kind("json-without-metadata", has_metadata=False)
HTML = Kind("html-without-times", is_html_only=True)


@dataclass(frozen=True, slots=True)
class World:
    """A passage to an upstream of one kind, and the installer."""

    kind: Kind
    passage: Passage
    upstream: UpstreamServer
    installer: Installer

    @property
    def direct(self) -> Source:
        """Return the upstream, up to the time that the cooldown leaves; HTML has no times to go by."""
        not_after = None if self.kind.is_html_only else datetime.now(UTC) - COOLDOWN
        return self.passage.direct(not_after=not_after)


@pytest.fixture(scope="module", params=[JSON, JSON_ALONE, HTML], ids=lambda kind: kind.name)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Run an upstream of this kind, and a server behind which it stands."""
    kind: Kind = request.param
    folder = tmp_path_factory.mktemp(kind.name)
    site = deep_site(folder)
    site.has_metadata, site.is_html_only = kind.has_metadata, kind.is_html_only
    with UpstreamServer(site) as upstream, passage(upstream, folder) as made, place_to_install() as place:
        if kind.is_html_only:  # a file without a time would be counted as young from now on
            made.server.admin("rules", "set", "--index", "public", "--cooldown", "off")
        yield World(kind, made, upstream, Installer(place))


def succeeded(installed: Installed) -> Versions:
    """Return the versions of an install that must have worked."""
    assert installed.exit_code == 0, installed.said
    return installed.versions


def test_one_url_installs_what_the_upstream_would(world: World) -> None:
    """From an empty and from a filled cache the same versions are installed as directly, and the internal ones."""
    through, direct = world.passage.through, world.direct
    expected = succeeded(world.installer.uv(direct, is_dry=True))
    if world.kind is JSON_ALONE:
        cold = succeeded(world.installer.pip(through))
    else:
        cold = succeeded(world.installer.uv(through))
    assert describe_difference(expected, cold) == []
    asked = world.upstream.count("/files/")
    assert describe_difference(expected, succeeded(world.installer.uv(through))) == []
    assert world.upstream.count("/files/") == asked
    assert describe_difference(expected, succeeded(world.installer.pip(through, is_dry=True))) == []
    assert {*PROJECTS, *INTERNAL_NEEDS} <= expected.keys()
    assert len(expected) > 100


def test_the_cooldown_decides_as_the_cutoff_does(world: World) -> None:
    """Of versions made up lately those older than the cooldown are taken, the younger ones only where it is off."""
    got = succeeded(world.installer.uv(world.passage.through, is_dry=True))
    newest = SETTLED | TOO_YOUNG if world.kind.is_html_only else SETTLED
    assert {name: got[name] for name in newest} == newest
    assert (got["django"] == TOO_YOUNG["django"]) is world.kind.is_html_only


def test_nothing_internal_is_asked_upstream(world: World) -> None:
    """Through all of it no request with an internal name went upstream."""
    asked = world.upstream.count()
    succeeded(world.installer.uv(world.passage.through, is_dry=True))
    assert world.upstream.count("acme") == 0
    assert asked > 100


def test_every_install_repeats_without_the_upstream(world: World) -> None:
    """With the upstream gone both installers install the same once more, from nothing but the cache."""
    through = world.passage.through
    expected = succeeded(world.installer.uv(through, is_dry=True))
    world.upstream.stop()
    assert describe_difference(expected, succeeded(world.installer.uv(through))) == []
    by_pip = world.installer.pip(through, is_dry=world.kind is not JSON)
    assert describe_difference(expected, succeeded(by_pip)) == []
