"""Whatever the real server hides or refuses, it explains: by the command line, over REST and in the refusal itself."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from strongroom.adapters.upstream.site import SiteFile
from tests.functional.guarded import KNOWN, OVERLAID, Found, Guarded, guard
from tests.functional.projects import make_dists
from tests.functional.wire import upload_form

GPL = b"Metadata-Version: 2.4\nName: acme-gpl\nVersion: 1.0\nLicense-Expression: GPL-3.0-only\n"
PROBLEM = "application/problem+json"
RULES = (
    *("--cooldown", "3d", "--allow", "acme-*", "--allow", "listed>=2", "--deny", "acme-denied<2", "--no-sdists"),
    *("--platform", "manylinux*_x86_64", "--max-size", "4KB", "--licence", "MIT", "--no-yanked"),
)
HIDDEN = {
    "acme-denied": "denied",
    "listed": "not-allowed",
    "unlisted": "not-allowed",
    "acme-young": "too-young",
    "acme-ageless": "too-young",
    "acme-packed": "sdist",
    "acme-windows": "platform",
    "acme-large": "too-large",
    "acme-taken-back": "yanked",
    "acme-gpl": "licence",
}
SAID = {
    "acme-denied": "Version 1.0 of 'acme-denied' is on the deny-list (acme-denied<2)",
    "listed": "Version 1.0 of 'listed' is not on the allow-list",
    "unlisted": "The project 'unlisted' is not on the allow-list",
    "acme-young": "public files come through 3 days later",
    "acme-ageless": "was first seen here (its upstream tells no time)",
    "acme-packed": "is an sdist, and only wheels come through",
    "acme-windows": "is for win_amd64, and wheels come through for manylinux*_x86_64",
    "acme-large": "and files come through up to 4 kB",
    "acme-taken-back": "was yanked upstream, and yanked files don't come through: broken on Windows",
    "acme-gpl": "is licensed under GPL-3.0-only, and these come through: MIT",
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Start a server whose `public` has every rule, and an index `loose` with none over the same upstream."""
    with guard(tmp_path_factory.mktemp("explain")) as made:
        made.set_rules(*RULES)
        made.strongroom("index", "create", "loose", "--upstream", made.upstream.url, "--freshness", "0")
        yield made


@pytest.fixture(scope="module")
def hidden(guarded: Guarded) -> dict[str, SiteFile]:
    """Put a file upstream for each rule that hides it."""
    windows = "acme_windows-1.0-cp311-cp311-win_amd64.whl"
    gpl = guarded.put("acme-gpl", metadata=GPL)
    # No page tells a licence. Somebody has to ask for METADATA first; what it says is written down a moment later.
    assert guarded.get(f"/public/files/acme-gpl/{gpl.filename}.metadata").status == 403
    guarded.wait_until_written(lambda: all(guarded.listed("acme-gpl", index=name) == [] for name in ("main", "public")))
    files = [gpl, *(guarded.put(name) for name in ("acme-denied", "listed", "unlisted"))]
    files.append(guarded.put("acme-young", age=timedelta(hours=30)))
    files.append(guarded.put("acme-ageless", age=None))
    files.append(guarded.put_sdist("acme-packed"))
    files.append(guarded.put("acme-windows", filename=windows))
    files.append(guarded.put("acme-large", path=None, content=b"x" * 5000))
    files.append(guarded.put("acme-taken-back", yanked="broken on Windows"))
    return {file.project: file for file in files}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_hidden_file_is_explained(guarded: Guarded, hidden: dict[str, SiteFile], name: str) -> None:
    """The refusal has the rule's code and sentence, and so have explain on the command line and over REST."""
    file, code = hidden[name], HIDDEN[name]
    for index in ("main", "public"):
        refusal = guarded.get(f"/{index}/files/{name}/{file.filename}")
        assert (refusal.status, refusal.headers["content-type"]) == (403, PROBLEM)
        assert refusal.json()["code"] == code
        assert SAID[name] in refusal.json()["detail"]
        assert guarded.listed(name, index=index) == []
    explained = guarded.explain_file(file)
    assert (explained["offered"], explained["code"], explained["rule_of"]) == (False, code, "public")
    assert SAID[name] in explained["reason"]
    assert refusal.json()["detail"] == f"{explained['reason']}. {explained['hint']}"
    assert (explained["until"] is not None) == (code == "too-young")
    assert f"{name}==1.0 --rule {code} --index public" in explained["hint"]
    assert guarded.upstream.counts()[f"/files/{name}/{file.filename}"] == 0
    assert guarded.get(f"/loose/files/{name}/{file.filename}").status == 200


