"""The program as a whole: help, flags that every command takes, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from strongroom.cli import exits
from strongroom.cli.main import COMMANDS, LazyGroup, cli
from strongroom.core.errors import StorageFull, StrongroomError
from tests.cli.program import Program

HEAVY = ("sqlalchemy", "starlette", "fastapi", "granian", "rich", "argon2", "packaging", "msgspec", "asyncio")


def every_command(group: click.Command = cli, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the words of all commands."""
    if not isinstance(group, click.Group):
        return [path]
    context = click.Context(group)
    found = [(name, group.get_command(context, name)) for name in group.list_commands(context)]
    return [words for name, command in found if command for words in every_command(command, (*path, name))]


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_every_command_explains_itself_and_takes_the_shared_flags(words: tuple[str, ...]) -> None:
    """`--help` works everywhere; each command takes --data, and says what it does."""
    result = CliRunner().invoke(cli, [*words, "--help"], prog_name="strongroom")
    assert result.exit_code == 0
    assert "--data" in result.stdout
    assert len(result.stdout.splitlines()) > 4


def test_help_lists_the_commands_and_the_exit_codes() -> None:
    """Each in one line."""
    text = CliRunner().invoke(cli, ["--help"], prog_name="strongroom").stdout
    for name, place in COMMANDS.items():
        assert f"{name}  " in text
        assert place.summary in text
    for code in (0, 1, 2, 3, 4, 5, 70, 130):
        assert f" {code}  " in text


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(flag: str) -> None:
    """They answer at once, and `python -m strongroom` is the program too."""
    probe = (
        "import sys, atexit; sys.argv = ['strongroom', sys.argv[1]]\n"
        f"atexit.register(lambda: print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr))\n"
        "import runpy; runpy.run_module('strongroom', run_name='__main__')"
    )
    result = subprocess.run([sys.executable, "-c", probe, flag], capture_output=True, text=True, check=True)
    assert result.stdout.startswith(("Usage: strongroom", "strongroom "))
    assert result.stderr.strip() == "[]"


def test_data_may_stand_before_or_after_the_command(tmp_path: Path) -> None:
    """Or come from the environment; the flag nearest to the command counts."""
    runner = CliRunner()
    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    for arguments in (["--data", one, "user", "create", "a"], ["user", "create", "b", "--data", one]):
        assert runner.invoke(cli, arguments).exit_code == 0
    assert runner.invoke(cli, ["--data", one, "user", "create", "c", "--data", other]).exit_code == 0
    assert runner.invoke(cli, ["user", "--data", other, "create", "d"]).exit_code == 0

    def names(*arguments: str, env: dict[str, str] | None = None) -> list[str]:
        listed = runner.invoke(cli, ["user", "list", "--json", *arguments], env=env)
        return [user["name"] for user in json.loads(listed.stdout)]

    assert names("--data", one) == names(env={"STRONGROOM_DATA": one}) == ["a", "b"]
    assert names("--data", other) == names("--data", other, env={"STRONGROOM_DATA": one}) == ["c", "d"]


def test_a_mistyped_directory_is_not_made_a_store(program: Program) -> None:
    """Only commands that make things make a store."""
    result = program.run("user", "list")
    assert result.exit_code == exits.NOT_FOUND
    assert "There is no store in" in result.stderr
    assert "--data" in result.stderr
    assert not program.data.exists()


FAILURES = [
    (["user", "disable", "ghost"], exits.NOT_FOUND, "There is no user 'ghost'"),
    (["user", "create", "bob"], exits.REFUSED, "There is a user 'bob' already"),
    (["user", "create", "B O B"], exits.USAGE, "is not a user name"),
    (["user", "frobnicate"], exits.USAGE, "No such command"),
    (["token", "create"], exits.USAGE, "--user"),
    (["token", "create", "--user", "bob", "--expires", "soon"], exits.USAGE, "is not a time"),
    (["token", "create", "--user", "bob", "--network", "home"], exits.USAGE, "is not a network"),
    (["token", "create", "--user", "bob", "--right", "delete"], exits.USAGE, "bob may not delete anywhere"),
    (["index", "create", "simple"], exits.USAGE, "path of the server itself"),
    (["index", "delete", "main"], exits.REFUSED, "/simple/"),
    (["index", "set", "main"], exits.USAGE, "Name a setting"),
    (["yank", "ghost==1.0"], exits.NOT_FOUND, "There is no project 'ghost' in the index 'main'"),
    (["yank", "ghost"], exits.USAGE, "Name a version"),
    (["yank", "ghost==one"], exits.USAGE, "is not a version"),
    (["delete", "ghost"], exits.USAGE, "--yes"),
    (["status", "ghost", "sleepy"], exits.USAGE, "sleepy"),
    (["audit", "verify", "--head", "1:2"], exits.USAGE, "head"),
    (["user", "create", "eve", "--no-rights", "--right", "read"], exits.USAGE, "contradicts"),
    (["user", "password", "bob"], exits.USAGE, "--password-stdin"),
    (["user", "password", "bob", "--remove", "--password-stdin"], exits.USAGE, "contradicts"),
]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"), FAILURES, ids=lambda value: " ".join(value) if isinstance(value, list) else None
)
def test_an_error_is_a_sentence_with_an_exit_code(
    store: Program, arguments: list[str], code: int, sentence: str
) -> None:
    """On standard error, with nothing on standard output and no traceback; nothing is changed."""
    before = store.kinds()
    result = store.run(*arguments)
    assert result.exit_code == code
    assert sentence in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.output
    assert store.kinds() == before


