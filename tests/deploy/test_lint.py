"""Every file under `deploy/` is one that its reader takes: each is shown to the linter of its kind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.files import CADDYFILE, COMPOSE, CONTAINERFILE, DEPLOY, MANIFESTS, UNIT

BIN = Path(sys.executable).parent


def lint(*command: str | Path, **variables: str) -> None:
    """Run a linter, which must be content."""
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | variables,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_yaml_is_tidy() -> None:
    """Indentation, duplicate keys, line lengths: yamllint finds nothing."""
    lint(BIN / "yamllint", "--strict", "-c", DEPLOY / ".yamllint.yaml", DEPLOY)


def test_compose_follows_its_specification() -> None:
    """The compose file is valid by the schema of the Compose specification."""
    lint(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_follow_the_api(path: Path) -> None:
    """Each object is valid by the schemas of Kubernetes, and has no field that these do not know."""
    lint(BIN / "kubernetes-validate", "--strict", path)


def test_the_containerfile_is_sound() -> None:
    """Hadolint finds nothing in it."""
    lint(BIN / "hadolint", CONTAINERFILE)


def test_the_caddyfile_is_valid_and_formatted(tmp_path: Path) -> None:
    """Caddy itself loads every module that the file asks for, and would not write it otherwise."""
    place = {"HOME": str(tmp_path), "NODES": "127.0.0.1:9 127.0.0.1:10", "SITE_ADDRESS": "http://127.0.0.1:9"}
    lint(BIN / "caddy", "validate", "--adapter", "caddyfile", "--config", CADDYFILE, **place)
    lint(BIN / "caddy", "fmt", "--diff", CADDYFILE, **place)


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """Systemd knows every line of the unit, and calls the service hardly exposed. It judges where it is installed."""
    if shutil.which("systemd-analyze") is None:
        return
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/strongroom/bin/strongroom", "/bin/true"))
    lint("systemd-analyze", "verify", "--man=no", unit)
    lint("systemd-analyze", "security", "--offline=true", "--threshold=20", unit)
