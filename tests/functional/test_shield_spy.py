"""An upstream that offers higher versions of 5,000 names that are one's own hears of none of them.

Names are owned, held by another index, reserved, covered by a prefix, claimed, emptied or
deleted. Each is asked for in its own spelling and in one of the odd ones, in every way that
clients know. The list of all names is fetched whole: the one request that the spy may see.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from strongroom.adapters.upstream.site import SiteFile
from strongroom.bootstrap import local_operator, open_store
from strongroom.config import Settings
from strongroom.core.index_settings import IndexChanges, UpstreamChanges
from strongroom.core.names import IndexName, ProjectName, Sha256, parse_index_name, parse_version
from strongroom.core.reservations import Hold
from strongroom.ports import Transaction
from strongroom.services import Services
from strongroom.services.releases import Selection
from tests.archives.wheels import Wheel, metadata_of
from tests.factories import a_file, a_project, a_reservation
from tests.functional.installers import UV_CLEAN, Target
from tests.functional.projects import make_dists
from tests.functional.publishers import output_of, run
from tests.functional.server import Server, run_strongroom
from tests.functional.stores import settings_of
from tests.functional.wire import JSON, basic, upload
from tests.replacing import replace
from tests.upstream.server import UpstreamServer

HTML = "application/vnd.pypi.simple.v1+html"
COUNTS = {
    "uploaded": 1700,
    "elsewhere": 1000,
    "reserved": 800,
    "prefixed": 800,
    "claimed": 500,
    "emptied": 100,
    "deleted": 100,
}
INSTALLED = ("acme-installed-app", "acme-installed-lib")
PUBLIC_NAME = "public-thing"
SPY_BYTES = b"the spy's bytes: nobody ever gets them"
SPY_SHA256 = hashlib.sha256(SPY_BYTES).hexdigest()
THREADS = 6


def names_of(kind: str) -> list[ProjectName]:
    """Return the names of a kind; the prefixed ones lie below twenty prefixes."""
    middle = "area-{}-" if kind == "prefixed" else ""
    return [ProjectName(f"acme-{kind}-{middle.format(number % 20)}{number}") for number in range(COUNTS[kind])]


OWN_NAMES = {name: kind for kind in COUNTS for name in names_of(kind)}


def indexes_for(kind: str) -> tuple[str, ...]:
    """Return the indexes at which names of this kind are asked for; a claim speaks for its own index only."""
    return {"claimed": ("main",), "elsewhere": ("main", "public", "bare")}.get(kind, ("main", "public", "team"))


@dataclass(frozen=True, slots=True)
class Question:
    """One request of a client."""

    path: str
    accept: str = JSON
    method: str = "GET"


def spy_file(name: str) -> str:
    """Return the name of the file that the spy offers."""
    return f"{name.replace('-', '_')}-99.0-py3-none-any.whl"


def percent_encoded(name: str) -> str:
    """Return the name with its first and last letters encoded, and the hyphens."""
    return f"%{ord(name[0]):02x}{name[1:-1].replace('-', '%2D')}%{ord(name[-1]):02X}"


WAYS: dict[str, Callable[[str, str], Question]] = {
    "html": lambda index, name: Question(f"/{index}/simple/{name}/", HTML),
    "old html": lambda index, name: Question(f"/{index}/simple/{name}/", "text/html"),
    "head": lambda index, name: Question(f"/{index}/simple/{name}/", method="HEAD"),
    "no slash": lambda index, name: Question(f"/{index}/simple/{name}"),
    "upper case": lambda index, name: Question(f"/{index}/simple/{name.upper()}/"),
    "dots": lambda index, name: Question(f"/{index}/simple/{name.replace('-', '.')}/"),
    "runs": lambda index, name: Question(f"/{index}/simple/{name.title().replace('-', '.-__')}/"),
    "encoded": lambda index, name: Question(f"/{index}/simple/{percent_encoded(name)}/"),
    "query": lambda index, name: Question(f"/{index}/simple/{name}/?version=99.0"),
    "hatch": lambda index, name: Question(f"/{index}/legacy/+simple/{name}/"),
    "hatch, odd": lambda index, name: Question(f"/{index}/legacy/+simple/{name.upper()}"),
    "file": lambda index, name: Question(f"/{index}/files/{name}/{spy_file(name)}"),
    "file, odd": lambda index, name: Question(f"/{index}/files/{name.replace('-', '_').upper()}/{spy_file(name)}"),
    "file head": lambda index, name: Question(f"/{index}/files/{name}/{spy_file(name)}", method="HEAD"),
    "metadata": lambda index, name: Question(f"/{index}/files/{name}/{spy_file(name)}.metadata"),
    "packages": lambda index, name: Question(f"/packages/{index}/files/{name}/{spy_file(name)}"),
    "provenance": lambda index, name: Question(f"/{index}/integrity/{name}/99.0/{spy_file(name)}/provenance", "*/*"),
    "json api": lambda index, name: Question(f"/{index}/pypi/{name}/json", "*/*"),
    "json api, odd": lambda index, name: Question(f"/{index}/pypi/{name.replace('-', '_').title()}/json", "*/*"),
    "json api, version": lambda index, name: Question(f"/{index}/pypi/{name}/99.0/json", "*/*"),
    "explanation": lambda index, name: Question(f"/api/v1/indexes/{index}/projects/{name}/explanation", "*/*"),
    "explanation, version": lambda index, name: Question(
        f"/api/v1/indexes/{index}/projects/{name.upper()}/explanation?version=99.0", "*/*"
    ),
}


def questions() -> Iterator[Question]:
    """Yield what is asked: each name's page, and the name in the next of the other ways, at the next of its indexes."""
    ways = itertools.cycle(WAYS.values())
    for number, (name, kind) in enumerate(OWN_NAMES.items()):
        indexes = indexes_for(kind)
        index = indexes[number % len(indexes)]
        yield Question(f"/{index}/simple/{name}/")
        yield next(ways)(index, name)


