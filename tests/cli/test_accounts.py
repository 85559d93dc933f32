"""`strongroom user`, `grant` and `token`."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import pytest

from strongroom.cli.views import view_token
from strongroom.core.names import TokenId
from strongroom.core.tokens import find_token_text
from tests.cli.program import Program
from tests.factories import a_token


def test_a_token_is_printed_alone_on_standard_output(store: Program) -> None:
    """So that TOKEN=$(strongroom token create ...) works; all else goes to standard error."""
    command = [sys.executable, "-m", "strongroom", "token", "create", "--user", "bob", "--data", str(store.data)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    text = result.stdout.removesuffix("\n")
    held = find_token_text(text)
    assert held is not None
    assert held.token_id in result.stderr
    assert held.secret not in result.stderr
    assert "read, upload on every project in every index" in result.stderr


def test_a_first_user_needs_no_server(program: Program) -> None:
    """The command makes the store and the index main; the whole story is in the log."""
    result = program.run("user", "create", "ada", "--admin")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "Created the administrator 'ada'. Next: strongroom token create --user ada\n"
    assert program.kinds() == ["index-created", "user-created"]
    assert program.data.stat().st_mode & 0o077 == 0


def test_first_rights_are_chosen_by_flags(program: Program) -> None:
    """Each index with each pattern; without flags: read, upload and yank everywhere."""
    program.done("index", "create", "staging")
    program.done("user", "create", "a")
    program.done("user", "create", "b", "--no-rights")
    program.done("user", "create", "c", "--right", "read", "--index", "main", "--index", "staging")
    program.done("user", "create", "d", "--project", "acme-*")
    found = {user["name"]: user["grants"] for user in program.json("user", "list")}
    assert found == {
        "a": ["read, upload, yank on every project in every index"],
        "b": [],
        "c": ["read on every project in main", "read on every project in staging"],
        "d": ["read, upload, yank on acme-* in every index"],
    }


def test_a_password_comes_from_standard_input(program: Program) -> None:
    """Its first line, without the line end; never from an argument that others could see."""
    program.done("user", "create", "bob", "--password-stdin", stdin="correct horse battery\nmore\n")
    assert program.json("user", "list")[0]["password"] is True
    program.done("user", "password", "bob", "--remove")
    assert program.json("user", "list")[0]["password"] is False
    program.done("user", "password", "bob", "--password-stdin", stdin="correct horse battery\n")
    assert program.kinds()[2:] == ["user-changed", "user-changed"]
    assert program.run("user", "password", "bob", "--password-stdin", stdin="short\n").exit_code == 2


def test_users_are_listed_as_a_table_or_as_json(store: Program) -> None:
    """A line each."""
    lines = store.done("user", "list").splitlines()
    assert lines[0].split() == ["NAME", "ADMINISTRATOR", "DISABLED", "PASSWORD", "GRANTS"]
    assert lines[1].split() == ["ada", "yes", "no", "no", "-"]
    assert lines[2].split()[:4] == ["bob", "no", "no", "no"]
    assert [user["name"] for user in store.json("user", "list")] == ["ada", "bob"]


def test_a_user_is_disabled_and_enabled(store: Program) -> None:
    """And with --json the new state is printed."""
    assert store.json("user", "disable", "bob")["disabled"] is True
    assert store.json("user", "enable", "bob")["disabled"] is False
    assert store.run("user", "disable", "ada").exit_code == 1
    assert store.kinds()[-2:] == ["user-changed", "user-changed"]


def test_grants_are_added_listed_and_removed(store: Program) -> None:
    """Each command says what the user holds afterwards."""
    added = store.run("grant", "add", "bob", "--right", "delete", "--index", "main", "--project", "Acme_*")
    assert "delete on acme-* in main" in added.stderr
    listed = store.json("grant", "list", "bob")
    assert {"user": "bob", "rights": ["delete"], "index": "main", "projects": "acme-*"} in listed
    assert len(listed) == len(store.json("grant", "list")) == 2
    assert "every index" in store.done("grant", "list", "bob")
    store.done("grant", "remove", "bob", "--right", "delete", "--index", "main", "--project", "acme-*")
    held = store.run("grant", "remove", "bob", "--right", "upload")
    assert held.stderr == "'bob' now holds: read, yank on every project in every index\n"
    assert store.kinds()[-3:] == ["grant-added", "grant-removed", "grant-removed"]


def test_a_tokens_scope_is_chosen_by_flags(store: Program) -> None:
    """Rights, indexes, projects, networks and its end."""
    made = store.json(
        *("token", "create", "--user", "bob", "--label", "ci", "--index", "main", "--project", "Acme_*"),
        *(
            "--right",
            "read",
            "--right",
            "yank",
            "--expires",
            "12h",
            "--network",
            "10.0.0.0/8",
            "--network",
            "192.0.2.7",
        ),
    )
    assert find_token_text(made.pop("token")) is not None
    (listed,) = store.json("token", "list")
    assert listed == made
    assert (made["rights"], made["indexes"], made["projects"]) == (["read", "yank"], ["main"], ["acme-*"])
    assert made["networks"] == ["10.0.0.0/8", "192.0.2.7/32"]
    assert made["parent"] is None
    assert made["created"][:10] <= made["expires"][:10]
    (entry,) = store.json("audit", "log", "--limit", "1")
    assert entry["event"]["networks"] == ["10.0.0.0/8", "192.0.2.7/32"]
    assert 'networks=["10.0.0.0/8", "192.0.2.7/32"]' in store.done("audit", "log", "--limit", "1")


def test_a_token_is_shown_with_the_one_that_made_it() -> None:
    """By its id, under the name that scripts read."""
    assert view_token(replace(a_token(), parent=TokenId("B" * 16)))["parent"] == "B" * 16


@pytest.mark.parametrize(("expires", "ends"), [("30m", True), ("2w", True), ("1y", True), ("never", False)])
def test_a_token_ends_when_it_was_said(store: Program, expires: str, *, ends: bool) -> None:
    """In minutes, weeks, years, or never."""
    made = store.json("token", "create", "--user", "bob", "--expires", expires)
    assert (made["expires"] is not None) is ends


def test_a_token_is_rotated_and_revoked(store: Program) -> None:
    """The new one is printed alone; the old one is over, or stays for the overlap."""
    first = store.json("token", "create", "--user", "bob")
    second = store.run("token", "rotate", first["id"])
    assert find_token_text(second.stdout.strip()) is not None
    (new_id,) = re.findall(r"Token (\w{16}) ", second.stderr)
    third = store.json("token", "rotate", new_id, "--overlap", "1h")
    revoked = {token["id"]: token["revoked"] is not None for token in store.json("token", "list")}
    assert revoked == {first["id"]: True, new_id: False, third["id"]: False}
    assert store.json("token", "revoke", third["id"])["revoked"] is not None
    assert store.run("token", "rotate", third["id"]).exit_code == 1
    assert "-" in store.done("token", "list", "--user", "bob")
    assert store.done("token", "list", "--user", "ada") == ""
    assert store.kinds()[-4:] == ["token-issued", "token-issued", "token-issued", "token-revoked"]
