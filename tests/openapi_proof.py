"""schemathesis against the real server, as five identities: no 5xx, nothing that the OpenAPI document does not say.

`python -m tests.openapi_proof --examples N` runs all of schemathesis's phases with N
cases an operation; `tests/functional/test_openapi.py` runs a short form. schemathesis
lives in an environment of its own, since it drags many distributions.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests.functional.projects import make_dists
from tests.functional.server import Server, clean_environment
from tests.functional.wire import request, upload

ROOT = Path(__file__).parents[1]
TOOL = ROOT / ".tools" / "schemathesis"
REQUIREMENTS = ROOT / "tests" / "http" / "api" / "schemathesis.txt"
SHORT_PHASES = "fuzzing"
ALL_PHASES = "examples,coverage,fuzzing,stateful"
_AT_ONCE = 2
_CONFIGURATION = """\
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "413", "429"]
negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "409", "413", "415", "422", "429"]
"""
"""What fits the schema is never a 422, but may break a rule that no schema can say: 400. A large body is a 413."""
_STAMP = ".strongroom-stamp"
_GENERATED = re.compile(r"(\d+) generated")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks, and the token that he sends; nobody sends none."""

    name: str
    token: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What schemathesis found as one identity."""

    identity: str
    cases: int
    is_clean: bool
    output: str


def install_tool() -> None:
    """Make schemathesis's environment, unless it is there and as pinned."""
    wanted = sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    stamp = TOOL / _STAMP
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    TOOL.parent.mkdir(exist_ok=True)
    python = str(TOOL / "bin" / "python")
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(TOOL)], check=True)
    pins = ["-r", str(REQUIREMENTS)]
    by_uv = [uv, "pip", "install", "--quiet", "--python", python, *pins]
    if subprocess.run(by_uv, check=False).returncode != 0:  # a registry that only pip is configured for
        pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
        subprocess.run([*pip, *pins], check=True)
    stamp.write_text(wanted)


@contextmanager
def furnished_server(folder: Path) -> Iterator[tuple[Server, list[Identity]]]:
    """Start a server that holds what the document's examples name; yield it with the five identities."""
    server = Server(folder / "data")
    server.start()
    try:
        yield server, _furnish(server, folder)
        assert server.stop() == 0, server.log_text()
    finally:
        server.kill()


def prove(server: Server, identities: Iterable[Identity], *, phases: str, examples: int) -> list[Outcome]:
    """Run schemathesis as each identity; the administrator, who changes most, comes last and alone."""
    document = request("GET", f"{server.url}/api/v1/openapi.json")
    assert document.status == 200, document.text
    path = server.data.parent / "openapi.json"
    path.write_bytes(document.body)
    path.with_name("schemathesis.toml").write_text(_CONFIGURATION)
    *others, administrator = identities

    def run(identity: Identity) -> Outcome:
        return _run(server, identity, document=path, phases=phases, examples=examples)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        outcomes = list(pool.map(run, others))
    return [*outcomes, run(administrator)]


def _furnish(server: Server, folder: Path) -> list[Identity]:
    server.admin("user", "create", "ada", "--admin")
    server.admin("user", "create", "bob")
    server.admin("index", "create", "staging")
    server.admin("index", "create", "open", "--anonymous-read")
    create = ("token", "create", "--user", "bob", "--right", "read")
    member = server.admin(*create, "--right", "upload", "--right", "yank")
    for index in ("main", "open"):
        for dist in make_dists(folder / index, "acme-billing", version="1.2.0"):
            answer = upload(
                f"{server.url}/{index}/legacy/", dist.path, token=member, name="acme-billing", version="1.2.0"
            )
            assert answer.status == 200, answer.text
    return [
        Identity("anonymous", None),
        Identity("read-only token", server.admin(*create)),
        Identity("narrow token", server.admin(*create, "--index", "main", "--project", "acme-*")),
        Identity("member", member),
        Identity("administrator", server.admin("token", "create", "--user", "ada", "--right", "administer")),
    ]


def _run(server: Server, identity: Identity, *, document: Path, phases: str, examples: int) -> Outcome:
    credentials = [] if identity.token is None else ["-H", f"Authorization: Bearer {identity.token}"]
    command = [
        str(TOOL / "bin" / "schemathesis"), "run", str(document), "--url", f"{server.url}/api/v1", *credentials,
        "--phases", phases, "-n", str(examples), "--continue-on-failure", "--no-color", "--warnings", "off",
        "--generation-database", "none", "--request-timeout", "30",
    ]  # fmt: skip
    folder = server.data.parent
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env=clean_environment(folder)
    )
    found = _GENERATED.search(done.stdout)
    cases = int(found[1]) if found else 0
    output = done.stdout + done.stderr
    return Outcome(identity.name, cases, is_clean=done.returncode == 0 and cases > 0, output=output)


def main() -> int:
    """Run the whole proof and print what was found; 0 when nothing was."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--examples", type=int, default=100, help="cases an operation in the fuzzing phase")
    parser.add_argument("--phases", default=ALL_PHASES)
    options = parser.parse_args()
    install_tool()
    with tempfile.TemporaryDirectory() as folder, furnished_server(Path(folder)) as (server, identities):
        outcomes = prove(server, identities, phases=options.phases, examples=options.examples)
        has_faults = "request failed" in server.log_text()
    for outcome in outcomes:
        sys.stdout.write(f"{outcome.identity}: {outcome.cases} cases, {'clean' if outcome.is_clean else 'FAULTS'}\n")
        if not outcome.is_clean:
            sys.stdout.write(outcome.output)
    sys.stdout.write(f"{sum(outcome.cases for outcome in outcomes)} cases in all\n")
    return 0 if all(outcome.is_clean for outcome in outcomes) and not has_faults else 1


if __name__ == "__main__":
    sys.exit(main())
