"""README.md does what it says: every command block is run, in order, in one shell.

A block is a fence marked `console` or `bash`. A comment on the line above may say how it is run:

    <!-- run: in the background -->   the commands go on while the following blocks run; wait for /healthz
    <!-- run: elsewhere -->           a `make` target that this test is part of: only its existence is checked

The address in the text is replaced by a free port, and what the text takes for granted
is there: `dist/` with acme-demo 1.0, and `packages/`, a directory of distributions.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import clients
from tests.functional.installers import make_target
from tests.functional.projects import make_dists
from tests.functional.server import free_port
from tests.functional.wire import request

README = clients.ROOT / "README.md"
ADDRESS = "127.0.0.1:8000"
FOREGROUND, BACKGROUND, ELSEWHERE = "", "in the background", "elsewhere"
_BLOCK = re.compile(
    r"(?:<!-- run: (?P<how>[^>]+?) -->\n\n?)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.M
)
_COMMANDS = {"console", "bash"}
_START_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Block:
    """A command block and how it is run."""

    text: str
    how: str

    @property
    def commands(self) -> str:
        """Return what is typed: where lines have a prompt, only those."""
        lines = self.text.splitlines()
        typed = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return "\n".join(typed or lines)


def blocks(text: str) -> list[Block]:
    """Return the command blocks of a document, in order."""
    return [
        Block(match["text"], match["how"] or FOREGROUND)
        for match in _BLOCK.finditer(text)
        if match["language"] in _COMMANDS
    ]


def test_blocks_are_found() -> None:
    """The runner sees fences, prompts and its own comments."""
    text = "a\n```console\n$ one\nout\n```\n<!-- run: elsewhere -->\n```bash\ntwo\nthree\n```\n```python\nnot()\n```\n"
    assert [(block.commands, block.how) for block in blocks(text)] == [("one", FOREGROUND), ("two\nthree", ELSEWHERE)]


def test_every_block_is_run_in_a_known_way() -> None:
    """No block of the README escapes: its comment is one that this runner knows, or there is none."""
    found = blocks(README.read_text())
    assert len(found) >= 5
    assert {block.how for block in found} <= {FOREGROUND, BACKGROUND, ELSEWHERE}
    assert sum(block.how == BACKGROUND for block in found) == 1
    makefile = (clients.ROOT / "Makefile").read_text()
    for block in found:
        for command in block.commands.splitlines() if block.how == ELSEWHERE else []:
            assert re.search(rf"^{command.removeprefix('make ')}:", makefile, re.MULTILINE), command


@pytest.mark.timeout(240)
def test_the_readme_works_from_top_to_bottom(tmp_path: Path) -> None:
    """Whoever types what the README says gets a server, a token, a published and an installed project."""
    address = f"127.0.0.1:{free_port()}"
    found = [Block(block.text.replace(ADDRESS, address), block.how) for block in blocks(README.read_text())]
    work = _prepare(tmp_path / "work")
    target = make_target(tmp_path / "target")
    (background,) = [block for block in found if block.how == BACKGROUND]
    script = "\n".join(["set -euxo pipefail", *(block.commands for block in found if block.how == FOREGROUND)])
    environment = clients.environment(tmp_path, "twine", "uv", "pip") | {
        "VIRTUAL_ENV": str(target.folder),
        "PIP_PYTHON": target.python,
    }
    environment["PATH"] += f":{clients.ROOT / '.venv' / 'bin'}"
    with _running(background, address=address, data=work / "strongroom-data"):
        done = subprocess.run(
            ["bash", "-c", script], cwd=work, env=environment, capture_output=True, text=True, timeout=180, check=False
        )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert target.version_of("acme-demo") == "1.0"
    assert "acme-imported" in _names(work / "strongroom-data", environment)


def _prepare(work: Path) -> Path:
    make_dists(work, "acme-demo")
    for version in ("1.0", "1.1"):
        make_dists(work.parent / version, "acme-imported", version=version)
        shutil.move(work.parent / version / "dist", work / "packages" / version)
    return work


@contextmanager
def _running(block: Block, *, address: str, data: Path) -> Iterator[None]:
    """Run the block as somebody at the checkout would, until the rest is done; then stop it by SIGTERM."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STRONGROOM_")}
    settings = {"STRONGROOM_DATA": str(data), "STRONGROOM_PORT": address.partition(":")[2]}
    settings["STRONGROOM_DEFAULT_UPSTREAM"] = "none"
    log = (data.parent / "serve.log").open("w+b")
    process = subprocess.Popen(
        ["bash", "-c", block.commands],
        cwd=clients.ROOT,
        env=inherited | settings,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        _wait_for(address)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
        log.close()


def _wait_for(address: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            if request("GET", f"http://{address}/healthz").status == 200:
                return
        except OSError:
            assert time.monotonic() < deadline
        time.sleep(0.1)


def _names(data: Path, environment: dict[str, str]) -> str:
    command = ["strongroom", "--data", str(data), "audit", "log"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
