"""The files under `deploy/` say what the program knows, hold no secret, and let nothing run with more than it needs."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import click
import pytest

from strongroom.cli.main import cli
from strongroom.config import describe_settings, load_settings
from strongroom.core.errors import ConfigurationFault
from tests.deploy.files import (
    CONTAINERFILE,
    DEPLOY,
    ROOT,
    TEXTS,
    command_lines,
    compose,
    containers,
    manifests,
    pods,
)

USER = 10001
VARIABLES = {f"STRONGROOM_{name.upper()}" for name in describe_settings()}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_variable_is_a_setting(path: Path) -> None:
    """No file sets a variable that the program does not read."""
    assert set(re.findall(r"\bSTRONGROOM_[A-Z_]*[A-Z]\b", path.read_text())) <= VARIABLES


def test_every_command_line_can_be_parsed() -> None:
    """Whatever starts the program calls a command that there is, with flags that it has."""
    lines = command_lines()
    assert {line[0] for line in lines} == {"serve", "worker"}
    for line in lines:
        context = click.Context(cli)
        command = cli.get_command(context, line[0])
        assert command is not None, line
        command.make_context(line[0], list(line[1:]), parent=context)  # raises for a flag that is not there


def test_the_image_is_made_of_what_is_there() -> None:
    """What is copied exists, is let through to the build, and the extras are extras of the project."""
    text = CONTAINERFILE.read_text()
    copied = [word for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.M) for word in line.split()[:-1]]
    assert copied
    assert all((ROOT / name).exists() for name in copied)
    allowed = set(re.findall(r"^!(\S+)$", (DEPLOY / "Containerfile.dockerignore").read_text(), re.M))
    assert set(copied) == allowed
    (extras,) = re.findall(r'"\.\[([\w,]+)\]"', text)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(extras.split(",")) <= set(project["optional-dependencies"])


def test_the_image_is_not_run_by_root() -> None:
    """Its last word on users is a number that is not root's, the same in compose's hints and in Kubernetes."""
    assert re.findall(r"^USER (.*)$", CONTAINERFILE.read_text(), re.M) == [f"{USER}:{USER}"]
    assert {pod["securityContext"]["runAsUser"] for pod in pods()} == {USER}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_no_file_names_a_registry_or_holds_a_secret(path: Path) -> None:
    """Images have no host, hosts are examples, and what is secret is empty or a reference."""
    text = path.read_text()
    hosts = set(re.findall(r"\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|io|org|net|dev|cloud)\b(?!/v|/\w+:)", text))
    assert hosts <= {"kubernetes.io", "app.kubernetes.io"}
    for name, value in re.findall(r"(?<!\{)\b(\w*(?:PASSWORD|SECRET|KEY)\w*)[=:] *(\S*)", text):
        assert value in {"", "..."} or value.startswith(("$", "./", "/", "%")), name


def test_compose_asks_for_what_the_example_has() -> None:
    """Each variable of the compose file is in the example, and none there is for nothing; defaults agree."""
    asked = dict(re.findall(r"\$\{(\w+):[-?]([^}]*)\}", (DEPLOY / "compose.yaml").read_text()))
    offered = dict(re.findall(r"^(\w+)=(.*)$", (DEPLOY / "env.example").read_text(), re.M))
    assert set(asked) == set(offered)
    assert {name: default for name, default in asked.items() if default} == {
        name: offered[name] for name, default in asked.items() if default
    }


def test_compose_lets_only_caddy_be_reached() -> None:
    """One service has ports; the stores are in a network without a way out; everything is hardened."""
    services = compose()["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["caddy"]
    assert compose()["networks"]["stores"]["internal"] is True
    assert {name for name, service in services.items() if service["networks"] == ["stores"]} == {
        "postgres",
        "object-store",
    }
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert ("cap_add" in service) == ("build" not in service), name


def test_compose_nodes_believe_their_proxy_and_nobody_else() -> None:
    """The trusted network is the one where only Caddy and the nodes are."""
    networks, services = compose()["networks"], compose()["services"]
    (front,) = networks["front"]["ipam"]["config"]
    assert services["node-1"]["environment"]["STRONGROOM_TRUSTED_PROXIES"] == front["subnet"]
    assert ipaddress.ip_network(front["subnet"]).is_private
    nodes = [name for name in services if name.startswith("node-")]
    assert services["caddy"]["environment"]["NODES"].split() == [f"{name}:8000" for name in nodes]
    assert len(nodes) == 3


def test_containers_in_kubernetes_are_confined() -> None:
    """No pod has a token of the cluster, no container root, a way to become it, or a root file system to write to."""
    for pod in pods():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in container["resources"]["limits"]


def test_secrets_in_kubernetes_are_references() -> None:
    """No Secret is in the files, and what is secret comes from one that is made by hand."""
    assert manifests("Secret") == []
    for container in containers():
        given = {variable["name"]: variable for variable in container["env"]}
        for name in ("PGPASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            assert given[name]["valueFrom"]["secretKeyRef"] == {"name": "strongroom", "key": name}


def test_no_pod_chooses_its_clients_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whose word is taken is for the operator to fill in, and until then nothing starts; all else can be loaded."""
    monkeypatch.chdir(tmp_path)
    (settings,) = (found["data"] for found in manifests("ConfigMap"))
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name in VARIABLES & set(settings):
        monkeypatch.setenv(name, settings[name])
    with pytest.raises(ConfigurationFault, match=r"STRONGROOM_TRUSTED_PROXIES.*FILL-IN"):
        load_settings()
    monkeypatch.setenv("STRONGROOM_TRUSTED_PROXIES", "192.0.2.0/24")
    assert load_settings().proxies


