"""Nothing that is too young leaves the real server, by no URL; exemptions let it, and lapse."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from strongroom.adapters.upstream.site import SiteFile
from strongroom.bootstrap import local_operator, open_store
from strongroom.core.names import parse_index_name, parse_project_name
from strongroom.services.exemptions import ExemptionWish
from tests.functional.guarded import Guarded, guard
from tests.functional.installers import UV_CLEAN, Target
from tests.functional.publishers import Ran, output_of, run
from tests.functional.stores import settings_of
from tests.functional.wire import JSON, Answer

AGED = "acme-aged"
HOURS = 72
HTML = "text/html"
PROVENANCE = b'{"version": 1, "attestation_bundles": []}'
FUTURES = (timedelta(minutes=1), timedelta(days=2), timedelta(days=40_000))
SECONDS_SHORT = 4


@dataclass(frozen=True, slots=True)
class Ages:
    """The files of one project, by whether they may leave."""

    guarded: Guarded
    young: tuple[SiteFile, ...]
    old: tuple[SiteFile, ...]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Start a server with its defaults over an upstream."""
    with guard(tmp_path_factory.mktemp("cooldown")) as made:
        yield made


@pytest.fixture(scope="module")
def ages(guarded: Guarded) -> Ages:
    """Put a release upstream for each hour of age from 0 to 72, of unknown age, and from the future."""
    facts = {"provenance": PROVENANCE}
    young = [guarded.put(AGED, f"1.{hours}", age=timedelta(hours=hours), **facts) for hours in range(HOURS)]
    young.append(guarded.put(AGED, "2.0", age=timedelta(hours=HOURS, minutes=-5), **facts))
    young.append(guarded.put(AGED, "2.1", age=None, **facts))
    young += [guarded.put(AGED, f"2.{2 + n}", age=-ahead, **facts) for n, ahead in enumerate(FUTURES)]
    old = [guarded.put(AGED, f"0.{n}", age=timedelta(hours=HOURS, minutes=n), **facts) for n in range(3)]
    return Ages(guarded, tuple(young), tuple(old))


def spellings(file: SiteFile) -> Iterator[str]:
    """Yield every URL path under which the file, its METADATA or its provenance may be asked for."""
    version = file.filename.split("-")[1]
    for index in ("main", "public"):
        for start in (f"/{index}", f"/packages/{index}"):
            yield f"{start}/files/{file.project}/{file.filename}"
            yield f"{start}/files/{file.project}/{file.filename}.metadata"
        yield f"/{index}/integrity/{file.project}/{version}/{file.filename}/provenance"
    yield f"/integrity/{file.project}/{version}/{file.filename}/provenance"


def assert_kept_back(answer: Answer, file: SiteFile, *, code: str = "too-young") -> None:
    """Assert that the answer refuses with the rule's code, and holds nothing of the file."""
    assert answer.status == 403, answer.text
    assert answer.json()["code"] == code
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert file.read()[:64] not in answer.body
    assert "etag" not in answer.headers


def test_no_page_names_what_is_too_young(ages: Ages) -> None:
    """Pages of every form, through both indexes, list the three old files and no other."""
    listed = sorted(file.filename for file in ages.old)
    for index in ("main", "public"):
        assert sorted(ages.guarded.listed(AGED, index=index)) == listed
    pages = ("/simple/", "/main/simple/", "/public/simple/", "/legacy/+simple/", "/public/legacy/+simple/")
    for page in pages:
        for accept in (HTML, JSON, "*/*"):
            answer = ages.guarded.get(f"{page}{AGED}/", accept=accept)
            assert answer.status == 200
            assert all(name in answer.text for name in listed)
            assert not any(file.filename in answer.text for file in ages.young)
            assert not any(file.sha256 in answer.text for file in ages.young)


def test_no_url_gives_what_is_too_young(ages: Ages) -> None:
    """File, METADATA and provenance are refused under every spelling, and nobody asks the upstream for them."""
    for number, file in enumerate(ages.young):
        path = f"/main/files/{AGED}/{file.filename}"
        for spelling in spellings(file) if number % 4 == 0 else (path, f"{path}.metadata"):
            assert_kept_back(ages.guarded.get(spelling), file)
        assert_kept_back(ages.guarded.get(path, range="bytes=0-9"), file)
        assert_kept_back(ages.guarded.get(path, range="bytes=-20"), file)
        assert_kept_back(ages.guarded.get(path, if_none_match=f'"{file.sha256}"'), file)
        head = ages.guarded.get(path, method="HEAD")
        assert (head.status, head.body) == (403, b"")
        assert "etag" not in head.headers
        assert ages.guarded.upstream.count(file.filename) == 0


def test_another_spelling_of_the_name_leads_to_the_refusal(ages: Ages) -> None:
    """A name that is not normalised is redirected to the URL that refuses."""
    file = ages.young[0]
    for spelling in ("Acme-Aged", "acme_aged", "acme.aged"):
        for ending in ("", ".metadata"):
            answer = ages.guarded.get(f"/main/files/{spelling}/{file.filename}{ending}")
            assert answer.status == 301
            assert answer.headers["location"] == f"../{AGED}/{file.filename}{ending}"
            assert answer.body == b""