@pytest.mark.parametrize("name", ["acme-denied", "unlisted", "acme-gpl"])
def test_the_hint_is_a_command_that_works(guarded: Guarded, hidden: dict[str, SiteFile], name: str) -> None:
    """The command in the hint, pasted with a reason, asks for the exemption that lets exactly this file through."""
    explained = guarded.explain_file(hidden[name])
    program, *words = shlex.split(explained["hint"].partition("ask for an exemption: ")[2])
    assert program == "strongroom"
    number = guarded.json(*[word.replace("...", "a customer needs it") for word in words], "--json")["id"]
    guarded.strongroom("exemption", "approve", number)
    assert guarded.get(f"/main/files/{name}/{hidden[name].filename}").status == 200
    assert guarded.explain_file(hidden[name])["code"] == "exempted"
    guarded.strongroom("exemption", "refuse", number, "--reason", "the test is over")
    assert guarded.explain_file(hidden[name])["code"] == HIDDEN[name]


def test_quarantine_upstream_is_explained(guarded: Guarded) -> None:
    """A project in quarantine upstream offers nothing; the refusal and explain say where that was decided."""
    file = guarded.put("acme-quarantined")
    guarded.upstream.site.statuses[file.project] = "quarantined"
    refusal = guarded.get(f"/main/files/acme-quarantined/{file.filename}")
    assert (refusal.status, refusal.json()["code"]) == (403, "project-quarantined")
    explained = guarded.explain("acme-quarantined")
    assert "in quarantine, so none of its files is offered" in explained["sentence"]
    (item,) = explained["files"]
    assert (item["offered"], item["code"]) == (False, "project-quarantined")
    assert "put there upstream" in item["hint"]


def test_quarantine_here_is_explained(guarded: Guarded) -> None:
    """A project that somebody here put in quarantine says why, in the refusal and in explain."""
    wheel = guarded.publish("acme-sick")
    guarded.strongroom("status", "acme-sick", "quarantined", "--reason", "steals keys")
    refusal = guarded.get(f"/main/files/acme-sick/{wheel.name}")
    assert (refusal.status, refusal.json()["code"]) == (403, "project-quarantined")
    assert "steals keys" in refusal.json()["detail"]
    (item,) = guarded.explain("acme-sick")["files"]
    assert (item["offered"], item["code"]) == (False, "project-quarantined")
    assert "steals keys" in item["reason"]
    assert "set its status back to active" in item["hint"]


def test_what_vanished_upstream_is_explained(guarded: Guarded) -> None:
    """A file that is no longer upstream stays for lock files, and explain says since when it is gone."""
    gone, kept = guarded.put("acme-gone", "1.0"), guarded.put("acme-gone", "2.0")
    assert len(guarded.listed("acme-gone", index="loose")) == 2
    assert guarded.get(f"/loose/files/acme-gone/{gone.filename}").status == 200
    guarded.upstream.site.remove(gone.project, gone.filename)
    wait_for_next_look()
    assert guarded.explain_file(gone, index="loose")["code"] == "vanished"
    explained = guarded.explain_file(gone, index="loose")
    assert explained["offered"]
    assert "The upstream has not offered it since" in explained["reason"]
    assert guarded.get(f"/loose/files/acme-gone/{gone.filename}").body == gone.read()
    assert guarded.explain_file(kept, index="loose")["code"] == ""


def test_a_yanked_file_that_comes_through_is_explained(guarded: Guarded, hidden: dict[str, SiteFile]) -> None:
    """Where yanked files come through, explain says why installers pass it over all the same."""
    explained = guarded.explain_file(hidden["acme-taken-back"], index="loose")
    assert (explained["offered"], explained["code"]) == (True, "yanked")
    assert explained["reason"].endswith("broken on Windows")


