"""The scene of the proof: traffic on several nodes, of which one is always dying, and the questions afterwards."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.work import PROJECTS
from tests.nodes.cluster import Cluster, running_cluster
from tests.nodes.traffic import NodeClient, Notes, Traffic

_QUIET_SECONDS = (0.5, 3.0)
_DOWN_SECONDS = (0.0, 1.0)


@dataclass(slots=True)
class Outcome:
    """What was counted, and what is wrong."""

    seconds: float = 0.0
    kills: int = 0
    acknowledged: int = 0
    installs: int = 0
    broken: int = 0
    unavailable: int = 0
    faults: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        """Say it in one line."""
        return (
            f"{self.seconds:.0f} s, {self.kills} kills, {self.acknowledged} acknowledged uploads, "
            f"{self.installs} installs, {self.broken} broken connections, {self.unavailable} times 503, "
            f"{len(self.faults)} faults"
        )


def prove_nodes(
    folder: Path, seconds: float, *, nodes: int = 3, seed: int = 1, tell: Callable[[Outcome], None] | None = None
) -> Outcome:
    """Let eight uploaders and eight installers work while one node after the other is killed."""
    outcome, chance = Outcome(), random.Random(seed)
    with running_cluster(folder, nodes) as cluster:
        began = time.monotonic()
        traffic = Traffic([node.port for node in cluster.nodes], cluster.token)
        try:
            while time.monotonic() - began < seconds:
                time.sleep(chance.uniform(*_QUIET_SECONDS))
                victim = chance.choice(cluster.nodes)
                cluster.kill(victim)
                outcome.kills += 1
                time.sleep(chance.uniform(*_DOWN_SECONDS))
                victim.start()
                _count(outcome, traffic.notes, seconds=time.monotonic() - began)
                if tell is not None:
                    tell(outcome)
        finally:
            notes = traffic.end()
        _count(outcome, notes, seconds=time.monotonic() - began)
        outcome.faults += [
            *notes.faults,
            *find_faults(cluster, notes),
            *find_install_faults(cluster, notes, folder=folder),
        ]
    return outcome


def find_faults(cluster: Cluster, notes: Notes) -> list[str]:
    """Return what is lost, differs between nodes, or is wrong in the stores."""
    time.sleep(1.0)  # a node that has just come has as long as all others
    client = NodeClient([node.port for node in cluster.nodes], cluster.token)
    faults: list[str] = []
    listed: list[dict[str, tuple[str, str]]] = []
    for number in range(len(cluster.nodes)):
        pages = [client.list(number, project) for project in PROJECTS]
        faults += [f"node {number} answers {status} for a page" for status, _ in pages if status not in (200, 404)]
        listed.append({name: file for _, files in pages for name, file in files.items()})
    client.close()
    faults += [f"node {number} lists other files than node 0" for number, it in enumerate(listed) if it != listed[0]]
    digests = {name: sha256 for name, (_, sha256) in listed[0].items()}
    lost = [name for name, (wheel, _) in notes.acknowledged.items() if digests.get(name) != wheel.sha256]
    faults += [f"{name}: acknowledged, and lost" for name in lost]
    strange = [name for name, sha256 in digests.items() if notes.tried.get(name) != sha256]
    faults += [f"{name}: listed, and never sent like this" for name in strange]
    for words in (("verify",), ("audit", "verify")):
        done = cluster.nodes[0].run(*words)
        faults += [f"strongroom {' '.join(words)}: {done.stdout} {done.stderr}"] if done.returncode else []
    return faults


def find_install_faults(cluster: Cluster, notes: Notes, *, folder: Path) -> list[str]:
    """Let the real uv install the newest wheel from each node."""
    faults: list[str] = []
    newest = max(notes.acknowledged.values(), key=lambda pair: pair[1], default=None)
    for number, node in enumerate(cluster.nodes if newest is not None else ()):
        assert newest is not None
        url = f"http://__token__:{cluster.token}@{node.authority}/simple/"
        wanted = f"{newest[0].project}=={newest[0].version}"
        uv = str(Path(sys.executable).with_name("uv"))
        command = [uv, "pip", "install", "--no-cache", "--no-config", "--target", str(folder / f"target-{number}")]
        done = subprocess.run(
            [*command, "--index-url", url, wanted], capture_output=True, text=True, timeout=60, check=False
        )
        faults += [f"uv cannot install {wanted} from node {number}: {done.stderr}"] if done.returncode else []
    return faults


def _count(outcome: Outcome, notes: Notes, *, seconds: float) -> None:
    outcome.seconds, outcome.acknowledged = seconds, len(notes.acknowledged)
    outcome.installs, outcome.broken, outcome.unavailable = notes.installs, notes.broken, notes.unavailable
