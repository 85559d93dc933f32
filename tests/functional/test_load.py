"""Large files in little memory, long pages at once, slow clients shown the door: the short form of the proof.

`python -m tests.load_proof` is the long one, with 1 GiB and the deadlines of every day.
"""

from __future__ import annotations

from pathlib import Path

from tests.functional.stores import chosen_kind
from tests.load.big_wheel import make_big_wheel
from tests.load.scenes import (
    BUCKET_LIMIT_MIB,
    GOOD_LIMIT_SECONDS,
    MEMORY_LIMIT_MIB,
    PAGE_LIMIT_SECONDS,
    list_many_files,
    move_large_files,
    stop_among_slow_clients,
    suffer_slow_clients,
)

IMPATIENT = {"STRONGROOM_HEADER_SECONDS": "2", "STRONGROOM_STALL_SECONDS": "2", "STRONGROOM_DRAIN_SECONDS": "2"}


def test_large_files_take_little_memory(tmp_path: Path) -> None:
    """Four wheels of 128 MiB at once: the server's processes together grow by less than 64 MiB (128 with a bucket)."""
    limit_mib = BUCKET_LIMIT_MIB if chosen_kind() == "postgres-s3" else MEMORY_LIMIT_MIB
    large = move_large_files(tmp_path / "data", count=4, size_bytes=128 * 2**20)
    assert large.faults == []
    assert large.upload_mib_with_inspectors < limit_mib
    assert large.download_mib < limit_mib


def test_long_pages_are_quick(tmp_path: Path) -> None:
    """A page of 5,000 files takes less than 50 ms in every form and coding, once it was rendered."""
    pages = list_many_files(tmp_path / "data", files=5000)
    assert {form: warm for form, (_, warm, _) in pages.items() if warm >= PAGE_LIMIT_SECONDS} == {}


def test_slow_clients_are_closed_and_harm_nobody(tmp_path: Path) -> None:
    """500 clients who say nothing, trickle, stop or stay are all closed; a good one never waits for half a second."""
    slow = suffer_slow_clients(tmp_path / "data", clients=500, settings=IMPATIENT, within_seconds=30)
    assert slow.left_open == 0
    assert set(slow.slowest) == {"say_nothing", "stay", "stop_in_body", "trickle_body", "trickle_headers"}
    assert slow.good_p99_seconds < GOOD_LIMIT_SECONDS


def test_slow_clients_do_not_hold_up_the_stop(tmp_path: Path) -> None:
    """SIGTERM among 200 slow clients ends the server cleanly soon after the time that it gives them."""
    seconds, status = stop_among_slow_clients(tmp_path / "data", clients=200, settings=IMPATIENT)
    assert (status, seconds < 12) == (0, True)


def test_the_big_wheel_is_a_wheel(tmp_path: Path) -> None:
    """What the load tests upload can be read by Python's own zipfile, with every checksum right."""
    import zipfile

    path = tmp_path / "big-1.0-py3-none-any.whl"
    path.write_bytes(b"".join(make_big_wheel("big", "1.0", size_bytes=3_000_001).chunks()))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert "big-1.0.dist-info/METADATA" in archive.namelist()
