"""Run where the data directory is a small disk of its own: fill it under the server, and free it again."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from tests.functional.host.scene import BACK_SECONDS, ON_THE_DISK, RED_SECONDS, Scene, open_scene, wheel_of

MEBIBYTE = 1024 * 1024
LARGE_BYTES = 6 * MEBIBYTE
KEPT_FREE_BYTES = MEBIBYTE


def fill(data: Path, *, but_bytes: int) -> Path:
    """Lay a file on the disk that leaves only so much room; return it."""
    ballast = data / "ballast"
    size_bytes = max(0, shutil.disk_usage(data).free - but_bytes)
    with ballast.open("ab") as file:
        try:
            while size_bytes > 0:
                size_bytes -= file.write(bytes(min(size_bytes, 64 * 1024)))
                file.flush()
        except OSError:  # not a byte more
            os.ftruncate(file.fileno(), os.fstat(file.fileno()).st_size)
    return ballast


def demand_refusal(scene: Scene, number: int, *, size_bytes: int) -> None:
    """Try an upload for which there is no room; it leaves nothing."""
    status, _, body = scene.publish(wheel_of(number, size_bytes=size_bytes))
    told = json.loads(body)
    assert (status, told["code"]) == (507, "disk-full"), body
    assert "Free some space" in told["detail"], told
    assert scene.leftovers() == []
    scene.demand_whole()


def suffer(data: Path) -> None:
    """Too little room for one upload, then for none at all, then enough."""
    settings = {**ON_THE_DISK, "STRONGROOM_MIN_FREE_BYTES": str(KEPT_FREE_BYTES)}
    with open_scene(data, settings=settings) as scene:
        assert scene.is_ready()
        ballast = fill(data, but_bytes=LARGE_BYTES // 2)
        demand_refusal(scene, 1, size_bytes=LARGE_BYTES)
        fill(data, but_bytes=0)
        red = scene.wait_until(lambda: not scene.is_ready(), within_seconds=RED_SECONDS)
        demand_refusal(scene, 2, size_bytes=20_000)
        ballast.unlink()
        back = scene.wait_until(scene.is_ready, within_seconds=BACK_SECONDS)
        assert scene.publish(wheel_of(3, size_bytes=LARGE_BYTES))[0] == 200
        scene.demand_whole()
    sys.stdout.write(f"disk full: red after {red:.2f} s, ready {back:.2f} s after there was room\n")


if __name__ == "__main__":
    suffer(Path(sys.argv[1]) / "data")
