"""The load proof in full: `python -m tests.load_proof [large|pages|slow|stop]...` (all of them by default).

Large: a 1 GiB wheel, then eight at once. Pages: 5,000 files. Slow: 500 clients against the
deadlines that a server has by default. Stop: SIGTERM among 200 of them.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.load.scenes import (
    GOOD_LIMIT_SECONDS,
    MEMORY_LIMIT_MIB,
    PAGE_LIMIT_SECONDS,
    STOP_LIMIT_SECONDS,
    list_many_files,
    move_large_files,
    stop_among_slow_clients,
    suffer_slow_clients,
)

_GIB = 2**30
_SLOW_SECONDS = 120.0


def prove_large(folder: Path) -> bool:
    """Move one wheel of 1 GiB, then eight at once."""
    holds = True
    for count in (1, 8):
        large = move_large_files(folder / f"large-{count}", count=count, size_bytes=_GIB)
        _say(f"{count} x 1 GiB: {large}")
        holds = holds and not large.faults and large.upload_mib_with_inspectors < MEMORY_LIMIT_MIB
        holds = holds and large.download_mib < MEMORY_LIMIT_MIB
    return holds


def prove_pages(folder: Path) -> bool:
    """List 5,000 files."""
    pages = list_many_files(folder / "pages", files=5000)
    for form, (first, warm, size_bytes) in pages.items():
        _say(f"5,000 files, {form}: first {first * 1e3:.1f} ms, warm {warm * 1e3:.2f} ms, {size_bytes} bytes")
    return all(warm < PAGE_LIMIT_SECONDS for _, warm, _ in pages.values())


def prove_slow(folder: Path) -> bool:
    """Suffer 500 slow clients."""
    slow = suffer_slow_clients(folder / "slow", clients=500, settings={}, within_seconds=_SLOW_SECONDS)
    _say(f"500 slow clients: {slow}")
    return slow.left_open == 0 and slow.good_p99_seconds < GOOD_LIMIT_SECONDS


def prove_stop(folder: Path) -> bool:
    """Stop among 200 slow clients."""
    seconds, status = stop_among_slow_clients(folder / "stop", clients=200, settings={})
    _say(f"SIGTERM among 200 slow clients: {seconds:.1f} s, exit code {status}")
    return status == 0 and seconds < STOP_LIMIT_SECONDS


SCENES: dict[str, Callable[[Path], bool]] = {
    "large": prove_large,
    "pages": prove_pages,
    "slow": prove_slow,
    "stop": prove_stop,
}


def main() -> int:
    """Run the scenes that were asked for, and return the exit code."""
    failed = []
    for name in sys.argv[1:] or SCENES:
        with tempfile.TemporaryDirectory() as folder:
            if not SCENES[name](Path(folder)):
                failed.append(name)
    _say(f"falls short: {', '.join(failed)}" if failed else "all within their limits")
    return 1 if failed else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