def test_the_json_api_knows_old_releases_only(ages: Ages) -> None:
    """The JSON API lists the old releases, takes the newest of them for the latest, and has no page for the others."""
    for index in ("main", "public"):
        found = ages.guarded.get(f"/{index}/pypi/{AGED}/json").json()
        assert set(found["releases"]) == {"0.0", "0.1", "0.2"}
        assert found["info"]["version"] == "0.2"
        assert not any(file.filename in str(found) for file in ages.young)
        for file in ages.young[::9]:
            version = file.filename.split("-")[1]
            assert ages.guarded.get(f"/{index}/pypi/{AGED}/{version}/json").status == 404


def test_what_is_old_enough_leaves_whole(ages: Ages) -> None:
    """Exactly 72 hours suffice: file, METADATA and provenance are served under every spelling."""
    for file in ages.old:
        for path in spellings(file):
            answer = ages.guarded.get(path)
            assert answer.status == 200, answer.text
            expected = {"metadata": file.metadata, "provenance": PROVENANCE}
            assert answer.body == expected.get(path.rpartition(".")[2].rpartition("/")[2], file.read())


def test_time_lets_a_file_through_by_itself(guarded: Guarded) -> None:
    """A file comes through at its hour, on the page and by its URL, without anybody's doing."""
    file = guarded.put("acme-soon", age=timedelta(hours=HOURS, seconds=-SECONDS_SHORT))
    path = f"/main/files/acme-soon/{file.filename}"
    assert guarded.listed("acme-soon") == []
    assert_kept_back(guarded.get(path), file)
    assert file.uploaded_at is not None
    wait_until(file.uploaded_at + timedelta(hours=HOURS))
    assert guarded.get(path).body == file.read()
    assert guarded.listed("acme-soon") == [file.filename]


def test_an_upstream_without_times_waits_three_days(tmp_path: Path) -> None:
    """Where the upstream's pages are HTML, a file's age counts from when it was first seen here: nothing leaves."""
    with guard(tmp_path / "html") as made:
        made.upstream.site.is_html_only = True
        files = [made.put("acme-plain", f"{number}.0") for number in range(1, 6)]
        for index in ("main", "public"):
            assert made.listed("acme-plain", index=index) == []
        for file in files:
            for path in spellings(file):
                assert_kept_back(made.get(path), file)
        assert "first seen here" in made.explain_file(files[0])["reason"]
        assert made.upstream.count("/files/") == 0
        made.set_rules("--cooldown", "off")
        assert len(made.listed("acme-plain")) == len(files)


def test_a_tighter_rule_takes_back_what_is_stored(tmp_path: Path) -> None:
    """After the cooldown was raised, no worker gives a file that it gave, and remembered, the moment before."""
    with guard(tmp_path / "workers", "--workers", "2") as made:
        file = made.put("acme-stored", age=timedelta(days=5), provenance=PROVENANCE)
        paths = list(spellings(file))
        for path in [*paths, *paths]:
            assert made.get(path).status == 200
        made.set_rules("--cooldown", "7d")
        for path in [*paths, *paths]:
            assert_kept_back(made.get(path), file)
        assert made.listed("acme-stored") == []
        assert made.get(f"/main/files/acme-stored/{file.filename}", method="HEAD").status == 403
        made.set_rules("--cooldown", "5d")
        for path in paths:
            assert made.get(path).status == 200
        assert made.upstream.count(f"{file.filename}.metadata") <= 1


def test_an_exemption_counts_from_the_next_request(tmp_path: Path) -> None:
    """Asked for, it changes nothing; approved, this version passes on every worker; refused later, it stops."""
    with guard(tmp_path / "exempt", "--workers", "2") as made:
        wanted, other = (made.put("acme-urgent", version, age=timedelta(hours=5)) for version in ("1.1", "1.2"))
        path = f"/main/files/acme-urgent/{wanted.filename}"
        assert_kept_back(made.get(path), wanted)
        asked = ("exemption", "request", "acme-urgent==1.1", "--rule", "too-young", "--reason", "a hole", "--json")
        number = made.json(*asked)["id"]
        assert_kept_back(made.get(path), wanted)
        assert made.listed("acme-urgent") == []
        made.strongroom("exemption", "approve", number, "--reason", "looked at it")
        for _ in range(6):
            assert made.get(path).body == wanted.read()
            assert made.listed("acme-urgent") == [wanted.filename]
        assert made.get(f"{path}.metadata").body == wanted.metadata
        assert_kept_back(made.get(f"/main/files/acme-urgent/{other.filename}"), other)
        explained = made.explain_file(wanted)
        assert (explained["code"], explained["offered"]) == ("exempted", True)
        assert number in explained["reason"]
        made.strongroom("exemption", "refuse", number, "--reason", "it was no hole")
        for _ in range(6):
            assert_kept_back(made.get(path), wanted)
            assert made.listed("acme-urgent") == []
        log = made.strongroom("audit", "log", "--project", "acme-urgent")
        assert log.count(number) >= 3


