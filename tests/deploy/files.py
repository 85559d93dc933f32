"""The files under `deploy/`, read as what they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
UNIT = DEPLOY / "strongroom.service"
CADDYFILE = DEPLOY / "Caddyfile"
CONTAINERFILE = DEPLOY / "Containerfile"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
TEXTS = sorted(path for path in DEPLOY.rglob("*") if path.is_file() and path.name not in {".env", "secret.key"})

Node = dict[str, Any]
"""What YAML gives: any value under a word."""


def compose() -> Node:
    """Return the compose file."""
    found: Node = yaml.safe_load(COMPOSE.read_text())
    return found


def manifests(kind: str) -> list[Node]:
    """Return the Kubernetes objects of a kind."""
    return [
        found for path in MANIFESTS for found in yaml.safe_load_all(path.read_text()) if found and found["kind"] == kind
    ]


def pods() -> list[Node]:
    """Return what the Deployments make pods from."""
    return [deployment["spec"]["template"]["spec"] for deployment in manifests("Deployment")]


def containers() -> list[Node]:
    """Return all containers of all pods."""
    return [container for pod in pods() for container in pod["containers"]]


def command_lines() -> list[list[str]]:
    """Return what follows `strongroom` wherever a file starts the program."""
    started = [service["command"] for service in compose()["services"].values() if service.get("build")]
    started += [container["args"] for container in containers()]
    started += [words.split() for words in re.findall(r"^ExecStart=\S+/strongroom (.*)$", UNIT.read_text(), re.M)]
    started += [json.loads(words) for words in re.findall(r"^CMD (\[.*\])$", CONTAINERFILE.read_text(), re.M)]
    return started


def paths_asked() -> set[str]:
    """Return the paths that probes ask a node for."""
    asked = {probe["path"] for container in containers() for probe in _probes(container)}
    asked |= set(re.findall(r"^\s*health_uri (\S+)$", CADDYFILE.read_text(), re.M))
    return asked | set(re.findall(r"127\.0\.0\.1:8000(/\w+)", COMPOSE.read_text()))


def _probes(container: Node) -> Iterator[Node]:
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        if name in container:
            yield container[name]["httpGet"]
