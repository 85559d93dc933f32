"""A project with thousands of files, put into the store without uploading them."""

from __future__ import annotations

import http.client
import time
from pathlib import Path

from strongroom.bootstrap import local_operator, open_store
from strongroom.core.events import Uploaded
from strongroom.ports import Transaction
from tests.crash.form import basic_auth
from tests.factories import a_file, a_project
from tests.functional.stores import settings_of
from tests.load.transfer import Place

PROJECT = "many"
FORMS = ("application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.v1+html", "text/html")


async def store_files(data: Path, count: int) -> None:
    """Write a project of so many files, as that many uploads would have."""
    async with open_store(settings_of(data)) as services:
        await services.indexes.ensure_first(local_operator())
        await services.catalog.write(lambda tx: _store(tx, count))


def _store(tx: Transaction, count: int) -> None:
    tx.projects.save(a_project(PROJECT))
    for number in range(count):
        file = a_file(f"{PROJECT}-1.{number}-py3-none-any.whl")
        tx.files.add(file)
    event = Uploaded(
        index=file.index,
        project=file.project,
        version=str(file.version),
        filename=file.filename,
        sha256=file.sha256,
        size_bytes=file.size_bytes,
    )
    tx.events.append(event, at=file.uploaded_at, actor=local_operator().actor)


def measure_page(place: Place, *, form: str, coding: str, times: int = 30) -> tuple[float, float, int]:
    """Return the seconds of the first answer, the median of the next ones, and the bytes of one."""
    connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=60)
    headers = {"Authorization": basic_auth(place.token), "Accept": form, "Accept-Encoding": coding}
    took: list[float] = []
    body = b""
    for _ in range(times + 1):
        began = time.perf_counter()
        connection.request("GET", f"/simple/{PROJECT}/", headers=headers)
        response = connection.getresponse()
        body = response.read()
        took.append(time.perf_counter() - began)
        assert response.status == 200, body[:200]
    connection.close()
    return took[0], sorted(took[1:])[times // 2], len(body)