@dataclass(frozen=True, slots=True)
class Shielded:
    """A server with all these names, and the spy that stands behind it."""

    server: Server
    spy: UpstreamServer
    token: str
    folder: Path

    def heard(self) -> list[str]:
        """Return what the spy was asked for, but the list of all names: each request as a whole, with its headers."""
        return [f"{one}" for one in self.spy.requests if one.path != "/simple/" or one.query]

    def ask_all(self, asked: Sequence[Question]) -> Counter[tuple[int, bool]]:
        """Ask, and count the answers by their status, and whether they name the spy's bytes."""
        shares = [asked[number::THREADS] for number in range(THREADS)]
        with ThreadPoolExecutor(THREADS) as pool:
            return sum(pool.map(self._ask_in_turn, shares), Counter[tuple[int, bool]]())

    def _ask_in_turn(self, asked: Sequence[Question]) -> Counter[tuple[int, bool]]:
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=60)
        counts = Counter[tuple[int, bool]]()
        for one in asked:
            connection.request(one.method, one.path, headers={"Authorization": basic(self.token), "Accept": one.accept})
            response = connection.getresponse()
            body = response.read()
            counts[response.status, SPY_BYTES in body or SPY_SHA256.encode() in body] += 1
        connection.close()
        return counts

    def strongroom(self, *words: str) -> tuple[int, str]:
        """Run a command with the server's settings; return its exit code and all that it said."""
        settings = {**self.server.settings, "STRONGROOM_DATA": str(self.server.data)}
        done = run_strongroom(*words, home=self.folder, settings=settings)
        return done.returncode, done.stdout + done.stderr

    def publish(self, path: Path, *, name: str, index: str = "main") -> int:
        """Upload a file and return the status."""
        return upload(f"{self.server.url}/{index}/legacy/", path, token=self.token, name=name).status


