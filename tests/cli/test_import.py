"""`strongroom import`: what it prints, and with which exit code it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from strongroom.cli.main import cli
from tests.archives.sdists import Sdist
from tests.archives.wheels import Wheel
from tests.cli.program import Program
from tests.factories import an_upstream_page

_WHEEL, _SDIST = Wheel(), Sdist()


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Make a directory with a wheel, an sdist below it, and a file that is neither."""
    directory = tmp_path / "packages"
    (directory / "old").mkdir(parents=True)
    (directory / _WHEEL.filename).write_bytes(_WHEEL.build())
    (directory / "old" / _SDIST.filename).write_bytes(_SDIST.build())
    (directory / "README").write_text("ours")
    return directory


def run(tmp_path: Path, *arguments: str) -> Result:
    """Run the command on a store of its own."""
    return CliRunner().invoke(cli, ["--data", str(tmp_path / "data"), *arguments], prog_name="strongroom")


def test_it_makes_the_store_and_tells_the_counts(tmp_path: Path, packages: Path) -> None:
    """A first import needs no server and no preparation; a second one changes nothing. Both end with 0."""
    first = run(tmp_path, "import", str(packages), "--index", "main")
    assert (first.exit_code, first.stdout) == (0, "")
    assert "Imported 2 files; 0 were there already, 0 were refused, 1 are no distributions." in first.stderr
    second = run(tmp_path, "import", str(packages), "--index", "main", "--json")
    assert second.exit_code == 0
    assert json.loads(second.stdout) == {"imported": 0, "present": 2, "refused": [], "ignored": 1, "interrupted": False}


def test_refusals_are_told_with_their_reason_and_end_with_1(tmp_path: Path, packages: Path) -> None:
    """On standard error as they happen, and as data with --json; the other files are imported."""
    (packages / "broken-1.0.tar.gz").write_bytes(b"nothing")
    (packages / "odd\x1b[31m.whl").write_bytes(b"nothing")
    told = run(tmp_path, "--json", "import", str(packages), "--index", "main")
    assert told.exit_code == 1
    data = json.loads(told.stdout)
    assert (data["imported"], {refusal["code"] for refusal in data["refused"]}) == (2, {"gzip-header", "filename"})
    assert "broken-1.0.tar.gz: " in told.stderr
    assert "\x1b" not in told.stdout + told.stderr


def test_a_mistyped_directory_or_index_is_an_error(tmp_path: Path, packages: Path) -> None:
    """One sentence and its exit code, never a traceback."""
    nowhere = run(tmp_path, "import", str(tmp_path / "nowhere"), "--index", "main")
    assert nowhere.exit_code == 2
    assert "is not a directory" in nowhere.stderr
    missing = run(tmp_path, "import", str(packages), "--index", "nowhere")
    assert missing.exit_code == 3
    assert "Traceback" not in nowhere.stderr + missing.stderr


def test_without_an_index_it_imports_into_the_default_one(tmp_path: Path, packages: Path) -> None:
    """Which is main."""
    assert run(tmp_path, "import", str(packages)).exit_code == 0
    shown = json.loads(run(tmp_path, "index", "show", "main", "--json").stdout)
    assert shown["files"] == 2


def test_ctrl_c_finishes_the_files_at_hand(tmp_path: Path) -> None:
    """It ends with 130, keeps what it has done, and the next run does the rest."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for minor in range(150):
        wheel = Wheel(version=f"1.{minor}")
        (packages / wheel.filename).write_bytes(wheel.build())
    data = tmp_path / "data"
    command = [sys.executable, "-m", "strongroom", "--data", str(data), "--json", "import", str(packages)]
    process = subprocess.Popen([*command, "--index", "main"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    _wait_for_blobs(data / "blobs")
    os.kill(process.pid, signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    told = json.loads(printed)
    assert (process.returncode, told["interrupted"], told["refused"]) == (130, True, [])
    assert 0 < told["imported"] < 150
    rest = json.loads(run(tmp_path, "--json", "import", str(packages), "--index", "main").stdout)
    assert (rest["present"], rest["imported"]) == (told["imported"], 150 - told["imported"])
    assert not list((data / "incoming").iterdir())


def _wait_for_blobs(blobs: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if sum(path.is_file() for path in blobs.rglob("*")) > 5:
            return
        time.sleep(0.02)
    raise AssertionError("the import never began")


def test_what_one_should_know_of_a_new_name_is_told(tmp_path: Path, packages: Path) -> None:
    """Once for each name, on standard error; the files are imported all the same."""
    upstream = ("--no-uploads", "--upstream", "https://upstream.example/simple/", "--offline", "--cooldown", "3d")
    run(tmp_path, "index", "create", "mirror", *upstream)
    told = run(tmp_path, "import", str(packages), "--index", "main")
    assert told.exit_code == 0
    assert "Imported 2 files" in told.stderr
    assert "Whether 'demo' exists upstream too could not be checked" in told.stderr


def test_a_name_that_exists_upstream_is_not_imported_until_it_is_claimed(tmp_path: Path, packages: Path) -> None:
    """The refusal holds the command."""
    upstream = ("--no-uploads", "--upstream", "https://upstream.example/simple/", "--offline", "--cooldown", "3d")
    run(tmp_path, "index", "create", "mirror", *upstream)
    Program(tmp_path / "data").change(lambda tx: tx.upstream_pages.save(an_upstream_page(index="mirror")))
    refused = run(tmp_path, "import", str(packages), "--index", "main")
    assert refused.exit_code == 1
    assert "strongroom name claim demo --index main" in refused.stderr
    assert json.loads(run(tmp_path, "index", "show", "main", "--json").stdout)["files"] == 0
    run(tmp_path, "name", "claim", "demo", "--index", "main")
    assert run(tmp_path, "import", str(packages), "--index", "main").exit_code == 0
