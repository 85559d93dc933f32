"""The real server watched and behind TLS, with the real clients."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.installers import Target
from tests.functional.projects import make_dists
from tests.functional.publishers import output_of, run
from tests.functional.server import Server
from tests.functional.wire import request

NAME = "acme-guarded"


class TlsServer(Server):
    """A server that speaks TLS with a certificate of its own."""

    @property
    def url(self) -> str:
        """Return the URL, with https."""
        return f"https://{self.host}:{self.port}"

    @property
    def certificate(self) -> Path:
        """Return where its certificate lies."""
        return self.data / "tls" / "certificate.pem"

    def _is_healthy(self) -> bool:
        """Ask over TLS, trusting its certificate and no other."""
        try:
            trusted = ssl.create_default_context(cafile=self.certificate)
            connection = http.client.HTTPSConnection(self.host, self.port, context=trusted, timeout=5)
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:  # not yet there: neither the file nor the server
            return False
        finally:
            if "connection" in locals():
                connection.close()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    """Start a server with a certificate that it makes itself."""
    server = TlsServer(tmp_path_factory.mktemp("guarded") / "data", "--tls-self-signed")
    server.start()
    yield server
    assert server.stop() == 0, server.log_text()


def test_uv_and_pip_work_over_tls_where_the_certificate_is_trusted(
    guarded: TlsServer, target: Target, home: Path, tmp_path: Path
) -> None:
    """Uv publishes and installs, pip installs; without trust both refuse, and nothing is installed."""
    guarded.admin("user", "create", "alice")
    token = guarded.admin("token", "create", "--user", "alice")
    index = f"https://__token__:{token}@{guarded.authority}/simple/"
    make_dists(tmp_path, NAME)
    publish = ("publish", "--publish-url", f"{guarded.url}/legacy/", "--token", token, "dist/*")
    uv_install = ("pip", "install", "--python", target.python, "--index-url", index, NAME)
    pip_install: tuple[str, ...] = (
        "--python",
        target.python,
        "--isolated",
        "install",
        "--retries",
        "0",
        "--no-cache-dir",
    )
    pip_install = (*pip_install, "--force-reinstall", "--index-url", index, NAME)
    doubting = {"UV_NO_CONFIG": "1", "UV_NO_CACHE": "1"}
    trusting = doubting | {"SSL_CERT_FILE": str(guarded.certificate)}

    assert run("uv", "uv", *publish, cwd=tmp_path, home=home, variables=doubting).returncode != 0
    published = run("uv", "uv", *publish, cwd=tmp_path, home=home, variables=trusting)
    assert published.returncode == 0, output_of(published)

    for client, words in (("uv", uv_install), ("pip", pip_install)):
        refused = run(client, client, *words, cwd=tmp_path, home=home, variables=doubting)
        assert refused.returncode != 0
        assert "certificate" in output_of(refused).lower()
        assert target.version_of(NAME) is None
    installed = run("uv", "uv", *uv_install, cwd=tmp_path, home=home, variables=trusting)
    assert installed.returncode == 0, output_of(installed)
    assert target.version_of(NAME) == "1.0"
    trusted = ("--cert", str(guarded.certificate), *pip_install)
    again = run("pip", "pip", *trusted, cwd=tmp_path, home=home)
    assert again.returncode == 0, output_of(again)


def test_a_server_with_tls_speaks_nothing_else(guarded: TlsServer) -> None:
    """A token sent to http:// by mistake gets no answer; the banner says https and how to trust."""
    with pytest.raises((OSError, http.client.HTTPException)):
        request("GET", f"http://{guarded.authority}/healthz")
    assert f"Strongroom serves {guarded.url}/" in guarded.log_text()
    assert re.search(r"SHA-256 ([0-9A-F]{2}:){31}[0-9A-F]{2}", guarded.log_text())
    assert f"SSL_CERT_FILE={guarded.certificate}" in guarded.log_text()


def test_a_certificate_without_its_key_is_refused(tmp_path: Path, guarded: TlsServer) -> None:
    """Before anything is made, in plain words."""
    other = Server(tmp_path / "data")
    flags = ("--tls-certificate", str(guarded.certificate), "--tls-key", str(guarded.certificate))
    done = other.run("serve", "--port", str(other.port), *flags)

    assert done.returncode not in {0, 70}
    assert "holds no private key" in done.stderr
    assert "Traceback" not in done.stderr
    assert not other.data.exists()


def test_two_workers_tell_the_same_numbers(tmp_path: Path) -> None:
    """Whichever answers tells of both; a worker that was killed leaves its numbers; a start counts from zero."""
    settings = {"STRONGROOM_WORKERS": "2", "STRONGROOM_ACCESS_LOG": "true"}
    server = Server(tmp_path / "data", settings=settings)
    server.start()
    try:
        for _ in range(30):
            assert server.get("/simple/acme/?token=hidden").status == 401
        time.sleep(1.2)
        for _ in range(10):
            assert read_number(server, 'strongroom_requests_total{kind="page",status="401"}') == 30
            assert read_number(server, "strongroom_workers") == 2
        assert server.stop() == 0
        server.start()
        assert read_number(server, 'strongroom_requests_total{kind="page",status="401"}') == 0
        assert server.stop() == 0
    finally:
        server.kill()
    lines = [json.loads(line) for line in server.log_text().splitlines() if line.startswith("{")]
    answered = [line for line in lines if line["message"] == "answered" and line["path"] == "/simple/acme/"]
    assert len(answered) == len({line["request"] for line in answered}) == 30
    assert "hidden" not in server.log_text()


def test_strangers_read_no_numbers(tmp_path: Path) -> None:
    """With no network allowed, an administrator's token is needed; one that only reads is not enough."""
    server = Server(tmp_path / "data", settings={"STRONGROOM_METRICS_NETWORKS": "none"})
    server.admin("user", "create", "root-admin", "--admin")
    admin = server.admin("token", "create", "--user", "root-admin", "--right", "administer")
    reader = server.admin("token", "create", "--user", "root-admin", "--right", "read")
    server.start()
    try:
        assert server.get("/metrics").status == 401
        assert server.get("/metrics", token=reader).status in {403, 404}
        assert "strongroom_serial " in server.get("/metrics", token=admin).text
        assert server.stop() == 0
    finally:
        server.kill()


def test_readiness_turns_red_and_green_again(tmp_path: Path) -> None:
    """A directory that takes no uploads is told within two seconds, and its return, too; health stays green."""
    server = Server(tmp_path / "data")
    server.start()
    incoming = server.data / "incoming"
    try:
        assert server.get("/readyz").status == 200
        incoming.rename(server.data / "away")
        assert seconds_until(server, 503) < 2
        checks = {check["check"]: check["status"] for check in server.get("/readyz").json()["checks"]}
        assert checks == {"catalog": "ok", "blobs": "failed"}
        assert str(server.data) not in server.get("/readyz").text
        assert server.get("/healthz").status == 200
        (server.data / "away").rename(incoming)
        assert seconds_until(server, 200) < 2
        assert server.stop() == 0
    finally:
        server.kill()


def read_number(server: Server, name: str) -> float:
    """Return one of the numbers; 0 where it is not told."""
    text = server.get("/metrics").text
    return next((float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name + " ")), 0)


def seconds_until(server: Server, status: int) -> float:
    """Return how long it took until /readyz gave that status."""
    began = time.monotonic()
    while server.get("/readyz").status != status:
        assert time.monotonic() - began < 10
        time.sleep(0.05)
    return time.monotonic() - began
