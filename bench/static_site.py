"""A directory in the simple index's layout, and a plain static file server on it: what a warm cache is held against."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.functional.server import free_port
from tests.functional.wire import request

from strongroom.adapters.upstream.site import Site

_START_SECONDS = 30


def write_site(site: Site, folder: Path) -> Path:
    """Write the pages as HTML, the wheels and their METADATA."""
    page = Site(files=site.files, is_html_only=True)
    for file in site.files.values():
        assert file.path is not None
        place = folder / "files" / file.project
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(file.path, place)
        (place / f"{file.filename}.metadata").write_bytes(file.metadata or b"")
        listed = page.find_page(file.project)
        assert listed is not None
        (folder / "simple" / file.project).mkdir(parents=True, exist_ok=True)
        (folder / "simple" / file.project / "index.html").write_bytes(listed.content)
    return folder


@contextmanager
def serving_files(folder: Path) -> Iterator[str]:
    """Serve the directory with granian's own static files, no Python in the way; return the index URL."""
    port = free_port()
    (folder / "nothing.py").write_text("async def app(scope, receive, send): ...\n")
    mounted = {"route": "/static", "mount": str(folder), "dir-to-file": "index.html"}
    command = [str(Path(sys.executable).with_name("granian")), "--interface", "asginl", "--port", str(port), "--no-log"]
    command += [word for name, value in mounted.items() for word in (f"--static-path-{name}", value)]
    process = subprocess.Popen([*command, "nothing:app"], cwd=folder)  # noqa: S603 - a program of our own environment
    try:
        url = f"http://127.0.0.1:{port}/static/simple/"
        _wait(f"{url}six/")
        yield url
    finally:
        process.terminate()
        process.wait(_START_SECONDS)


def _wait(url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            answer = request("GET", url)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            assert answer.headers.get("content-type", "").startswith("text/html"), answer.headers
            return
