"""The installers, and the ways in which each can be told where to install from and as whom."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests import clients
from tests.functional.projects import module_of
from tests.functional.publishers import Ran, run

UV_CLEAN = {"UV_NO_CONFIG": "1"}


@dataclass(frozen=True, slots=True)
class Access:
    """What somebody who installs was given: the index URL's parts and a token."""

    authority: str
    token: str
    path: str = "/simple/"
    user: str = "__token__"

    @property
    def url(self) -> str:
        """Return the index URL alone."""
        return f"http://{self.authority}{self.path}"

    @property
    def url_with_token(self) -> str:
        """Return the index URL with user name and token."""
        return f"http://{self.user}:{self.token}@{self.authority}{self.path}"


@dataclass(frozen=True, slots=True)
class Target:
    """A virtual environment to install into."""

    folder: Path

    @property
    def python(self) -> str:
        """Return its interpreter."""
        return str(self.folder / "bin" / "python")

    @property
    def packages(self) -> Path:
        """Return its site-packages."""
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.folder / "lib" / version / "site-packages"

    def version_of(self, name: str) -> str | None:
        """Return the installed version of a project, or None."""
        found = sorted(self.packages.glob(f"{module_of(name)}-*.dist-info"))
        assert len(found) < 2
        return found[0].name.removesuffix(".dist-info").rpartition("-")[2] if found else None

    def module_text(self, name: str) -> str:
        """Return the installed module's source."""
        return (self.packages / module_of(name) / "__init__.py").read_text()


def make_target(folder: Path) -> Target:
    """Make an empty virtual environment."""
    command = [clients.program("uv"), "venv", "--quiet", "--no-config", "--python", sys.executable, str(folder)]
    subprocess.run(command, check=True, env=clients.environment(folder.parent))
    return Target(folder)


@dataclass(frozen=True, slots=True)
class Told:
    """How a client was told: words for its command line, variables, and files in its project."""

    words: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    """The index URL for clients that take it from a project file."""


Tell = Callable[[Access, Path], Told]


@dataclass(frozen=True, slots=True)
class Way:
    """A client and one prompt-free way of giving it the index and the token."""

    client: str
    name: str
    tell: Tell

    def __str__(self) -> str:
        """Name the case."""
        return f"{self.client}-{self.name}"


def write_netrc(access: Access, home: Path) -> dict[str, str]:
    """Write the home directory's netrc, readable by its owner only; return the variable that names it."""
    path = home / ".netrc"
    path.write_text(f"machine {access.authority.partition(':')[0]}\nlogin {access.user}\npassword {access.token}\n")
    path.chmod(0o600)
    return {"NETRC": str(path)}


def _pip_conf(access: Access, home: Path) -> Told:
    path = home / "pip.conf"
    path.write_text(f"[global]\nindex-url = {access.url_with_token}\n")
    return Told(variables={"PIP_CONFIG_FILE": str(path)})


def _uv_toml(access: Access, home: Path) -> Told:
    path = home / "uv.toml"
    path.write_text(f'[[index]]\nurl = "{access.url}"\ndefault = true\nauthenticate = "always"\n')
    return Told(("--config-file", str(path)), write_netrc(access, home))


def _pip_ways(client: str) -> tuple[Way, ...]:
    return (
        Way(client, "url", lambda access, _: Told(("--index-url", access.url_with_token))),
        Way(client, "netrc", lambda access, home: Told(("--index-url", access.url), write_netrc(access, home))),
        Way(client, "environment", lambda access, _: Told(variables={"PIP_INDEX_URL": access.url_with_token})),
        Way(client, "pip.conf", _pip_conf),
    )


WAYS = (
    Way("uv", "url", lambda access, _: Told(("--index-url", access.url_with_token), UV_CLEAN)),
    Way("uv", "netrc", lambda access, home: Told(("--index-url", access.url), UV_CLEAN | write_netrc(access, home))),
    Way(
        "uv",
        "environment",
        lambda access, _: Told(
            variables={
                **UV_CLEAN,
                "UV_DEFAULT_INDEX": f"private={access.url}",
                "UV_INDEX_PRIVATE_USERNAME": access.user,
                "UV_INDEX_PRIVATE_PASSWORD": access.token,
            }
        ),
    ),
    Way("uv", "uv.toml", _uv_toml),
    *_pip_ways("pip"),
    *_pip_ways("pip-old"),
    Way("poetry", "url", lambda access, _: Told(source=access.url_with_token)),
    Way("poetry", "netrc", lambda access, home: Told(variables=write_netrc(access, home), source=access.url)),
    Way(
        "poetry",
        "environment",
        lambda access, _: Told(
            variables={
                "POETRY_HTTP_BASIC_PRIVATE_USERNAME": access.user,
                "POETRY_HTTP_BASIC_PRIVATE_PASSWORD": access.token,
            },
            source=access.url,
        ),
    ),
    Way("pdm", "url", lambda access, _: Told(source=access.url_with_token)),
    Way("pdm", "netrc", lambda access, home: Told(variables=write_netrc(access, home), source=access.url)),
    Way(
        "pdm",
        "environment",
        lambda access, _: Told(
            variables={
                "PDM_PYPI_URL": access.url,
                "PDM_PYPI_USERNAME": access.user,
                "PDM_PYPI_PASSWORD": access.token,
            }
        ),
    ),
)


def install(told: Told, *names: str, client: str, home: Path, target: Target) -> Ran:
    """Install the projects into the target with the client, told like this."""
    if client == "uv":
        words = ["uv", "pip", "install", "--no-progress", "--python", target.python]
        return run("uv", *words, *told.words, *names, cwd=home, home=home, variables=told.variables)
    if client in {"pip", "pip-old"}:
        words = ["pip", "--python", target.python, "install", "--no-cache-dir", "--progress-bar=off", "-vv"]
        return run(client, *words, *told.words, *names, cwd=home, home=home, variables=told.variables)
    project = home / "project"
    project.mkdir()
    if client == "poetry":
        words = ["poetry", "add", "--no-interaction"]
        _write_poetry_project(project, told.source)
    else:
        words = ["pdm", "add", "--no-self"]
        _write_pdm_project(project, told.source)
    variables = {**told.variables, "VIRTUAL_ENV": str(target.folder)}
    return run(client, *words, *names, cwd=project, home=home, variables=variables)


def _write_poetry_project(folder: Path, source: str) -> None:
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "consumer"\nversion = "0"\nrequires-python = ">=3.11,<4"\ndependencies = []\n'
        "[tool.poetry]\npackage-mode = false\n"
        f'[[tool.poetry.source]]\nname = "private"\nurl = "{source}"\npriority = "primary"\n'
    )


def _write_pdm_project(folder: Path, source: str) -> None:
    listed = f'[[tool.pdm.source]]\nname = "pypi"\nurl = "{source}"\nverify_ssl = true\n' if source else ""
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "consumer"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = []\n'
        f"[tool.pdm]\ndistribution = false\n{listed}"
    )
