"""A server whose one URL has everything: an upstream with the deep set behind it, internal packages of its own.

The upstream also has versions that somebody made up: some of four days ago, which a
cooldown of three days lets through, and some of right now, which it hides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from strongroom.adapters.upstream.site import Site
from tests.functional.passage import wheels
from tests.functional.passage.installs import Source, make_internal_wheels
from tests.functional.passage.wheels import PROJECTS
from tests.functional.projects import Dist, make_dists
from tests.functional.server import Server
from tests.functional.wire import upload
from tests.replacing import replace
from tests.upstream.server import UpstreamServer, site_of

COOLDOWN = timedelta(days=3)
"""The default one of public files."""
SETTLED = {"six": "99.1", "attrs": "99.1"}
TOO_YOUNG = {"six": "99.2", "django": "99.2"}
LOOPBACK = {"STRONGROOM_UPSTREAM_NETWORKS": "127.0.0.0/8"}


@dataclass(frozen=True, slots=True)
class Passage:
    """A running server with its upstream and its internal packages, published in `main`."""

    server: Server
    token: str
    upstream_url: str
    internal: tuple[Dist, ...]

    @property
    def through(self) -> Source:
        """Return the server's one URL."""
        return Source(f"http://__token__:{self.token}@{self.server.authority}/simple/")

    def direct(self, *, not_after: datetime | None = None) -> Source:
        """Return the upstream itself; the internal packages are given as files."""
        files = tuple(dist.path for dist in self.internal)
        return Source(self.upstream_url, PROJECTS, files, not_after)

    def restart_offline(self) -> None:
        """Let the server ask no upstream any more."""
        self.server.stop()
        self.server.settings |= {"STRONGROOM_OFFLINE": "true"}
        self.server.start()


@contextmanager
def passage_to(server: Server, upstream_url: str, *, folder: Path) -> Iterator[Passage]:
    """Start the server, publish the internal packages, and stop it at the end."""
    server.start()
    try:
        server.admin("user", "create", "alice")
        token = server.admin("token", "create", "--user", "alice", "--label", "laptop")
        internal = make_internal_wheels(folder)
        for dist in internal:
            name = dist.name.partition("-")[0].replace("_", "-")
            answer = upload(f"{server.url}/legacy/", dist.path, token=token, name=name)
            assert answer.status == 200, answer.text
        yield Passage(server, token, upstream_url, internal)
        assert server.stop() == 0, server.log_text()
    finally:
        server.kill()


@contextmanager
def passage(upstream: UpstreamServer, folder: Path, *, settings: Mapping[str, str] | None = None) -> Iterator[Passage]:
    """Run a server with this upstream."""
    told = {"STRONGROOM_DEFAULT_UPSTREAM": upstream.url, **LOOPBACK, **(settings or {})}
    with passage_to(Server(folder / "data", settings=told), upstream.url, folder=folder) as made:
        yield made


def deep_site(folder: Path) -> Site:
    """Return a site with the real wheels and the made-up versions."""
    site = site_of(wheels.download())
    now = datetime.now(UTC)
    for versions, uploaded_at in ((SETTLED, now - timedelta(days=4)), (TOO_YOUNG, now)):
        for name, version in versions.items():
            wheel, _ = make_dists(folder / f"{name}-{version}", name, version=version)
            made_up = site_of(wheel.path.parent).files
            site.files |= {
                key: replace(file, uploaded_at=uploaded_at)
                for key, file in made_up.items()
                if file.filename.endswith(".whl")
            }
    return site
