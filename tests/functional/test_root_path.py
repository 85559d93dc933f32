"""Behind a proxy that puts a path in front: every URL that the server gives leads through it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.functional.installers import UV_CLEAN, make_target
from tests.functional.projects import make_dists
from tests.functional.proxy import forwarding
from tests.functional.publishers import output_of, run
from tests.functional.server import Server, free_port
from tests.functional.wire import JSON, request

PREFIX = "/corp/packages"
NAME = "acme-behind"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, int]]:
    """Start a server that knows its public URL; return it with the port that the proxy must take."""
    port = free_port()
    url = f"http://127.0.0.1:{port}{PREFIX}"
    server = Server(tmp_path_factory.mktemp("behind") / "data", "--root-path", PREFIX, "--public-url", url)
    server.start()
    server.admin("user", "create", "alice")
    yield server, port
    assert server.stop() == 0, server.log_text()


@pytest.mark.parametrize("strips", [True, False], ids=["proxy-strips", "proxy-keeps"])
def test_clients_work_behind_a_prefix(server: tuple[Server, int], tmp_path: Path, *, strips: bool) -> None:
    """Publishing, pages, redirects, files and sidecars all work through the prefix, whether the proxy strips it."""
    inner, port = server
    token = inner.admin("token", "create", "--user", "alice")
    name = f"{NAME}-{'strips' if strips else 'keeps'}"
    make_dists(tmp_path, name)
    public = f"127.0.0.1:{port}{PREFIX}"
    with forwarding((inner.host, inner.port), prefix=PREFIX, strips=strips, port=port) as seen:
        publish = ("uv", "publish", "--publish-url", f"http://{public}/legacy/", "--token", token)
        published = run("uv", *publish, cwd=tmp_path, home=tmp_path)
        assert published.returncode == 0, output_of(published)
        for client, command in (
            ("uv", ("uv", "pip", "install")),
            ("pip", ("pip", "install", "--no-cache-dir", "--force-reinstall")),
        ):
            target = make_target(tmp_path / client)
            where = {"UV_PYTHON": target.python, "PIP_PYTHON": target.python, **UV_CLEAN}
            index = ("--index-url", f"http://__token__:{token}@{public}/simple/")
            ran = run(client, *command, *index, name, cwd=tmp_path, home=tmp_path, variables=where)
            assert ran.returncode == 0, output_of(ran)
            assert target.version_of(name) == "1.0"
        misspelt = f"http://{public}/simple/{name.title()}"
        redirect = request("GET", misspelt, token=token)
        assert redirect.status in {301, 308}
        location = urljoin(misspelt, redirect.headers["location"])
        followed = request("GET", location, token=token, headers={"Accept": JSON})
        assert followed.json()["name"] == name
    assert all(path.startswith(PREFIX) for path in seen)


def test_the_json_api_gives_public_urls(server: tuple[Server, int], tmp_path: Path) -> None:
    """Where a URL must be absolute it is the public one."""
    inner, port = server
    token = inner.admin("token", "create", "--user", "alice")
    wheel, _ = make_dists(tmp_path, NAME)
    with forwarding((inner.host, inner.port), prefix=PREFIX, strips=True, port=port):
        publish = ("uv", "publish", "--publish-url", f"http://127.0.0.1:{port}{PREFIX}/legacy/", "--token", token)
        assert run("uv", *publish, str(wheel.path), cwd=tmp_path, home=tmp_path).returncode == 0
        (file,) = request("GET", f"http://127.0.0.1:{port}{PREFIX}/pypi/{NAME}/json", token=token).json()["urls"]
        assert file["url"].startswith(f"http://127.0.0.1:{port}{PREFIX}/")
        assert request("GET", file["url"], token=token).body == wheel.path.read_bytes()