def test_an_exemption_lapses_on_time(guarded: Guarded) -> None:
    """Nothing has to happen for it: seconds after its end no URL and no page gives the file, stored or not."""
    file = guarded.put("acme-brief", age=timedelta(hours=5))
    paths = [path for path in spellings(file) if "provenance" not in path]
    expires_at = asyncio.run(exempt(guarded, "acme-brief", lifetime=timedelta(seconds=SECONDS_SHORT)))
    for path in paths:
        assert guarded.get(path).status == 200
    assert guarded.listed("acme-brief") == [file.filename]
    assert datetime.now(UTC) < expires_at, "the machine is too slow for this test"
    wait_until(expires_at)
    for path in paths:
        assert_kept_back(guarded.get(path), file)
    assert guarded.listed("acme-brief") == []
    assert guarded.explain_file(file)["code"] == "too-young"


@pytest.mark.parametrize("client", ["uv", "pip"])
def test_a_lock_file_does_not_walk_around_it(guarded: Guarded, client: str, home: Path, target: Target) -> None:
    """A lock file with the direct URL and the digest, made while it came through, installs no more, and says why."""
    name = f"acme-locked-{client}"
    file = guarded.put(name, age=timedelta(days=10))
    url = f"http://__token__:{guarded.token}@{guarded.server.authority}/main/files/{name}/{file.filename}"
    (home / "requirements.txt").write_text(f"{name} @ {url} --hash=sha256:{file.sha256}\n")
    first = install_locked(client, home=home, target=target)
    assert first.returncode == 0, output_of(first)
    assert target.version_of(name) == "1.0"
    guarded.set_rules("--cooldown", "14d")
    try:
        again = install_locked(client, home=home, target=target, reinstalls=True)
    finally:
        guarded.set_rules("--cooldown", "3d")
    assert again.returncode != 0
    assert "403" in output_of(again)
    if client == "uv":
        assert "public files come through 14 days later" in output_of(again)


def test_uv_lock_is_refused_with_the_reason(guarded: Guarded, home: Path) -> None:
    """`uv sync --frozen` goes straight to the file's URL in uv.lock; it is refused, and uv shows the sentence."""
    name = "acme-frozen"
    file = guarded.put(name, age=timedelta(days=10))
    (home / "pyproject.toml").write_text(
        f'[project]\nname = "consumer"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = ["{name}"]\n'
        f'[[tool.uv.index]]\nname = "private"\nurl = "{guarded.server.url}/simple/"\ndefault = true\n'
    )
    login = {"UV_INDEX_PRIVATE_USERNAME": "__token__", "UV_INDEX_PRIVATE_PASSWORD": guarded.token, "VIRTUAL_ENV": ""}
    locked = run("uv", "uv", "lock", cwd=home, home=home, variables=login)
    assert locked.returncode == 0, output_of(locked)
    guarded.set_rules("--cooldown", "14d")
    try:
        synced = run("uv", "uv", "sync", "--frozen", "--no-cache", cwd=home, home=home, variables=login)
    finally:
        guarded.set_rules("--cooldown", "3d")
    assert synced.returncode != 0
    assert "public files come through 14 days later" in output_of(synced), output_of(synced)
    assert "strongroom exemption request" in output_of(synced)
    assert Target(home / ".venv").version_of(name) is None
    assert guarded.upstream.counts()[f"/files/{name}/{file.filename}"] == 0


async def exempt(guarded: Guarded, name: str, *, lifetime: timedelta) -> datetime:
    """Approve an exemption of a lifetime that the command line does not offer, in the store of the running server."""
    wish = ExemptionWish(
        parse_index_name("main"), parse_project_name(name), SpecifierSet(), reason="a test", lifetime=lifetime
    )
    async with open_store(settings_of(guarded.server.data)) as services:
        made = await services.exemptions.request(local_operator(), wish)
        approved = await services.exemptions.approve(local_operator(), made.exemption_id, reason="", lifetime=lifetime)
    return approved.expires_at


def install_locked(client: str, *, home: Path, target: Target, reinstalls: bool = False) -> Ran:
    """Install what requirements.txt pins, without any index and without anything kept."""
    again = ("--force-reinstall",) if reinstalls else ()
    words = ("--no-index", "--no-deps", "--require-hashes", *again, "-r", "requirements.txt")
    if client == "uv":
        command = ("uv", "pip", "install", "--no-cache", "--python", target.python, *words)
        return run("uv", *command, cwd=home, home=home, variables=UV_CLEAN)
    command = ("pip", "--python", target.python, "install", "--no-cache-dir", *words)
    return run("pip", *command, cwd=home, home=home)


def wait_until(moment: datetime) -> None:
    """Wait until the moment is over."""
    time.sleep(max(0.0, (moment - datetime.now(UTC)).total_seconds()) + 0.05)
