"""`strongroom name`: names that indexes hold."""

from __future__ import annotations

import pytest

from strongroom.core.names import ProjectName
from tests.cli.program import Program
from tests.factories import MAIN, a_project, an_upstream_page
from tests.fakes import START

URL = "https://upstream.example/simple/"


def test_a_prefix_is_reserved_listed_and_released(store: Program) -> None:
    """Each with a sentence and an entry in the log."""
    told = store.run("name", "reserve", "Acme_*", "--reason", "our prefix")
    assert (told.exit_code, told.stdout) == (0, "")
    assert told.stderr == "Reserved 'acme-*' for 'main': it is never asked for upstream.\n"
    (held,) = store.json("name", "list", "--index", "main")
    assert (held["index"], held["pattern"], held["hold"]) == ("main", "acme-*", "reserved")
    assert held["reason"] == "our prefix"
    released = store.run("name", "release", "acme-*")
    assert released.stderr == "'acme-*' is no longer reserved in 'main'.\n"
    assert store.run("name", "list").stderr == "No name is held.\n"
    assert store.kinds()[-2:] == ["name-held", "name-released"]


def test_claims_and_overlays_need_an_upstream_that_may_have_the_name(store: Program) -> None:
    """With none there is nothing to claim; with one whose list is not here yet, it is said."""
    refused = store.run("name", "claim", "demo")
    assert refused.exit_code == 1
    assert "strongroom name reserve demo --index main" in refused.stderr
    store.done("index", "create", "mirror", "--no-uploads", "--upstream", URL, "--offline", "--cooldown", "3d")
    claimed = store.run("name", "claim", "demo", "--reason", "we patch it")
    assert claimed.exit_code == 0
    assert claimed.stderr.startswith("Claimed 'demo' for 'main': only the files of 'main' stand for it there.\n")
    assert "could not be checked" in claimed.stderr
    overlaid = store.json("name", "overlay", "demo", "--index", "main")
    assert (overlaid["hold"], len(overlaid["remarks"])) == ("overlay", 1)
    assert [held["hold"] for held in store.json("name", "list")] == ["overlay"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("claim", "acme-*"), 2, "only a single name can be claimed"),
        (("overlay", "acme-*"), 2, "only a single name can be overlaid"),
        (("reserve", "*"), 2, "neither a name nor a prefix"),
        (("reserve", "a b"), 2, "is not a project name or pattern"),
        (("reserve", "demo", "--index", "nowhere"), 3, "no index 'nowhere'"),
        (("release", "demo"), 3, "does not hold 'demo'"),
    ],
)
def test_what_cannot_be_done_is_explained(store: Program, arguments: tuple[str, ...], code: int, told: str) -> None:
    """Nothing is changed."""
    before = store.kinds()
    result = store.run("name", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr
    assert store.kinds() == before


def test_the_report_names_what_is_near(store: Program) -> None:
    """For people as tables, for scripts as data; what is missing is said."""
    empty = store.run("name", "report")
    assert "No own name is known to exist upstream." in empty.stderr
    assert "Clients ask for no name that nobody owns." in empty.stderr
    store.publish(a_project("demo"))
    store.change(lambda tx: tx.asked_names.add({(MAIN, ProjectName("dem0")): 3}, START))
    found = store.json("name", "report", "--index", "main")
    assert (found["certain"], found["internal"]) == (True, [])
    (wanted,) = found["wanted"]
    assert (wanted["project"], wanted["count"], wanted["lookalikes"]) == ("dem0", 3, ["demo"])
    assert "main   dem0  3      demo" in store.done("name", "report")
    store.done("index", "create", "mirror", "--no-uploads", "--upstream", URL, "--offline", "--cooldown", "3d")
    assert "is not here yet" in store.run("name", "report").stderr


def test_own_names_that_exist_upstream_are_in_the_report(store: Program) -> None:
    """From a page that was kept, without a list too."""
    store.done("index", "create", "mirror", "--no-uploads", "--upstream", URL, "--offline", "--cooldown", "3d")
    store.publish(a_project("demo"))
    store.change(lambda tx: tx.upstream_pages.save(an_upstream_page(index="mirror")))
    (internal,) = store.json("name", "report")["internal"]
    assert internal == {"index": "main", "project": "demo", "hold": None, "upstreams": ["mirror"]}
    assert "main   demo  -     mirror" in store.done("name", "report")
