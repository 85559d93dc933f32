"""What is different on a terminal: questions, and a bar that shows how far long work has come."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from strongroom.cli.progress import showing_progress
from tests.cli.program import Program
from tests.factories import a_file, a_project

SDIST = "demo-1.0.tar.gz"


def run_on_terminal(program: Program, *arguments: str, answers: tuple[str, ...] = ()) -> tuple[int, str]:
    """Run a command on a terminal, answer its questions, and return exit code and what the terminal shows."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "strongroom", *arguments, "--data", str(program.data)]
    environment = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown, left = "", list(answers)
    while chunk := read_some(ours):
        shown += chunk
        if left and shown.endswith(": "):
            os.write(ours, f"{left.pop(0)}\n".encode())
    os.close(ours)
    return process.wait(), shown


def read_some(terminal: int) -> str:
    """Return what came next, or nothing when the program has closed the terminal."""
    try:
        return os.read(terminal, 65536).decode()
    except OSError:
        return ""


def test_deleting_asks_first(store: Program) -> None:
    """No deletes nothing; yes deletes."""
    store.publish(a_project(), a_file(SDIST))
    code, shown = run_on_terminal(store, "delete", "demo==1.0", answers=("n",))
    assert code != 0
    assert "Delete demo==1.0 from 'main' for ever?" in shown
    assert "deleted" not in store.kinds()
    code, shown = run_on_terminal(store, "delete", "demo==1.0", answers=("y",))
    assert (code, f"Deleted {SDIST}" in shown) == (0, True)


def test_a_password_is_asked_for_twice_and_not_shown(store: Program) -> None:
    """As on any terminal."""
    password = "correct horse battery"
    code, shown = run_on_terminal(store, "user", "password", "bob", answers=(password, password))
    assert code == 0
    assert "The password of 'bob' is set." in shown
    assert password not in shown
    assert store.json("user", "list")[1]["password"] is True


def test_long_work_shows_a_bar(store: Program) -> None:
    """And its result afterwards."""
    store.publish(a_project(), a_file(SDIST))
    code, shown = run_on_terminal(store, "verify")
    assert code == 0
    assert "Checking files" in shown
    assert "All is well: 1 files" in shown


def test_elsewhere_short_work_shows_nothing(store: Program) -> None:
    """A line comes every ten seconds only, so that a log stays readable."""
    with showing_progress("Checking files") as progress:
        progress(1, 2)
    assert "Checking" not in store.run("verify").stderr
