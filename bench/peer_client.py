"""What the comparison asks of any server: uploads, the links of a page, requests a second."""

from __future__ import annotations

import http.client
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from urllib.parse import urljoin

from tests.crash.form import wheel_body
from tests.crash.wheel import Wheel

from bench.wire import Address, Load, repeat

_CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Target:
    """Where a server is, where it takes uploads, and the Authorization header for it, if any."""

    address: Address
    upload: str
    credentials: str


def upload_rate(target: Target, wheels: list[Wheel]) -> float:
    """Upload all, one after the other on one connection; return how many a second."""
    connection = http.client.HTTPConnection(*target.address, timeout=60)
    began = time.perf_counter()
    for wheel in wheels:
        content_type, body = wheel_body(wheel)
        headers = {"Content-Type": content_type} | _authorization(target)
        connection.request("POST", target.upload, body=body, headers=headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise RuntimeError(f"{wheel.filename}: {response.status} {answer[:300]!r}")
    return len(wheels) / (time.perf_counter() - began)


def find_links(target: Target, project: str) -> tuple[str, str]:
    """Return the path of the first file on the project's page, and the page's ETag ("" if it has none)."""
    connection = http.client.HTTPConnection(*target.address, timeout=60)
    page = f"/simple/{project}/"
    deadline = time.monotonic() + 30
    while True:
        connection.request("GET", page, headers={"Accept": "text/html"} | _authorization(target))
        response = connection.getresponse()
        links = re.findall(r'href="([^"#]+)', response.read().decode())
        if links:
            json = {"Accept": "application/vnd.pypi.simple.v1+json"}
            connection.request("GET", page, headers=json | _authorization(target))
            response = connection.getresponse()
            response.read()
            return urljoin(page, links[0]), response.getheader("etag") or ""
        if time.monotonic() > deadline:
            raise RuntimeError(f"{page} lists nothing")
        time.sleep(0.2)  # some servers list an upload only after a while


def rate_of(target: Target, path: str, *, headers: tuple[str, ...], seconds: float) -> float:
    """Return the requests a second."""
    if not use_wrk():
        counted = repeat(Load(target.address, request_of(target, path, headers=headers), _CONNECTIONS, seconds))
        return counted.responses / counted.seconds
    host, port = target.address
    lines = [f"{name}: {value}" for name, value in _authorization(target).items()] + list(headers)
    options = [word for line in lines for word in ("-H", line)]
    command = [
        "wrk",
        "-t1",
        f"-c{_CONNECTIONS}",
        f"-d{max(1, round(seconds))}s",
        *options,
        f"http://{host}:{port}{path}",
    ]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - a fixed program
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if found is None:
        raise RuntimeError(said)
    return float(found[1])


def request_of(target: Target, path: str, *, headers: tuple[str, ...]) -> bytes:
    """Return the bytes of a GET."""
    lines = [f"{name}: {value}" for name, value in _authorization(target).items()]
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: bench.example", *lines, *headers, "", ""]).encode()


def use_wrk() -> bool:
    """Return whether `wrk` is installed."""
    return shutil.which("wrk") is not None


def _authorization(target: Target) -> dict[str, str]:
    return {"Authorization": target.credentials} if target.credentials else {}
