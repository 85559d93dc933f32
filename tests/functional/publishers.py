"""The six uploaders: how each builds its own project and publishes it, told everything by its environment."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests import clients

Ran = subprocess.CompletedProcess[str]
_TIMEOUT_SECONDS = 120
_REPRODUCIBLE = {"SOURCE_DATE_EPOCH": "1600000000"}


@dataclass(frozen=True, slots=True)
class Publisher:
    """A client that publishes: its build backend, its two commands, its three variables."""

    client: str
    backend: str
    build: tuple[str, ...]
    publish: tuple[str, ...]
    variables: tuple[str, str, str]
    """The names of the variables for the upload URL, the user name and the password."""

    @property
    def project(self) -> str:
        """Return the name of the project that it builds itself."""
        return f"acme-by-{self.client}"

    def credentials(self, url: str, *, user: str, secret: str) -> dict[str, str]:
        """Return the environment that tells it where to publish and as whom."""
        return dict(zip(self.variables, (url, user, secret), strict=True))


PUBLISHERS = (
    Publisher(
        client="twine",
        backend="setuptools",
        build=("python", "-m", "build", "--no-isolation"),
        publish=("twine", "upload", "--verbose", "--non-interactive", "--disable-progress-bar", "dist/*"),
        variables=("TWINE_REPOSITORY_URL", "TWINE_USERNAME", "TWINE_PASSWORD"),
    ),
    Publisher(
        client="uv",
        backend="uv",
        build=("uv", "build", "--offline", "--no-build-isolation"),
        publish=("uv", "publish", "--trusted-publishing", "never"),
        variables=("UV_PUBLISH_URL", "UV_PUBLISH_USERNAME", "UV_PUBLISH_PASSWORD"),
    ),
    Publisher(
        client="poetry",
        backend="poetry",
        build=("poetry", "build"),
        publish=("poetry", "publish", "--no-interaction", "-r", "private"),
        variables=(
            "POETRY_REPOSITORIES_PRIVATE_URL",
            "POETRY_HTTP_BASIC_PRIVATE_USERNAME",
            "POETRY_HTTP_BASIC_PRIVATE_PASSWORD",
        ),
    ),
    Publisher(
        client="pdm",
        backend="pdm",
        build=("pdm", "build", "--no-isolation"),
        publish=("pdm", "publish", "--no-build"),
        variables=("PDM_PUBLISH_REPO", "PDM_PUBLISH_USERNAME", "PDM_PUBLISH_PASSWORD"),
    ),
    Publisher(
        client="hatch",
        backend="hatch",
        build=("hatchling", "build"),
        publish=("hatch", "publish", "--no-prompt"),
        variables=("HATCH_INDEX_REPO", "HATCH_INDEX_USER", "HATCH_INDEX_AUTH"),
    ),
    Publisher(
        client="flit",
        backend="flit",
        build=("flit", "build", "--no-use-vcs"),
        publish=("flit", "publish", "--no-use-vcs"),
        variables=("FLIT_INDEX_URL", "FLIT_USERNAME", "FLIT_PASSWORD"),
    ),
)


def build(publisher: Publisher, project: Path, *, home: Path) -> None:
    """Build the project's wheel and sdist into `dist/` with the client's own backend, offline."""
    done = run(publisher.client, *publisher.build, cwd=project, home=home)
    assert done.returncode == 0, output_of(done)


def publish(publisher: Publisher, project: Path, *, home: Path, variables: Mapping[str, str]) -> Ran:
    """Publish what is in the project's `dist/`."""
    return run(publisher.client, *publisher.publish, cwd=project, home=home, variables=variables)


def run(client: str, *command: str, cwd: Path, home: Path, variables: Mapping[str, str] | None = None) -> Ran:
    """Run a program of the client's environment with a clean environment; patterns are expanded as a shell does."""
    words = [str(found) for word in command[1:] for found in _expand(word, cwd)]
    environment = clients.environment(home, client) | _REPRODUCIBLE | {"VIRTUAL_ENV": str(clients.TOOLS / client)}
    return subprocess.run(
        [clients.program(client, command[0]), *words],
        cwd=cwd,
        env=environment | dict(variables or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )


def output_of(done: Ran) -> str:
    """Return all that the client said, on lines of their own width."""
    return f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"


def _expand(word: str, folder: Path) -> list[str]:
    if "*" not in word:
        return [word]
    return [str(path.relative_to(folder)) for path in sorted(folder.glob(word))] or [word]
