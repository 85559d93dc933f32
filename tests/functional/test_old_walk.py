"""The walk that has been in handbooks for fifteen years: setup.py, .pypirc, twine -r private, pip.conf."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.functional.conftest import World
from tests.functional.installers import Target
from tests.functional.publishers import output_of, run

SETUP_PY = """\
from setuptools import setup

setup(
    name="{name}",
    version="1.0",
    description="An old project",
    long_description=open("README.rst").read(),
    author="Zoe",
    author_email="zoe@example.org",
    url="https://example.org/",
    packages=["acme_legacy"],
    scripts=["acme-legacy"],
    classifiers=["Private :: Do Not Upload"],
)
"""


@pytest.mark.parametrize("setuptools", ["twine", "setuptools-old"])
def test_the_old_walk(world: World, setuptools: str, home: Path, target: Target) -> None:
    """`python setup.py`, `twine upload -r private dist/*` and `pip install` work through exactly these files."""
    name = f"Acme.Legacy_{setuptools.replace('-', '_')}"
    project = _write_project(home / "project", name)
    _write_pypirc(home, world)
    _write_pip_conf(home, world)

    built = run(setuptools, "python", "setup.py", "--quiet", "sdist", "bdist_wheel", cwd=project, home=home)
    assert built.returncode == 0, output_of(built)
    uploaded = run("twine", "twine", "upload", "-r", "private", "dist/*", cwd=project, home=home)
    assert uploaded.returncode == 0, output_of(uploaded)
    assert set(world.files(name.lower().replace(".", "-").replace("_", "-"))) == {
        path.name for path in (project / "dist").iterdir()
    }
    user_configured = {"PIP_CONFIG_FILE": ""}
    for client in ("pip", "pip-old"):
        command = ("pip", "--python", target.python, "install", "--force-reinstall", name)
        installed = run(client, *command, cwd=home, home=home, variables=user_configured)
        assert installed.returncode == 0, output_of(installed)
        assert (target.packages / "acme_legacy" / "__init__.py").read_text() == "ANSWER = 42\n"
        assert (target.folder / "bin" / "acme-legacy").is_file()


@pytest.mark.parametrize("user", ["pypi", "__token__", "alice"])
@pytest.mark.parametrize("client", ["twine", "flit", "hatch"])
def test_pypirc_with_any_user_name(world: World, client: str, user: str, home: Path) -> None:
    """The clients that read .pypirc publish with the token as password and the usual user names."""
    name = f"acme-pypirc-{client}-{user.strip('_')}"
    project = _write_flit_project(home / "project", name)
    _write_pypirc(home, world, user=user)
    built = run("flit", "flit", "build", "--no-use-vcs", cwd=project, home=home)
    assert built.returncode == 0, output_of(built)
    commands = {
        "twine": ("twine", "upload", "-r", "private", "dist/*"),
        "flit": ("flit", "publish", "--no-use-vcs", "--repository", "private"),
        "hatch": ("hatch", "publish", "--no-prompt", "-r", world.legacy),  # it takes the section of that URL
    }
    ran = run(client, *commands[client], cwd=project, home=home)
    assert ran.returncode == 0, output_of(ran)
    assert len(world.files(name)) == 2


def _write_pypirc(home: Path, world: World, *, user: str = "pypi") -> None:
    (home / ".pypirc").write_text(
        "[distutils]\nindex-servers =\n    private\n\n"
        f"[private]\nrepository: {world.legacy}\nusername: {user}\npassword: {world.token}\n"
    )


def _write_pip_conf(home: Path, world: World) -> None:
    folder = home / ".config" / "pip"
    folder.mkdir(parents=True)
    (folder / "pip.conf").write_text(f"[global]\nindex-url = {world.simple_with(world.token, user='pypi')}\n")


def _write_project(folder: Path, name: str) -> Path:
    package = folder / "acme_legacy"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("ANSWER = 42\n")
    (folder / "acme-legacy").write_text("#!/usr/bin/env python\nimport acme_legacy\nprint(acme_legacy.ANSWER)\n")
    (folder / "README.rst").write_text("Old\n===\n\nAn old project.\n")
    (folder / "setup.py").write_text(SETUP_PY.format(name=name))
    return folder


def _write_flit_project(folder: Path, name: str) -> Path:
    folder.mkdir()
    (folder / f"{name.replace('-', '_')}.py").write_text('"""A demonstration."""\n\n__version__ = "1.0"\n')
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n'
        f'[project]\nname = "{name}"\nversion = "1.0"\ndescription = "A demonstration"\n'
    )
    return folder
