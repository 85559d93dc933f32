"""The wheels of six large public projects and of all that they need, to stand on an upstream.

`python -m tests.functional.passage.wheels download` fetches the pinned versions once, into
`.tools/passage/`, from where this machine's pip would. `... pin` resolves the six names anew
and writes the pins; commit what it wrote. Only these two reach a registry.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests import clients

PROJECTS = ("django", "fastapi", "pandas", "jupyterlab", "boto3", "scikit-learn")
PINS = Path(__file__).with_name("requirements.txt")
FOLDER = clients.TOOLS / "passage"
UPLOADED_AT = datetime(2025, 1, 1, tzinfo=UTC)
"""What the files' times of change say, and so what an upstream says that serves them."""
_STAMP = FOLDER / ".strongroom-stamp"
_PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")
_USAGE = "usage: python -m tests.functional.passage.wheels download|pin"


def download() -> Path:
    """Return the folder with the wheels; they are fetched if they are missing or the pins changed."""
    clients.TOOLS.mkdir(exist_ok=True)
    with clients.alone():
        if not _is_ready():
            _fetch()
    return FOLDER


def pin() -> None:
    """Write the versions that the six names resolve to today, without an upload of the last week."""
    report = (
        "--dry-run",
        "--ignore-installed",
        "--only-binary",
        ":all:",
        "--uploaded-prior-to",
        "P7D",
        "--report",
        "-",
    )
    done = subprocess.run([*_PIP, "install", *report, *PROJECTS], check=True, capture_output=True, text=True)
    found = (item["metadata"] for item in json.loads(done.stdout)["install"])
    lines = sorted(f"{metadata['name'].lower().replace('_', '-')}=={metadata['version']}\n" for metadata in found)
    PINS.write_text("".join(lines))


def _fetch() -> None:
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    command = [*_PIP, "download", "--only-binary", ":all:", "--dest", str(FOLDER), "-r", str(PINS)]
    subprocess.run(command, check=True)
    moment = UPLOADED_AT.timestamp()
    for wheel in FOLDER.iterdir():
        os.utime(wheel, (moment, moment))
    _STAMP.write_text(_wanted())


def _is_ready() -> bool:
    return _STAMP.is_file() and _STAMP.read_text() == _wanted()


def _wanted() -> str:
    return hashlib.sha256(PINS.read_bytes() + sys.version.encode()).hexdigest()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["download"]:
            download()
        case ["pin"]:
            pin()
        case _:
            sys.exit(_USAGE)
