"""Children that are something else than what the server takes them for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

SLEEPER = "import sys, time; sys.stdin.buffer.read(1); time.sleep(60)"
CRASHER = "import sys; sys.stdin.buffer.read(1); sys.exit(3)"
BABBLER = "import sys; sys.stdin.buffer.read(1); sys.stdout.write('\\0\\0\\0\\1x'); sys.stdout.flush(); input()"
SHOUTER = "import sys; sys.stdin.buffer.read(1); sys.stdout.buffer.write(b'\\xff' * 8); sys.stdout.flush(); input()"


def answering(answer: bytes) -> str:
    """Return the script of a child that gives this answer once, and then waits for its end."""
    framed = len(answer).to_bytes(4, "big") + answer
    return (
        f"import sys; sys.stdin.buffer.read(1); sys.stdout.buffer.write({framed!r});"
        " sys.stdout.flush(); sys.stdin.buffer.read()"
    )


def instead(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let children run a script instead of what they are for."""
    start: Callable[..., Awaitable[asyncio.subprocess.Process]] = asyncio.create_subprocess_exec

    async def start_script(program: str, *_: str, **options: object) -> asyncio.subprocess.Process:
        return await start(program, "-I", "-c", script, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start_script)
