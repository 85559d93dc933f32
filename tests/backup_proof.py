"""Backups under load, restored into the other kind of store; and how long a large restore takes.

Each round: a server on SQLite takes uploads while a backup is made; it is proved, restored
into PostgreSQL, and from there backed up and restored into SQLite again. What was
acknowledged before the backup began must be there with equal bytes, the old token must
work, and the audit log must verify with the same head in both.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from strongroom.bootstrap import open_store
from strongroom.core.names import parse_filename
from strongroom.ports import Transaction
from tests.crash.wheel import make_wheel
from tests.factories import a_file, a_project
from tests.functional.server import Server
from tests.functional.stores import database_of, settings_of
from tests.functional.wire import upload

MOST_SECONDS = 5 * 60
MANY_FILES = 10_000
_SQLITE = {"STRONGROOM_DATABASE": "", "STRONGROOM_BLOBS": ""}
_UPLOADERS = 3


@dataclass(slots=True)
class Traffic:
    """Uploads without a break; `acknowledged` holds the digest of each file whose 200 has arrived."""

    server: Server
    token: str
    folder: Path
    acknowledged: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Upload as long as the block lasts."""
        stop = threading.Event()
        threads = [threading.Thread(target=self._upload, args=(number, stop)) for number in range(_UPLOADERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert self.faults == []

    def wait_for(self, count: int) -> dict[str, str]:
        """Return what is acknowledged, once that is so many more files."""
        wanted, deadline = len(self.acknowledged) + count, time.monotonic() + 60
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < deadline, self.faults or "no uploads"
            time.sleep(0.01)
        return dict(self.acknowledged)

    def _upload(self, number: int, stop: threading.Event) -> None:
        count = 0
        while not stop.is_set():
            project, version = f"load-{number}", f"1.{count}"
            wheel = make_wheel(project, version, payload=f"{self.server.data} {number} {count}".encode())
            path = self.folder / wheel.filename
            path.write_bytes(wheel.content)
            answer = upload(f"{self.server.url}/legacy/", path, token=self.token, name=project, version=version)
            if answer.status != 200:
                self.faults.append(f"{wheel.filename}: {answer.status} {answer.text}")
                return
            self.acknowledged[wheel.filename] = hashlib.sha256(wheel.content).hexdigest()
            count += 1


def back_up_under_load(folder: Path) -> int:
    """Do one round; return how many files were acknowledged before its backup began."""
    first = Server(folder / "first", settings=_SQLITE)
    first.admin("user", "create", "ada", "--admin")
    token = first.admin("token", "create", "--user", "ada")
    target = str(folder / "backups")
    first.start()
    try:
        traffic = Traffic(first, token, folder)
        with traffic.flowing():
            traffic.wait_for(6)
            first.admin("backup", "create", target)
            promised = traffic.wait_for(6)
            made = json.loads(first.admin("backup", "create", target, "--with-secrets", "--json"))
            traffic.wait_for(3)
    finally:
        first.stop()
    assert "is good" in first.run("backup", "verify", target).stderr
    second = Server(folder / "second", settings={**_SQLITE, "STRONGROOM_DATABASE": database_of(folder / "second")})
    second.admin("backup", "restore", target)
    demand_equal(second, promised, token=token, head=made["head"])
    back = str(folder / "back")
    returned = json.loads(second.admin("backup", "create", back, "--with-secrets", "--json"))
    third = Server(folder / "third", settings=_SQLITE)
    third.admin("backup", "restore", back)
    demand_equal(third, promised, token=token, head=returned["head"])
    return len(promised)


def demand_equal(server: Server, promised: dict[str, str], *, token: str, head: str) -> None:
    """Fail unless the restored store has all promised bytes, takes the old token, and verifies."""
    assert server.admin("audit", "verify") == head
    assert json.loads(server.admin("verify", "--json"))["faults"] == []
    server.start()
    try:
        for filename, sha256 in promised.items():
            project = filename.split("-1.")[0].replace("_", "-")
            answer = server.get(f"/main/files/{project}/{filename}", token=token)
            assert answer.status == 200, (filename, answer.status)
            assert hashlib.sha256(answer.body).hexdigest() == sha256, filename
        assert server.get("/main/simple/load-0/").status == 401
        wheel = make_wheel("load-0", "9.0")
        path = server.data.parent / wheel.filename
        path.write_bytes(wheel.content)
        assert upload(f"{server.url}/legacy/", path, token=token, name="load-0", version="9.0").status == 200
    finally:
        server.stop()


def measure_restore(folder: Path, files: int) -> float:
    """Return how many seconds the restore of so many files into PostgreSQL takes, at the command line."""
    source = Server(folder / "source", settings=_SQLITE)
    source.admin("user", "create", "ada", "--admin")
    asyncio.run(_publish(source, files))
    target = str(folder / "large")
    source.admin("backup", "create", target, "--with-secrets")
    restored = Server(
        folder / "restored", settings={**_SQLITE, "STRONGROOM_DATABASE": database_of(folder / "restored")}
    )
    began = time.monotonic()
    restored.admin("backup", "restore", target)
    seconds = time.monotonic() - began
    report = json.loads(restored.admin("verify", "--json"))
    assert (report["files"], report["faults"]) == (files, [])
    return seconds


async def _publish(server: Server, count: int) -> None:
    """Put files into the store, without what an upload would do beside that."""
    names = [f"demo-{number}.0-py3-none-any.whl" for number in range(count)]

    def change(tx: Transaction) -> None:
        tx.projects.save(a_project())
        for name in names:
            tx.files.add(replace(a_file(name), filename=parse_filename(name)))

    async with open_store(settings_of(server.data, _SQLITE)) as services:
        for start in range(0, count, 50):
            await asyncio.gather(*(services.blobs.put(name.encode()) for name in names[start : start + 50]))
        await services.catalog.write(change)


def main() -> None:
    """Run the rounds and the large restore, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--files", type=int, default=MANY_FILES)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strongroom-backup-proof-") as made:
        for number in range(chosen.rounds):
            folder = Path(made, str(number))
            folder.mkdir()
            promised = back_up_under_load(folder)
            print(f"round {number + 1}: {promised} acknowledged files are in both restored stores", flush=True)
        seconds = measure_restore(Path(made), chosen.files)
    print(f"restoring {chosen.files} files took {seconds:.1f} s (at most {MOST_SECONDS} s for {MANY_FILES})")
    assert seconds < MOST_SECONDS * max(chosen.files / MANY_FILES, 0.1)


if __name__ == "__main__":
    main()
