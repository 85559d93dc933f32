"""`strongroom promote` and `strongroom promotion`."""

from __future__ import annotations

import pytest

from tests.cli.program import Program
from tests.factories import a_file, a_project

WHEEL, SDIST, OTHER = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz", "other-2.0.tar.gz"
WAY = ("--from", "staging", "--to", "main")


@pytest.fixture
def shelf(store: Program) -> Program:
    """Provide a store with two projects in staging."""
    store.done("index", "create", "staging")
    store.publish(a_project(index="staging"), a_file(WHEEL, index="staging"), a_file(SDIST, index="staging"))
    store.publish(a_project("other", index="staging"), a_file(OTHER, index="staging"))
    return store


def kinds(program: Program) -> list[str]:
    """Return the kinds of what happened to promotions."""
    return [kind for kind in program.kinds() if kind.startswith("promot")]


def promotion_id(program: Program) -> str:
    """Return the id of the newest promotion."""
    newest, *_ = program.json("promotion", "list")
    return str(newest["id"])


def test_releases_are_promoted_and_taken_back(shelf: Program) -> None:
    """With words about each; the command that takes it back is said, and works."""
    result = shelf.run("promote", "Demo==1.0", "other", *WAY, "--reason", "June")
    assert result.exit_code == 0
    assert result.stdout == ""
    promotion = promotion_id(shelf)
    assert result.stderr.splitlines()[-3:] == [
        "demo==1.0: 2 files now in 'main'.",
        "other==2.0 (the latest): 1 file now in 'main'.",
        f"To take it back: strongroom promotion undo {promotion}",
    ]
    again = shelf.run("promote", "demo", *WAY)
    assert again.stderr.endswith("demo==1.0 (the latest): 'main' has it already.\nNothing to do: it is so already.\n")
    undone = shelf.run("promotion", "undo", promotion, "--reason", "bad").stderr.splitlines()
    assert undone[-4:] == [
        f"Took {WHEEL} out of 'main'.",
        f"Took {SDIST} out of 'main'.",
        f"Took {OTHER} out of 'main'.",
        f"The promotion {promotion} is undone.",
    ]
    assert shelf.run("promotion", "undo", promotion).exit_code == 1
    assert kinds(shelf) == ["promoted", "promoted", "promotion-undone", "promotion-undone"]
    assert shelf.run("verify").exit_code == 0
    shelf.done("promote", "demo", *WAY)
    (wheel, sdist) = shelf.json("promotion", "undo", promotion_id(shelf))["undone"]
    assert (wheel, sdist) == (WHEEL, SDIST)


def test_a_dry_run_tells_and_changes_nothing(shelf: Program) -> None:
    """As sentences, or with --json."""
    result = shelf.run("promote", "demo", *WAY, "--dry-run")
    assert "demo==1.0 (the latest): 2 files for 'main'." in result.stderr
    assert result.stderr.endswith("Nothing was changed: this was a dry run.\n")
    assert shelf.json("promote", "demo==1.0", *WAY, "--dry-run") == {
        "promotion": None,
        "releases": [
            {
                "project": "demo",
                "version": "1.0",
                "chosen": False,
                "new": [WHEEL, SDIST],
                "present": [],
                "remarks": [],
            }
        ],
    }
    assert shelf.run("promotion", "list").stderr.endswith("There are no promotions.\n")
    assert kinds(shelf) == []


def test_what_cannot_be_promoted_is_an_error(shelf: Program) -> None:
    """A missing release ends with 3, a refusal with 1, a malformed command line with 2."""
    missing = shelf.run("promote", "demo==9", *WAY)
    assert missing.exit_code == 3
    assert "The index 'staging' has no release demo==9\n" in missing.stderr
    assert shelf.run("promote", "demo", "--from", "staging", "--to", "staging").exit_code == 1
    assert shelf.run("promote", *WAY).exit_code == shelf.run("promote", "demo").exit_code == 2
    assert shelf.run("promotion", "show", "nonsense").exit_code == 2
    assert shelf.run("promotion", "show", "0" * 16).exit_code == 3
    assert kinds(shelf) == []


def test_promotions_wait_where_the_index_wants_it(shelf: Program) -> None:
    """They are listed, shown, approved or refused."""
    shelf.done("index", "set", "main", "--needs-approval")
    waiting = shelf.run("promote", "demo", *WAY)
    assert "demo==1.0 (the latest): 2 files for 'main'." in waiting.stderr
    first = promotion_id(shelf)
    assert waiting.stderr.endswith(f"'main' needs approval: strongroom promotion approve {first}\n")
    shelf.done("promote", "other", *WAY)
    second = promotion_id(shelf)
    assert "1 file now in" not in shelf.run("promotion", "refuse", second, "--reason", "no").stderr
    approved = shelf.run("promotion", "approve", first, "--check-dependencies")
    assert "demo==1.0: 2 files now in 'main'." in approved.stderr
    assert shelf.run("promotion", "approve", first, "--json").exit_code == 1
    shown = shelf.json("promotion", "show", first)
    assert (shown["stage"], shown["files"]) == ("done", [WHEEL, SDIST])
    assert shown["decided_by"].startswith("operator:")
    assert [item["stage"] for item in shelf.json("promotion", "list")] == ["refused", "done"]
    assert shelf.json("promotion", "list", "--pending") == []
    assert "other==2.0" in shelf.done("promotion", "list", "--index", "staging")
    assert kinds(shelf) == ["promotion-requested", "promotion-requested", "promotion-refused", "promoted"]


def test_an_approval_is_printed_as_data(shelf: Program) -> None:
    """With --json, as the promotion itself."""
    shelf.done("index", "set", "main", "--needs-approval")
    shelf.done("promote", "demo", *WAY)
    assert shelf.json("promotion", "approve", promotion_id(shelf))["promotion"]["stage"] == "done"
