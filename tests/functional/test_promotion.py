"""Three stages on the real server: five packages that need one another move as one, whoever installs meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from tests.functional.guarded import Guarded, guard
from tests.functional.installers import UV_CLEAN, Target
from tests.functional.projects import make_dists, module_of
from tests.functional.publishers import Ran, output_of, run
from tests.functional.server import run_strongroom

STAGES = ("dev", "staging", "main")
PARTS = ("app", "base", "core", "data", "edge")
ROUNDS = 3
_MOST_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Family:
    """Five projects each of whose releases needs the same release of the four others."""

    guarded: Guarded
    prefix: str

    @property
    def names(self) -> tuple[str, ...]:
        """Return the projects' names."""
        return tuple(f"{self.prefix}-{part}" for part in PARTS)

    def publish(self, version: str, *, index: str = "dev") -> None:
        """Publish a release of all five, one after the other."""
        for name in self.names:
            needs = [f"{other}=={version}" for other in self.names if other != name]
            wheel, _ = make_dists(self.guarded.folder / f"{index}-{name}-{version}", name, version=version, needs=needs)
            answer = self.guarded.upload(wheel, name, version=version, index=index)
            assert answer.status == 200, answer.text

    def pins(self, version: str) -> list[str]:
        """Return the release as requirements."""
        return [f"{name}=={version}" for name in self.names]

    def promote(self, version: str, *more: str, source: str, target: str) -> str:
        """Promote the release of all five in one step, and return the promotion's id."""
        told = self.guarded.json("promote", *self.pins(version), "--from", source, "--to", target, *more, "--json")
        return str(told["promotion"]["id"])

    def versions(self, index: str) -> dict[str, tuple[str, ...]]:
        """Return the versions that each page lists."""
        return {
            name: tuple(filename.split("-")[1] for filename in self.guarded.listed(name, index=index))
            for name in self.names
        }