def offer_higher_versions(spy: UpstreamServer) -> None:
    """Let the spy offer version 99.0 of every name of ours, and of one that is nobody's."""
    for name in (*OWN_NAMES, *INSTALLED, PUBLIC_NAME):
        spy.site.add(SiteFile(ProjectName(name), spy_file(name), SPY_BYTES))


async def fill(settings: Settings, spy_url: str) -> None:
    """Put all names into the store, most of them as rows; let the list of the spy's names be fetched."""
    async with open_store(settings) as services:
        operator = local_operator()
        await services.indexes.ensure_first(operator, lambda: spy_url)
        for name, changes in {
            "team": IndexChanges(bases=(IndexName("public"),)),
            "bare": IndexChanges(upstream=UpstreamChanges(url=spy_url)),
        }.items():
            await services.indexes.create(operator, parse_index_name(name), changes=changes)
        await services.passage.lists.refresh_due()
        sha256 = await services.blobs.put(b"what a file of ours holds")
        await services.catalog.write(lambda tx: _add_rows(tx, sha256=sha256))
        await _delete(services)


def _add_rows(tx: Transaction, *, sha256: Sha256) -> None:
    for name, kind in OWN_NAMES.items():
        if kind in ("uploaded", "elsewhere", "emptied", "deleted"):
            index = "team" if kind == "elsewhere" else "main"
            tx.projects.save(a_project(name, index=index))
            file = a_file(f"{name.replace('-', '_')}-1.0-py3-none-any.whl", index=index)
            tx.files.add(replace(file, sha256=sha256, size_bytes=25))
        if kind in ("reserved", "claimed"):
            tx.reservations.save(a_reservation(name, hold=Hold.CLAIMED if kind == "claimed" else Hold.RESERVED))
    for number in range(20):
        tx.reservations.save(a_reservation(f"acme-prefixed-area-{number}-*"))


async def _delete(services: Services) -> None:
    """Delete as people do: release by release, and whole projects."""
    for name, kind in OWN_NAMES.items():
        if kind in ("emptied", "deleted"):
            version = parse_version("1.0") if kind == "emptied" else None
            await services.releases.delete(local_operator(), Selection(IndexName("main"), name, version))


@pytest.fixture(scope="module")
def shielded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shielded]:
    """Run the server before the spy; the spy has heard nothing when it is yielded, and the server ends cleanly."""
    folder = tmp_path_factory.mktemp("shielded")
    with UpstreamServer() as spy:
        offer_higher_versions(spy)
        settings = {"STRONGROOM_DEFAULT_UPSTREAM": spy.url, "STRONGROOM_UPSTREAM_NETWORKS": "127.0.0.0/8"}
        asyncio.run(fill(settings_of(folder / "data", settings), spy.url))
        server = Server(folder / "data", settings=settings)
        try:
            server.start()
            server.admin("user", "create", "alice")
            token = server.admin("token", "create", "--user", "alice")
            made = Shielded(server, spy, token, folder)
            assert made.spy.counts() == {"/simple/": 2}, "the lists of `public` and `bare`, and nothing else"
            yield made
            assert server.stop() == 0, server.log_text()
            assert "Traceback" not in server.log_text()
        finally:
            server.kill()


def test_the_spy_is_really_there(shielded: Shielded) -> None:
    """A name that is nobody's is asked for upstream, so a name of ours would be too if nothing kept it."""
    before = len(shielded.heard())
    assert shielded.server.get(f"/main/simple/{PUBLIC_NAME}/", token=shielded.token).status == 200
    assert len(shielded.heard()) == before + 1
    shielded.spy.requests.clear()


def test_no_way_of_asking_reaches_the_spy(shielded: Shielded) -> None:
    """10,000 requests for 5,000 names of ours: none goes upstream, none fails here, none shows the spy's file."""
    asked = list(questions())
    counts = shielded.ask_all(asked)
    print(f"{len(asked)} requests for {len(OWN_NAMES)} names: {dict(counts)}")
    assert len(OWN_NAMES) == 5000
    assert counts.total() == 10_000
    assert {status for status, _ in counts} == {200, 301, 404}
    assert not any(shows_spy for _, shows_spy in counts)
    assert shielded.heard() == []


