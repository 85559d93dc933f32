"""Several nodes on one PostgreSQL and one bucket: nothing acknowledged is lost, whichever node dies.

`make proof-nodes` is the long form.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.functional.server import Server, clean_environment, run_strongroom
from tests.nodes.cluster import make_key_file
from tests.nodes.scene import prove_nodes

SECONDS = 60


@pytest.mark.timeout(600)
def test_nodes_are_killed_under_traffic(tmp_path: Path) -> None:
    """Eight uploaders and eight installers on three nodes, one of which is always dying."""
    outcome = prove_nodes(tmp_path, SECONDS)
    print(outcome.sentence())
    assert outcome.faults == []
    assert outcome.kills > 1
    assert outcome.acknowledged > 0
    assert outcome.installs > 0


def test_a_node_with_another_key_does_not_start(tmp_path: Path) -> None:
    """It says why, and what to do; the store is as it was."""
    server = Server(tmp_path / "data")
    server.admin("user", "create", "alice")
    before = server.admin("audit", "log", "--json")
    key_file = make_key_file(tmp_path)
    words = ("serve", "--data", str(server.data), "--port", str(server.port), "--key-file", str(key_file))
    refused = run_strongroom(*words, home=tmp_path, settings=server.settings)
    assert refused.returncode != 0
    assert "not the one that the catalog was made with" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert server.admin("audit", "log", "--json") == before


def test_a_worker_does_the_jobs_alone_and_stops_when_told(tmp_path: Path) -> None:
    """It serves nothing, works on the same store as the servers, and ends cleanly at SIGTERM."""
    server = Server(tmp_path / "data", "--no-jobs")
    server.start()
    command = [sys.executable, "-m", "strongroom", "worker", "--data", str(server.data)]
    environment = clean_environment(tmp_path) | server.settings
    worker = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        assert worker.stderr is not None
        assert "regular jobs" in worker.stderr.readline()
        time.sleep(1.5)  # its first words come before it opens the store
        worker.send_signal(signal.SIGTERM)
        _, said = worker.communicate(timeout=30)
        assert (worker.returncode, said) == (0, "")
        assert server.stop() == 0
    finally:
        worker.kill()
        server.kill()
