"""A store that is worth asking: 1,000 projects of ten files, one project of 1,000."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from packaging.version import Version

from strongroom.bootstrap import local_operator, open_store, prepare
from strongroom.config import Settings
from strongroom.core.delegation import TokenRequest
from strongroom.core.events import Uploaded
from strongroom.core.model import File, PackageType, Project
from strongroom.core.names import IndexName, Sha256, UserName, parse_filename, parse_project_name
from strongroom.ports import Transaction
from strongroom.services.accounts import NewUser

MAIN = IndexName("main")
SMALL, BIG = "small-7", "big"
SMALL_WHEEL = "small_7-1.0-py3-none-any.whl"
_PROJECTS = 1000
_FILES = 10
_FILES_OF_BIG = 1000
_WHEEL_BYTES = 10_000
_METADATA = b"Metadata-Version: 2.1\n" + b"Classifier: Programming Language :: Python :: 3\n" * 60


@dataclass(frozen=True, slots=True)
class _Blobs:
    wheel: Sha256
    metadata: Sha256


async def fill(directory: Path) -> str:
    """Fill the data directory; returns a token that reads all of it."""
    settings = Settings(data=str(directory))
    await prepare(settings)
    async with open_store(settings) as services:
        blobs = _Blobs(await services.blobs.put(os.urandom(_WHEEL_BYTES)), await services.blobs.put(_METADATA))
        now = services.clock.now()
        sizes = {f"small-{number}": _FILES for number in range(_PROJECTS)} | {BIG: _FILES_OF_BIG}

        def store(tx: Transaction) -> None:
            for name, count in sizes.items():
                _store_project(tx, name, files=[_file(name, number, blobs=blobs, now=now) for number in range(count)])

        await services.catalog.write(store)
        owner = UserName("bench")
        await services.accounts.create(local_operator(), NewUser(name=owner))
        issued = await services.tokens.issue(local_operator(), TokenRequest(owner=owner))
        return issued.text.render()


def _store_project(tx: Transaction, name: str, *, files: list[File]) -> None:
    first = files[0]
    event = Uploaded(
        index=MAIN,
        project=first.project,
        version=str(first.version),
        filename=first.filename,
        sha256=first.sha256,
        size_bytes=first.size_bytes,
    )
    serial = tx.events.append(event, at=first.uploaded_at, actor=local_operator().actor)
    tx.projects.save(Project(MAIN, first.project, name, first.uploaded_at, serial))
    for file in files:
        tx.files.add(file)


def _file(name: str, number: int, *, blobs: _Blobs, now: datetime) -> File:
    return File(
        index=MAIN,
        project=parse_project_name(name),
        filename=parse_filename(f"{name.replace('-', '_')}-{number}.0-py3-none-any.whl"),
        version=Version(f"{number}.0"),
        package_type=PackageType.WHEEL,
        python_tag="py3",
        sha256=blobs.wheel,
        size_bytes=_WHEEL_BYTES,
        uploaded_at=now,
        uploaded_by="user:bench",
        serial=1,
        requires_python=">=3.9",
        metadata_sha256=blobs.metadata,
        serves_metadata=True,
    )
