"""`strongroom index`: the settings of indexes as flags."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.cli.program import Program

URL = "https://upstream.example/simple/"
EVERYTHING = (
    *("--base", "main", "--upstream", URL, "--no-uploads", "--anonymous-read", "--freshness", "1h", "--redirect"),
    *("--offline", "--cooldown", "3d", "--needs-approval", "--forbid-reserved", "--downloads", "stream"),
)


def test_an_index_is_made_with_all_its_settings(store: Program) -> None:
    """One command; nothing unwise is left to warn of."""
    result = store.run("index", "create", "team", *EVERYTHING)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "Created the index 'team'; its URL is /team/simple/\n"
    shown = store.json("index", "show", "team")
    assert shown.pop("created")
    assert shown == {
        "name": "team",
        "accepts_uploads": False,
        "anonymous_read": True,
        "bases": ["main"],
        "upstream": URL,
        "has_credentials": False,
        "freshness_seconds": 3600,
        "delivery": "redirect",
        "offline": True,
        "rules": ["A file comes through 3 days after its upload."],
        "forbids_reserved": True,
        "needs_approval": True,
        "downloads": "stream",
        "projects": 0,
        "files": 0,
    }


def test_everything_can_be_taken_back(store: Program) -> None:
    """What is not named stays; the answer says what the index is now."""
    store.done("index", "create", "team", *EVERYTHING)
    told = store.run("index", "set", "team", "--online", "--cache", "--freshness", "0")
    assert told.stderr == (
        "Changed the index 'team': it takes no uploads; everybody may read it; what it does not have comes from main; "
        f"it mirrors {URL}; it has rules (strongroom rules show --index team); "
        "a reserved name without files is forbidden there; promotions into it wait for approval; "
        "files in a bucket come through the server.\n"
    )
    off = ("--no-bases", "--no-upstream", "--uploads", "--no-anonymous-read", "--cooldown", "off")
    told = store.run(
        "index", "set", "team", *off, "--no-needs-approval", "--no-forbid-reserved", "--downloads", "redirect"
    )
    assert told.stderr == "Changed the index 'team': it takes uploads; only those with the right may read it; " + (
        "files in a bucket come by a redirect to it.\n"
    )
    store.done("index", "set", "team", "--downloads", "auto")
    plain, main = store.json("index", "show", "team"), store.json("index", "show", "main")
    assert plain == main | {"name": "team", "created": plain["created"]}
    assert store.kinds()[-3:] == ["index-changed", "index-changed", "index-changed"]


def test_a_cooldown_leaves_the_other_rules(store: Program) -> None:
    """It is one of them."""
    store.done("index", "create", "team", "--upstream", URL, "--cooldown", "1d")
    store.done("rules", "set", "--index", "team", "--deny", "evil")
    store.done("index", "set", "team", "--cooldown", "2w")
    assert store.json("index", "show", "team")["rules"] == [
        "A file comes through 14 days after its upload.",
        "These never come through: evil.",
    ]


def test_credentials_come_by_standard_input_and_are_never_shown(store: Program) -> None:
    """Neither by a command nor in the log."""
    flags = ("--upstream-user", "reader", "--upstream-password-stdin")
    result = store.run("index", "create", "team", "--upstream", URL, "--cooldown", "3d", *flags, stdin="s3cret\n")
    assert result.exit_code == 0
    outputs = [result.output, store.done("index", "show", "team", "--json"), store.done("audit", "log", "--json")]
    assert not any("s3cret" in output for output in outputs)
    assert store.json("index", "show", "team")["has_credentials"]
    store.done("index", "set", "team", "--no-credentials")
    assert not store.json("index", "show", "team")["has_credentials"]


def test_an_upstream_without_a_cooldown_is_warned_of(store: Program) -> None:
    """And one without encryption; at making, and when a URL is set. Other changes say nothing of it."""
    made = store.run("index", "create", "team", "--upstream", "http://upstream.example/simple")
    assert "strongroom index set team --cooldown 3d" in made.stderr
    assert "without encryption" in made.stderr
    assert "cooldown" not in store.run("index", "set", "team", "--offline").stderr
    moved = store.run("index", "set", "team", "--upstream", URL).stderr
    assert "--cooldown 3d" in moved
    assert "without encryption" not in moved


@dataclass(frozen=True, slots=True)
class Wrong:
    """Flags that don't go together."""

    flags: tuple[str, ...]
    told: str


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong((), "Name a setting"),
        Wrong(("--base", "main", "--no-bases"), "--no-bases contradicts --base"),
        Wrong(("--upstream", URL, "--no-upstream"), "--no-upstream contradicts"),
        Wrong(("--offline", "--no-upstream"), "--no-upstream contradicts"),
        Wrong(("--upstream-user", "reader"), "belong together"),
        Wrong(("--upstream-password-stdin",), "belong together"),
        Wrong(
            ("--no-credentials", "--upstream-user", "a", "--upstream-password-stdin"), "--no-credentials contradicts"
        ),
        Wrong(("--freshness", "soon"), "is not a time"),
    ],
)
def test_contradictions_are_usage_errors(store: Program, wrong: Wrong) -> None:
    """Nothing is changed."""
    before = store.kinds()
    result = store.run("index", "set", "main", *wrong.flags)
    assert (result.exit_code, result.stdout) == (2, "")
    assert wrong.told in result.stderr
    assert store.kinds() == before


def test_a_base_stays_until_it_is_none(store: Program) -> None:
    """The refusal names who needs it."""
    store.done("index", "create", "team")
    store.done("index", "set", "main", "--base", "team")
    refused = store.run("index", "delete", "team")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "The index 'team' is a base of 'main'" in refused.stderr
    store.done("index", "set", "main", "--no-bases")
    store.done("index", "delete", "team")
    assert [index["name"] for index in store.json("index", "list")] == ["main"]


def test_a_first_run_mirrors_the_default_upstream(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind main, with a cooldown; later runs leave the indexes as they are, whatever the setting says."""
    monkeypatch.setenv("STRONGROOM_DEFAULT_UPSTREAM", "https://upstream.example/simple")
    program.done("user", "create", "ada", "--admin")
    monkeypatch.setenv("STRONGROOM_DEFAULT_UPSTREAM", "https://other.example/simple")
    main, public = program.json("index", "list")
    assert (main["name"], main["bases"], main["upstream"], main["accepts_uploads"]) == ("main", ["public"], None, True)
    assert (public["name"], public["upstream"], public["accepts_uploads"]) == ("public", URL, False)
    assert public["rules"] == ["A file comes through 3 days after its upload."]
    assert "public" in program.done("index", "list")
