"""Projects that the tests build, publish and install: small, real, and unlike each other."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.functional import tiny_backend

BACKENDS = {
    "tiny": 'requires = []\nbuild-backend = "tiny_backend"\nbackend-path = ["."]',
    "setuptools": 'requires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"',
    "uv": 'requires = ["uv_build"]\nbuild-backend = "uv_build"',
    "poetry": 'requires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"',
    "pdm": 'requires = ["pdm-backend"]\nbuild-backend = "pdm.backend"',
    "hatch": 'requires = ["hatchling"]\nbuild-backend = "hatchling.build"',
    "flit": 'requires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"',
}
_IN_FOLDER = threading.Lock()
"""A process has one current directory: threads that make projects take turns, or they pack each other's."""


@dataclass(frozen=True, slots=True)
class Dist:
    """A wheel or sdist on disk."""

    path: Path

    @property
    def name(self) -> str:
        """Return the filename."""
        return self.path.name

    @property
    def sha256(self) -> str:
        """Return the digest of the bytes as they are now."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def module_of(name: str) -> str:
    """Return the name under which the project's module is imported."""
    return name.replace("-", "_")


def write_project(folder: Path, name: str, *, version: str, backend: str = "tiny", needs: Sequence[str] = ()) -> Path:
    """Write a project whose module says its version; return its folder."""
    package = folder / ("src" if backend == "uv" else ".") / module_of(name)
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text(f'"""A demonstration."""\n\n__version__ = "{version}"\nNAME = "{name}"\n')
    (folder / "README.md").write_text(f"# {name}\n\nPublished by a test. Zoë says hello.\n")
    shutil.copy(tiny_backend.__file__, folder / "tiny_backend.py")
    requirements = ", ".join(f'"{requirement}"' for requirement in needs)
    readme = "" if backend == "tiny" else 'readme = "README.md"\n'
    (folder / "pyproject.toml").write_text(
        f"[build-system]\n{BACKENDS[backend]}\n\n"
        f'[project]\nname = "{name}"\nversion = "{version}"\ndescription = "A demonstration"\n{readme}'
        f'requires-python = ">=3.9"\nauthors = [{{ name = "Zoë Müller", email = "zoe@example.org" }}]\n'
        f'classifiers = ["Private :: Do Not Upload"]\ndependencies = [{requirements}]\n'
    )
    return folder


def make_dists(
    folder: Path, name: str, *, version: str = "1.0", needs: Sequence[str] = (), ballast: str = ""
) -> tuple[Dist, Dist]:
    """Make a wheel and an sdist in `folder/dist` without starting anything; the sdist can be built offline."""
    write_project(folder, name, version=version, needs=needs)
    with (folder / module_of(name) / "__init__.py").open("a") as module:
        module.write(ballast)
    target = folder / "dist"
    target.mkdir(exist_ok=True)
    with _IN_FOLDER, contextlib.chdir(folder):
        wheel, sdist = tiny_backend.build_wheel(str(target)), tiny_backend.build_sdist(str(target))
    return Dist(target / wheel), Dist(target / sdist)


def dists_in(folder: Path) -> tuple[Dist, ...]:
    """Return the wheels and sdists of a folder, by name."""
    return tuple(Dist(path) for path in sorted(folder.iterdir()) if path.name.endswith((".whl", ".tar.gz", ".zip")))
