"""The machine fails under the real server: right answers, nothing lost, red within two seconds, back by itself.

What each step of the store does then is tested in `tests/adapters/blobs/test_disk_faults.py`.
"""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.crash.tree import process_tree
from tests.functional.host.scene import BACK_SECONDS, ON_THE_DISK, RED_SECONDS, open_scene, wheel_of
from tests.small_disk import run_on_small_disk

DISK_BYTES = 32 * 1024 * 1024
FAILING_SYNC = Path(__file__).with_name("host") / "failing_sync"


@contextmanager
def no_more_files(pid: int) -> Iterator[None]:
    """Let the process and its descendants open no further file."""
    earlier = {one: resource.prlimit(one, resource.RLIMIT_NOFILE) for one in process_tree(pid)}
    for one, (_, hard) in earlier.items():
        resource.prlimit(one, resource.RLIMIT_NOFILE, (1, hard))  # those that are open stay open
    try:
        yield
    finally:
        for one, limits in earlier.items():
            resource.prlimit(one, resource.RLIMIT_NOFILE, limits)


def test_too_many_open_files(tmp_path: Path) -> None:
    """Uploads are 503 with their fix and known pages go on; nobody hangs, and then all is well by itself."""
    with open_scene(tmp_path / "data") as scene:
        assert scene.is_ready()
        with no_more_files(scene.server.pid):
            red = scene.wait_until(lambda: not scene.is_ready(), within_seconds=RED_SECONDS)
            status, headers, body = scene.publish(wheel_of(1))
            assert (status, json.loads(body)["code"]) == (503, "too-many-files"), body
            assert "retry-after" in headers
            assert scene.ask("/simple/acme-host/")[0] == 200
        back = scene.wait_until(scene.is_ready, within_seconds=BACK_SECONDS)
        assert scene.leftovers() == []
        scene.demand_whole()
        assert scene.publish(wheel_of(2))[0] == 200
        scene.demand_whole()
        assert scene.server.get("/healthz").status == 200, "strangers are let in again, too"
    print(f"too many open files: red after {red:.2f} s, ready {back:.2f} s after it was over")


def test_a_disk_that_loses_writes(tmp_path: Path) -> None:
    """What cannot be made durable is not acknowledged, not listed and not left over; the next upload succeeds."""
    switch = tmp_path / "loses-writes"
    settings = {**ON_THE_DISK, "PYTHONPATH": str(FAILING_SYNC), "STRONGROOM_TEST_LOSES_WRITES": str(switch)}
    with open_scene(tmp_path / "data", settings=settings) as scene:
        assert scene.is_ready()
        switch.touch()
        status, _, body = scene.publish(wheel_of(1))
        assert (status, json.loads(body)["code"]) == (500, "blob-fault"), body
        red = scene.wait_until(lambda: not scene.is_ready(), within_seconds=RED_SECONDS)
        scene.demand_whole()
        switch.unlink()
        scene.wait_until(scene.is_ready, within_seconds=BACK_SECONDS)
        assert scene.leftovers() == []
        assert scene.publish(wheel_of(1))[0] == 200
        scene.demand_whole()
    print(f"writes that get lost: red after {red:.2f} s")


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """On a small disk that holds catalog and files: refused as 507, readable all the while, back when there is room."""
    print(run_on_small_disk("tests.functional.host.full_disk", tmp_path, size_bytes=DISK_BYTES))