def test_unusable_lines_are_explained(guarded: Guarded) -> None:
    """What the upstream's page offers and nobody could check is not offered here, and explain says why."""
    good = guarded.put("acme-odd")
    guarded.upstream.site.add(SiteFile(good.project, "acme_odd-1.0.win32.exe", b"MZ"))
    found = guarded.explain("acme-odd", index="loose")
    assert {file["filename"]: (file["offered"], file["code"]) for file in found["files"]} == {
        good.filename: (True, ""),
        "acme_odd-1.0.win32.exe": (False, "unusable"),
    }
    assert guarded.listed("acme-odd", index="loose") == [good.filename]
    assert guarded.get("/loose/files/acme-odd/acme_odd-1.0.win32.exe").status in {403, 404}


def test_a_reserved_name_is_explained(guarded: Guarded) -> None:
    """Missing by default and forbidden on demand, never asked upstream, and explained by the pattern."""
    file = guarded.put("inner-secret")
    guarded.strongroom("name", "reserve", "inner-*", "--reason", "ours")
    assert guarded.get("/main/simple/inner-secret/").status == 404
    guarded.strongroom("index", "set", "main", "--forbid-reserved")
    refusal = guarded.get("/main/simple/inner-secret/")
    assert (refusal.status, refusal.json()["code"]) == (403, "name-reserved")
    assert "inner-*" in refusal.json()["detail"]
    assert guarded.get(f"/main/files/inner-secret/{file.filename}").status in {403, 404}
    found = guarded.explain("inner-secret")
    assert (found["answer"], found["owner"], found["files"]) == ("reserved", "main", [])
    assert found["sentence"] == "'inner-secret' is reserved by the index 'main' (inner-*), which has no files of it"
    assert steps(found) == {
        "main": "reserves it (inner-*) and has no files of it",
        "public": "neither owns nor reserves it; its upstream is not asked for this name",
    }
    withheld = guarded.explain("inner-secret", index="public")
    assert (withheld["answer"], withheld["owner"], withheld["files"]) == ("withheld", None, [])
    assert "belongs to the index 'main', so no upstream is asked for it here" in withheld["sentence"]
    assert guarded.get("/public/simple/inner-secret/").status == 404
    assert guarded.upstream.count("inner-secret") == 0


def test_an_owned_name_is_explained(guarded: Guarded) -> None:
    """Own files answer alone, under an index above too, and still keep the name when they are deleted."""
    guarded.put("acme-own", "9.0")
    wheel = guarded.publish("acme-own")
    found = guarded.explain("acme-own")
    assert (found["answer"], found["owner"]) == ("own", "main")
    assert [(file["filename"], file["offered"]) for file in found["files"]] == [(wheel.name, True)]
    assert steps(found)["main"] == "owns it: it has files of it, or had"
    assert guarded.explain("acme-own", index="public")["answer"] == "withheld"
    guarded.strongroom("delete", "acme-own", "--yes")
    assert guarded.get("/main/simple/acme-own/").status == 404
    found = guarded.explain("acme-own")
    assert (found["answer"], found["owner"], found["files"]) == ("own", "main", [])
    assert guarded.upstream.count("acme-own") == 0


def test_an_unknown_name_is_explained(guarded: Guarded) -> None:
    """A name that nobody has, and an upstream that does not answer, are both said in the sentence."""
    found = guarded.explain("acme-mistyped")
    assert found["answer"] == "upstream"
    assert found["sentence"].endswith("so the upstream of 'public' is asked; it was not found upstream")
    guarded.upstream.is_down = True
    try:
        down = guarded.explain("acme-away")
        assert guarded.get("/main/simple/acme-away/").status == 502
    finally:
        guarded.upstream.is_down = False
    assert "503" in down["sentence"]