def test_with_json_an_error_is_json_on_standard_error(store: Program) -> None:
    """Cause, code and hint apart; standard output stays empty."""
    result = store.run("user", "disable", "ghost", "--json")
    assert result.exit_code == exits.NOT_FOUND
    assert result.stdout == ""
    assert json.loads(result.stderr) == {
        "code": "user-unknown",
        "message": "There is no user 'ghost'",
        "hint": "Check the name; see `strongroom user list`.",
    }


def test_a_defect_is_one_sentence_and_a_traceback_only_with_debug(store: Program) -> None:
    """Here the catalog's file is none; the sentence says how to learn more."""
    (store.data / "catalog.sqlite3").unlink()
    (store.data / "catalog.sqlite3").mkdir()
    result = store.run("user", "list")
    assert result.exit_code in (exits.STORE, exits.DEFECT)
    assert "Traceback" not in result.output
    assert result.stderr.startswith("strongroom: ")
    debugged = store.run("user", "list", "--debug")
    assert debugged.exit_code == 1
    assert debugged.exception is not None


class Faulty(LazyGroup):
    """The program with one command, which fails."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(name="strongroom")
        self._error = error

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """Return the command, whatever its name."""
        return click.Command(cmd_name, callback=self._fail)

    def _fail(self) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (ZeroDivisionError("division by zero"), exits.DEFECT, "(ZeroDivisionError: division by zero)"),
        (ValueError(), exits.DEFECT, "(ValueError)"),
        (OSError(5, "Input/output error"), exits.DEFECT, "Input/output error"),
        (KeyboardInterrupt(), exits.INTERRUPTED, "Interrupted"),
        (StorageFull("disk-full", "The disk is full", "Free some space."), exits.STORE, "The disk is full"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_fails_ends_in_a_sentence(error: BaseException, code: int, sentence: str) -> None:
    """An unexpected error as well, and Ctrl-C."""
    result = CliRunner().invoke(Faulty(error), ["go"], prog_name="strongroom")
    assert result.exit_code == code
    assert sentence in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("error", [ZeroDivisionError(), StorageFull("disk-full", "The disk is full")])
def test_debug_shows_where_it_comes_from(error: Exception) -> None:
    """The error itself gets through, for Python to print."""
    assert CliRunner().invoke(Faulty(error), ["--debug", "go"]).exception is error


def test_every_error_has_an_exit_code() -> None:
    """What is in no table is a refusal, never a success."""

    def kinds(kind: type[StrongroomError]) -> set[type[StrongroomError]]:
        return {kind}.union(*(kinds(child) for child in kind.__subclasses__()))

    for kind in kinds(StrongroomError):
        ended = exits.ended_by(kind("code", "message"))
        assert ended.exit_code in (1, 2, 3, 4, 5)
    for code, name in ((2, "InvalidName"), (3, "NotFound"), (4, "Forbidden"), (5, "StorageFull"), (1, "Conflict")):
        found = next(one for one in kinds(StrongroomError) if one.__name__ == name)
        assert exits.ended_by(found("code", "message")).exit_code == code


def test_an_interrupt_ends_with_130() -> None:
    """As shells expect."""
    assert exits.interrupted().exit_code == 130


def test_settings_are_shown_without_passwords(program: Program) -> None:
    """The database's password is nobody's business."""
    result = CliRunner().invoke(
        cli,
        ["config", "show", "--json", "--data", str(program.data)],
        env={"STRONGROOM_DATABASE": "postgresql://me:s3cret@db.example/strongroom", "STRONGROOM_PORT": "9000"},
    )
    shown = json.loads(result.stdout)
    assert shown["database"] == "postgresql://me:***@db.example/strongroom"
    assert (shown["data"], shown["port"]) == (str(program.data), 9000)
    assert not program.data.exists()


@pytest.mark.parametrize("password", ["s3/cret", "s3:cret", "s3@cret"])
@pytest.mark.parametrize("after", ["", "?password=s3cret&sslmode=require"])
def test_a_password_is_not_shown_wherever_it_stands(password: str, after: str) -> None:
    """Not a piece of it, not in the query either."""
    url = f"postgresql://me:{password}@db.example/strongroom{after}"
    result = CliRunner().invoke(cli, ["config", "show", "--json"], env={"STRONGROOM_DATABASE": url})
    assert "postgresql://me:***@db.example/strongroom" in result.stdout
    assert "cret" not in result.stdout


def test_wrong_settings_are_all_named(program: Program) -> None:
    """At once, before anything is opened."""
    env = {"STRONGROOM_PORT": "many", "STRONGROOM_WORKERS": "0"}
    result = CliRunner().invoke(cli, ["config", "show"], env=env)
    assert result.exit_code == exits.STORE
    assert "STRONGROOM_PORT" in result.stderr
    assert "STRONGROOM_WORKERS" in result.stderr