@dataclass(slots=True)
class Installer:
    """Somebody who installs all five from one stage again and again; what he got, each time."""

    family: Family
    index: str
    client: str
    folder: Path
    found: list[dict[str, str | None]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def loop(self, stop: threading.Event) -> None:
        """Install until it is enough."""
        while not stop.is_set():
            target = self.folder / f"{len(self.found) + len(self.failures)}"
            home = self.folder / "home"
            home.mkdir(parents=True, exist_ok=True)
            ran = install(self.family, self.index, client=self.client, home=home, folder=target)
            if ran.returncode == 0:
                self.found.append(installed(self.family, target))
            else:
                self.failures.append(output_of(ran))


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Start a server with two workers and the stages dev, staging and main, each over the next."""
    with guard(tmp_path_factory.mktemp("promotion"), "--workers", "2") as made:
        made.strongroom("index", "create", "staging", "--base", "main")
        made.strongroom("index", "create", "dev", "--base", "staging")
        yield made


def test_installers_get_all_five_or_none(stages: Guarded, tmp_path: Path) -> None:
    """While 2.0 goes from dev by staging to main, each install gets five packages of one version, and none fails."""
    family = Family(stages, "acme-five")
    family.publish("1.0")
    family.promote("1.0", source="dev", target="staging")
    family.promote("1.0", source="staging", target="main")
    clients = [(stage, client) for stage in STAGES for client in ("uv", "pip")]
    installers = [Installer(family, stage, client, tmp_path / stage / client) for stage, client in clients]
    with installing(installers):
        wait_for(installers, "1.0")
        family.publish("2.0")
        family.promote("2.0", source="dev", target="staging")
        family.promote("2.0", source="staging", target="main")
        wait_for(installers, "2.0")
    for installer in installers:
        assert installer.failures == []
        whole = [dict.fromkeys(family.names, version) for version in ("1.0", "2.0")]
        assert all(found in whole for found in installer.found)
        order = [found[family.names[0]] for found in installer.found]
        assert order == sorted(order, key=str), f"{installer.client} from {installer.index} went back"


def test_installers_survive_an_undo(stages: Guarded, tmp_path: Path) -> None:
    """While a promotion is taken back, installs get the five of either version; after it, the earlier one only."""
    family = Family(stages, "acme-back")
    for version in ("1.0", "2.0"):
        family.publish(version)
        number = family.promote(version, source="dev", target="main")
    installers = [Installer(family, "main", client, tmp_path / client) for client in ("uv", "pip")]
    with installing(installers):
        wait_for(installers, "2.0")
        stages.strongroom("promotion", "undo", number, "--reason", "broken")
        wait_for(installers, "1.0")
    for installer in installers:
        # An installer that chose 2.0 before the undo may ask for its files after it: it ends in an error, not in a mix.
        assert all("404" in failure or "not found" in failure.lower() for failure in installer.failures)
        assert len(installer.failures) <= 1
        assert all(len(set(found.values())) == 1 and None not in found.values() for found in installer.found)
        assert installer.found[-1] == dict.fromkeys(family.names, "1.0")


def test_a_reader_never_sees_a_part(stages: Guarded) -> None:
    """Of one promotion after the other, done and undone: all five pages change at once, on both workers."""
    family = Family(stages, "acme-pages")
    for version in ("1.0", "2.0"):
        family.publish(version)
    family.promote("1.0", source="dev", target="main")
    stop = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(watch, family, stop=stop, first=number) for number in range(2)]
        try:
            for _ in range(ROUNDS):
                number = family.promote("2.0", source="dev", target="main")
                stages.strongroom("promotion", "undo", number)
        finally:
            stop.set()
        for reader in readers:
            seen = reader.result()
            changes = sum(before != after for before, after in pairwise(seen))
            assert len(seen) > 50
            assert 0 < changes <= 2 * ROUNDS


@pytest.mark.parametrize("stage", ["dev", "staging"])
def test_urls_of_a_stage_outlive_promotion_and_undo(stages: Guarded, stage: str, home: Path, target: Target) -> None:
    """A lock file made from dev or staging installs with the same URLs and digests whatever happens above it."""
    family = Family(stages, f"acme-lock-{stage}")
    family.publish("1.0")
    below = "staging" if stage == "dev" else "main"
    if stage == "staging":
        family.promote("1.0", source="dev", target="staging")
    index = index_url(stages, stage)
    words = ("pip", "lock", "--no-cache-dir", "--index-url", index, family.names[0], "-o", "pylock.toml")
    locked = run("pip", *words, cwd=home, home=home)
    assert locked.returncode == 0, output_of(locked)
    assert (home / "pylock.toml").read_text().count(f"/{stage}/files/") == len(PARTS)
    number = family.promote("1.0", source=stage, target=below)
    sync(stages, index, home=home, target=target)
    stages.strongroom("promotion", "undo", number)
    sync(stages, index, home=home, target=target)
    assert {name: target.version_of(name) for name in family.names} == dict.fromkeys(family.names, "1.0")
    assert family.versions(below) == dict.fromkeys(family.names, ())
    family.promote("1.0", source=stage, target=below)
    sync(stages, index, home=home, target=target)


def test_a_dry_run_changes_nothing(stages: Guarded) -> None:
    """It says what would come, and nothing comes; no promotion is kept."""
    family = Family(stages, "acme-dry")
    family.publish("1.0")
    said = stages.read("promote", *family.pins("1.0"), "--from", "dev", "--to", "staging", "--dry-run")
    for name in family.names:
        assert f"{name}==1.0: 1 file for 'staging'." in said
    assert said.rstrip().endswith("Nothing was changed: this was a dry run.")
    assert family.versions("staging") == dict.fromkeys(family.names, ())
    assert "acme-dry" not in stages.strongroom("promotion", "list", "--json")


@pytest.mark.stores
def test_a_promotion_waits_for_approval(stages: Guarded) -> None:
    """Into an index that needs approval nothing comes before somebody says yes, then all of it; undo takes it back."""
    family = Family(stages, "acme-asked")
    family.publish("1.0")
    stages.strongroom("index", "create", "release", "--needs-approval", "--no-uploads")
    words = ("promote", *family.pins("1.0"), "--from", "dev", "--to", "release", "--reason", "June")
    said = stages.read(*words)
    (waiting,) = stages.list("promotion", "list", "--index", "release", "--pending", "--json")
    assert f"'release' needs approval: strongroom promotion approve {waiting['id']}" in said
    assert family.versions("release") == dict.fromkeys(family.names, ())
    stages.strongroom("promotion", "refuse", waiting["id"], "--reason", "not in June")
    assert family.versions("release") == dict.fromkeys(family.names, ())
    number = family.promote("1.0", source="dev", target="release")
    approved = stages.read("promotion", "approve", number, "--reason", "looked at it")
    assert f"{family.names[0]}==1.0: 1 file now in 'release'." in approved
    assert family.versions("release") == dict.fromkeys(family.names, ("1.0",))
    stages.strongroom("promotion", "undo", number)
    assert family.versions("release") == dict.fromkeys(family.names, ())


def test_what_could_not_be_installed_is_refused(stages: Guarded) -> None:
    """With --check-dependencies a part of the five is refused; the sentence names what is missing; nothing comes."""
    family = Family(stages, "acme-part")
    family.publish("1.0")
    words = ("promote", *family.pins("1.0")[:3], "--from", "dev", "--to", "staging", "--check-dependencies")
    settings = {**stages.server.settings, "STRONGROOM_DATA": str(stages.server.data)}
    done = run_strongroom(*words, home=stages.folder, settings=settings)
    assert done.returncode != 0
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for name in family.names[3:]:
        assert f"{name}==1.0" in done.stderr
    assert "Promote these releases too, in the same step" in done.stderr
    assert family.versions("staging") == dict.fromkeys(family.names, ())
    family.promote("1.0", "--check-dependencies", source="dev", target="staging")
    assert family.versions("staging") == dict.fromkeys(family.names, ("1.0",))


def index_url(stages: Guarded, index: str) -> str:
    """Return the index URL with the token in it."""
    return f"http://__token__:{stages.token}@{stages.server.authority}/{index}/simple/"


def install(family: Family, index: str, *, client: str, home: Path, folder: Path) -> Ran:
    """Install all five into a new folder, with nothing kept from earlier."""
    where = ("--index-url", index_url(family.guarded, index), "--target", str(folder))
    if client == "uv":
        command = ("uv", "pip", "install", "--no-cache", *where, *family.names)
        return run("uv", *command, cwd=home, home=home, variables=UV_CLEAN)
    return run("pip", "pip", "install", "--no-cache-dir", "--no-compile", *where, *family.names, cwd=home, home=home)


def installed(family: Family, folder: Path) -> dict[str, str | None]:
    """Return the versions that an installer left there."""
    found: dict[str, str | None] = {}
    for name in family.names:
        dists = list(folder.glob(f"{module_of(name)}-*.dist-info"))
        found[name] = dists[0].name.removesuffix(".dist-info").rpartition("-")[2] if len(dists) == 1 else None
    return found


@contextmanager
def installing(installers: list[Installer]) -> Iterator[None]:
    """Let all of them install at the same time, and wait for their last install."""
    stop = threading.Event()
    with ThreadPoolExecutor(len(installers)) as pool:
        running = [pool.submit(installer.loop, stop) for installer in installers]
        try:
            yield
        finally:
            stop.set()
        for each in running:
            each.result()


def wait_for(installers: list[Installer], version: str) -> None:
    """Wait until each of them got this version."""
    ends_at = time.monotonic() + _MOST_SECONDS
    while time.monotonic() < ends_at:
        if all(installer.found and version in installer.found[-1].values() for installer in installers):
            return
        time.sleep(0.1)
    raise AssertionError([(installer.found[-1:], installer.failures[-1:]) for installer in installers])


def watch(family: Family, *, stop: threading.Event, first: int) -> list[bool]:
    """Read the five pages in turn, and return for each reading whether 2.0 was there."""
    seen: list[bool] = []
    while not stop.is_set():
        name = family.names[(len(seen) + first) % len(PARTS)]
        seen.append(any("-2.0-" in filename for filename in family.guarded.listed(name)))
    return seen


def sync(stages: Guarded, index: str, *, home: Path, target: Target) -> None:
    """Install exactly what pylock.toml names, from the URLs in it, into an environment emptied before."""
    login = {**UV_CLEAN, "UV_INDEX_URL": index}
    words = ("uv", "pip", "sync", "--preview", "--no-cache", "--reinstall", "--python", target.python, "pylock.toml")
    ran = run("uv", *words, cwd=home, home=home, variables=login)
    assert ran.returncode == 0, output_of(ran)