def test_a_refused_first_upload_is_explained(guarded: Guarded) -> None:
    """The upload of a name that exists upstream is refused with the command that claims it; pasted, it works."""
    wheel, _ = make_dists(guarded.folder / "claimed", KNOWN)
    headers, body = upload_form(wheel.path, name=KNOWN, version="1.0")
    wait_for_the_list(guarded)
    assert guarded.explain(KNOWN)["answer"] == "upstream"
    refusal = guarded.post("/legacy/", headers={**headers, "Accept": PROBLEM}, body=body)
    assert (refusal.status, refusal.json()["code"]) == (400, "name-exists-upstream")
    command = f"strongroom name claim {KNOWN} --index main"
    assert command in refusal.json()["detail"]
    guarded.strongroom(*shlex.split(command)[1:])
    assert guarded.upload(wheel, KNOWN).status == 200
    assert guarded.explain(KNOWN)["answer"] == "own"
    assert guarded.explain(KNOWN, index="public")["answer"] == "upstream"


def test_an_overlay_is_explained(guarded: Guarded) -> None:
    """Own files over the upstream's: each file says whether it is offered, covered, or hidden by a rule."""
    wait_for_the_list(guarded)
    covered, below = guarded.put(OVERLAID, "1.0"), guarded.put(OVERLAID, "2.0")
    young = guarded.put(OVERLAID, "3.0", age=timedelta(hours=1))
    guarded.strongroom("name", "overlay", OVERLAID, "--reason", "patched")
    own = guarded.publish(OVERLAID, "1.0")
    found = guarded.explain(OVERLAID)
    assert (found["answer"], found["owner"]) == ("overlay", "main")
    assert "stand over those of the next source" in found["sentence"]
    assert [(file["filename"], file["offered"], file["code"]) for file in found["files"]] == [
        (own.name, True, ""),
        (covered.filename, False, "overlaid"),
        (below.filename, True, ""),
        (young.filename, False, "too-young"),
    ]
    assert guarded.listed(OVERLAID) == [own.name, below.filename]
    assert guarded.get(f"/main/files/{OVERLAID}/{own.name}").body == own.path.read_bytes()
    refusal = guarded.get(f"/main/files/{OVERLAID}/{young.filename}")
    assert (refusal.status, refusal.json()["code"]) == (403, "too-young")


def test_a_person_reads_it(guarded: Guarded) -> None:
    """The words on a terminal: whose the name is, the way, how many files, each hidden one, one hint a rule."""
    guarded.put("acme-read", "1.0")
    for version in ("2.0", "2.1"):
        guarded.put("acme-read", version, age=timedelta(hours=1))
    guarded.put_sdist("acme-read", "1.0")
    lines = guarded.read("explain", "acme-read").splitlines()
    assert lines[:4] == [
        "In the index 'main', 'acme-read' belongs to nobody here, so the upstream of 'public' is asked; "
        "'public' found it upstream just now.",
        "  main: neither owns nor reserves it",
        "  public: neither owns nor reserves it; its upstream is asked",
        "1 file is offered, 3 are hidden.",
    ]
    assert [line.split()[0] for line in lines[5:8]] == [
        "acme_read-1.0.tar.gz",
        "acme_read-2.0-py3-none-any.whl",
        "acme_read-2.1-py3-none-any.whl",
    ]
    hints = lines[8:]
    assert len(hints) == 2
    assert "acme-read==2.1 --rule too-young" in hints[1]
    assert hints[0].startswith("Use a version that has a wheel for your platform. If you need it all the same")


def steps(found: Found) -> dict[str, str]:
    """Return what explain says of each index on the way."""
    return {step["index"]: step["sentence"] for step in found["steps"]}


def wait_for_next_look() -> None:
    """Wait until the server asks the upstream again for a page that it has just given out."""
    time.sleep(5.5)


def wait_for_the_list(guarded: Guarded) -> None:
    """Wait until the server has fetched the upstream's list of names: half a minute after its start."""
    ends_at = time.monotonic() + 60
    while time.monotonic() < ends_at:
        report = json.loads(guarded.strongroom("name", "report", "--json"))
        if report["certain"]:
            return
        time.sleep(0.2)
    raise AssertionError(f"the list was not fetched:\n{guarded.server.log_text()}")