def test_only_the_ingress_and_the_monitoring_reach_a_node() -> None:
    """Each rule says from whom: a namespace and pods in it."""
    (policy,) = manifests("NetworkPolicy")
    rules = policy["spec"]["ingress"]
    assert rules
    for rule in rules:
        assert rule["from"]
        for source in rule["from"]:
            assert source["namespaceSelector"]["matchLabels"]
            assert source["podSelector"]["matchLabels"]


def test_no_password_of_the_database_stands_in_an_address() -> None:
    """It is in `PGPASSWORD`; and where the database is another machine, its certificate is verified."""
    (settings,) = (found["data"] for found in manifests("ConfigMap"))
    node = compose()["services"]["node-1"]["environment"]
    assert parse_qs(urlsplit(settings["STRONGROOM_DATABASE"]).query) == {"sslmode": ["verify-full"]}
    for url in (settings["STRONGROOM_DATABASE"], node["STRONGROOM_DATABASE"]):
        assert (urlsplit(url).username, urlsplit(url).password) == ("strongroom", None)
    assert node["PGPASSWORD"] == "${NODE_PASSWORD:?}"


def test_nodes_are_no_superusers_of_the_database() -> None:
    """PostgreSQL's own user stays its own; a script that is run once makes the nodes' one, with another password."""
    services = compose()["services"]
    given = services["postgres"]["environment"]
    assert given["POSTGRES_USER"] == "postgres"
    assert given["POSTGRES_PASSWORD"] != given["NODE_PASSWORD"] == services["node-1"]["environment"]["PGPASSWORD"]
    (script,) = (volume for volume in services["postgres"]["volumes"] if "initdb.d" in volume)
    text = (DEPLOY / script.partition(":")[0]).read_text()
    assert "CREATE DATABASE strongroom OWNER strongroom" in text
    assert "SUPERUSER" not in text


def test_maintenance_leaves_nodes_at_work() -> None:
    """A rolling update takes no node before there is a new one, and a drain leaves two; the labels are the pods'."""
    (node,) = [found for found in manifests("Deployment") if found["metadata"]["name"] == "strongroom"]
    labels = node["spec"]["template"]["metadata"]["labels"]
    assert node["spec"]["replicas"] == 3
    assert node["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    (budget,) = manifests("PodDisruptionBudget")
    (service,) = manifests("Service")
    assert budget["spec"]["minAvailable"] == 2
    assert budget["spec"]["selector"]["matchLabels"] == service["spec"]["selector"] == labels
