"""Installs of the deep set together with an internal package, and what they installed.

A place to install into has half a gigabyte in thousands of files; it is made in memory
where there is enough of it, because the question is never how fast the disk is.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tests import clients
from tests.functional.installers import UV_CLEAN
from tests.functional.passage.wheels import PROJECTS
from tests.functional.projects import Dist, make_dists

INTERNAL = "acme-insights"
INTERNAL_NEEDS = {"acme-toolbox": ("boto3",), INTERNAL: ("acme-toolbox", "pandas", "fastapi")}
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 4 << 30
_TIMEOUT_SECONDS = 600
_RESOLVED = re.compile(r"^ \+ (\S+)(?:==| @ \S+/[^/-]+-)([^-\s]+)(?:-\S+\.whl)?$", re.MULTILINE)
"""A line of uv's for a version of an index, or for a file."""

Versions = dict[str, str]
"""What was installed: version by normalised name."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where an installer gets things from: names from one URL, perhaps no later than a time, and files."""

    url: str
    names: tuple[str, ...] = (*PROJECTS, INTERNAL)
    files: tuple[Path, ...] = ()
    not_after: datetime | None = None

    @property
    def wanted(self) -> tuple[str, ...]:
        """Return the requirements."""
        return (*self.names, *map(str, self.files))


@dataclass(frozen=True, slots=True)
class Installed:
    """What an installer did, and how long it took."""

    versions: Versions
    seconds: float
    exit_code: int
    said: str


@dataclass(frozen=True, slots=True)
class Installer:
    """uv or pip, without a cache, in an environment."""

    place: Path
    """A folder with room for what is installed."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables beside the clean ones."""

    def uv(self, source: Source, *, is_dry: bool = False) -> Installed:
        """Install with uv into a new virtual environment; dry: resolve only."""
        words = ["--no-cache", "--no-progress", "--only-binary", ":all:", "--index-url", source.url]
        words += [] if source.not_after is None else ["--exclude-newer", source.not_after.isoformat()]
        with self._target() as target:
            command = [clients.program("uv"), "pip", "install", "--python", _python(target), *words]
            done = self._run(*command, *(["--dry-run"] if is_dry else []), *source.wanted)
            resolved = {_normal(name): version for name, version in _RESOLVED.findall(done.said)}
            return _with(done, resolved if is_dry else versions_in(target))

    def pip(self, source: Source, *, is_dry: bool = False) -> Installed:
        """Install with pip into a new virtual environment; dry: resolve only."""
        words = ["--no-cache-dir", "--progress-bar=off", "--no-compile", "--only-binary", ":all:"]
        words += ["--index-url", source.url]
        words += [] if source.not_after is None else ["--uploaded-prior-to", source.not_after.isoformat()]
        with self._target() as target:
            report = target / "report.json"
            words += ["--dry-run", "--report", str(report)] if is_dry else []
            command = [clients.program("pip"), "--python", _python(target), "install", *words, *source.wanted]
            done = self._run(*command)
            return _with(done, _reported(report) if is_dry else versions_in(target))

    @contextmanager
    def _target(self) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(dir=self.place))
        try:
            command = [clients.program("uv"), "venv", "--quiet", "--no-config", "--python", sys.executable]
            subprocess.run([*command, str(folder / "venv")], check=True, env=clients.environment(folder))
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _run(self, *command: str) -> Installed:
        environment = clients.environment(self.place) | UV_CLEAN | {"TMPDIR": str(self.place)}
        began = time.monotonic()
        done = subprocess.run(
            command,
            cwd=self.place,
            env=environment | dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        return Installed({}, time.monotonic() - began, done.returncode, f"{done.stdout}\n{done.stderr}")


@contextmanager
def place_to_install() -> Iterator[Path]:
    """Make a folder, in memory where there is room, and remove it at the end."""
    in_memory = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES
    folder = Path(tempfile.mkdtemp(prefix="strongroom-passage-", dir=_MEMORY if in_memory else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_internal_wheels(folder: Path) -> tuple[Dist, ...]:
    """Make the wheels of the internal packages."""
    return tuple(make_dists(folder / name, name, needs=needs)[0] for name, needs in INTERNAL_NEEDS.items())


def versions_in(target: Path) -> Versions:
    """Return what is installed in the virtual environment of a target."""
    found = (path.name.removesuffix(".dist-info") for path in target.glob("venv/lib/python*/site-packages/*.dist-info"))
    return {_normal(name): version for name, _, version in (stem.partition("-") for stem in found)}


def describe_difference(expected: Versions, got: Versions) -> Sequence[str]:
    """Return a line for each project whose version differs."""
    names = sorted(name for name in expected.keys() | got.keys() if expected.get(name) != got.get(name))
    return [f"{name}: {expected.get(name)} directly, {got.get(name)} through Strongroom" for name in names]


def _with(done: Installed, versions: Versions) -> Installed:
    return Installed(versions, done.seconds, done.exit_code, done.said)


def _reported(path: Path) -> Versions:
    if not path.exists():
        return {}
    items = (item["metadata"] for item in json.loads(path.read_text())["install"])
    return {_normal(item["name"]): item["version"] for item in items}


def _python(target: Path) -> str:
    return str(target / "venv" / "bin" / "python")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
