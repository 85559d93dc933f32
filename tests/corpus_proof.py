"""Import a directory of real distributions, and prove that each comes out as it went in.

`python -m tests.corpus_proof DIRECTORY` imports it into a fresh store, starts the real
server on that store, downloads every file and compares its digest with the original's
and with the listed one. Fails below 99.5 % accepted files or at one differing byte.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from strongroom.core.names import normalize_project_name
from tests.corpus import KNOWN_REFUSALS
from tests.functional.server import Server
from tests.functional.wire import JSON

LEAST_ACCEPTED = 0.995
LEAST_FILES = 100
_ENDINGS = (".whl", ".tar.gz", ".zip")


def import_all(directory: Path, data: Path) -> dict[str, str]:
    """Import the directory with the real command; return the refused files and why."""
    words = ["import", str(directory), "--index", "main", "--data", str(data), "--json"]
    done = subprocess.run([sys.executable, "-m", "strongroom", *words], stdout=subprocess.PIPE, check=False)
    outcome = json.loads(done.stdout)
    print(f"imported {outcome['imported']}, refused {len(outcome['refused'])}, ignored {outcome['ignored']}")
    return {Path(item["path"]).name: f"{item['code']}: {item['reason']}" for item in outcome["refused"]}


def download_all(server: Server, token: str) -> dict[str, str]:
    """Download every file that the index lists; return its digest by filename, checked against the listed one."""
    digests = {}
    for project in server.get("/simple/", token=token, accept=JSON).json()["projects"]:
        name = normalize_project_name(project["name"])
        for file in server.get(f"/simple/{name}/", token=token, accept=JSON).json()["files"]:
            path = f"/main/files/{name}/{file['filename']}"
            answer = server.get(path, token=token)
            assert answer.status == 200, f"{path} is answered {answer.status}: {answer.text}"
            digest = hashlib.sha256(answer.body).hexdigest()
            assert digest == file["hashes"]["sha256"], f"{file['filename']} differs from its listed digest"
            digests[file["filename"]] = digest
    return digests


def prove(directory: Path) -> int:
    """Run the proof and return the exit code."""
    originals = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.name.endswith(_ENDINGS)
    }
    with tempfile.TemporaryDirectory(prefix="strongroom-corpus-") as folder:
        server = Server(Path(folder) / "data")
        refused = import_all(directory, server.data)
        token = server.admin("token", "create", "--user", _make_reader(server))
        server.start()
        try:
            served = download_all(server, token)
        finally:
            server.stop()
    for name, reason in refused.items():
        print(f"refused {name}: {reason}")
    wrong = [name for name, digest in originals.items() if name not in refused and served.get(name) != digest]
    due = len(originals.keys() - KNOWN_REFUSALS.keys())
    accepted = len(originals.keys() - refused.keys() - KNOWN_REFUSALS.keys()) / max(due, 1)
    known = len(originals) - due
    print(f"{due} files, and {known} that no client can install")
    print(f"{accepted:.2%} accepted, {len(wrong)} came out differently")
    return int(bool(wrong) or accepted < LEAST_ACCEPTED or len(originals) < LEAST_FILES)


def _make_reader(server: Server) -> str:
    server.admin("user", "create", "reader")
    return "reader"


if __name__ == "__main__":
    sys.exit(prove(Path(sys.argv[1])))