def test_explaining_sends_nothing(shielded: Shielded) -> None:
    """`strongroom explain` of the spy's version of a name answers from here alone."""
    for kind in ("uploaded", "elsewhere", "prefixed", "deleted"):
        name = names_of(kind)[7]
        status, said = shielded.strongroom("explain", f"{name.upper()}==99.0", "--index", indexes_for(kind)[0])
        assert (status, name in said) == (0, True), said
    assert shielded.heard() == []


def test_planning_a_mirror_sends_nothing(shielded: Shielded) -> None:
    """`mirror plan` of a list with all 5,000 names finds nothing to fetch and asks nobody."""
    path = shielded.folder / "requirements.txt"
    path.write_text("\n".join(f"{name.replace('-', '.')}>=1.0" for name in OWN_NAMES))
    _, said = shielded.strongroom("mirror", "plan", str(path))
    assert "acme-claimed-0" in said
    assert "to fetch" not in said
    assert "99.0" not in said
    assert shielded.heard() == []


def test_checking_dependencies_sends_nothing(shielded: Shielded) -> None:
    """A release that needs all 5,000 names in the spy's version is refused promotion, and nobody is asked."""
    needs = [f"Requires-Dist: {name}>=99" for name in OWN_NAMES]
    wheel = Wheel(name="acme-needy", metadata=metadata_of("acme-needy", "1.0", *needs))
    path = shielded.folder / wheel.filename
    path.write_bytes(wheel.build())
    assert shielded.publish(path, name="acme-needy", index="team") == 200
    words = ("promote", "acme-needy", "--from", "team", "--to", "main", "--check-dependencies", "--dry-run")
    status, said = shielded.strongroom(*words)
    assert (status, "and 4990 more" in said) == (1, True), said
    assert shielded.heard() == []


def test_publishing_sends_nothing(shielded: Shielded) -> None:
    """New files of names of ours are taken, a first one of a name that the spy has too is not: nobody is asked."""
    statuses = {}
    for kind in ("uploaded", "reserved", "prefixed", "claimed", "emptied", "deleted"):
        name = names_of(kind)[11]
        wheel, _ = make_dists(shielded.folder / f"new-{kind}", name, version="2.0")
        answer = upload(f"{shielded.server.url}/legacy/", wheel.path, token=shielded.token, name=name, version="2.0")
        statuses[kind] = answer.status
    wheel, _ = make_dists(shielded.folder / "taken", PUBLIC_NAME)
    assert statuses == dict.fromkeys(statuses, 200)
    assert shielded.publish(wheel.path, name=PUBLIC_NAME) in {400, 403}
    assert shielded.heard() == []


@pytest.mark.parametrize("client", ["uv", "pip"])
def test_installers_never_get_the_spys_version(shielded: Shielded, client: str, home: Path, target: Target) -> None:
    """An internal package with its internal dependency is installed in our version by real clients."""
    app, lib = INSTALLED
    for name, needs in {lib: (), app: (lib,)}.items():
        shielded.server.run("name", "reserve", name)
        wheel, _ = make_dists(shielded.folder / name, name, needs=needs)
        assert shielded.publish(wheel.path, name=name) == 200
    url = f"http://__token__:{shielded.token}@{shielded.server.authority}/simple/"
    commands = {
        "uv": ("uv", "pip", "install", "--python", target.python, "--index-url", url, app),
        "pip": ("pip", "--python", target.python, "install", "--no-cache-dir", "--index-url", url, app),
    }
    ran = run(client, *commands[client], cwd=home, home=home, variables=UV_CLEAN)
    assert ran.returncode == 0, output_of(ran)
    assert (target.version_of(app), target.version_of(lib)) == ("1.0", "1.0")
    assert shielded.heard() == []
