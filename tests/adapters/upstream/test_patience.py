from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine

import pytest
import uvloop

from strongroom.adapters.upstream.patience import within


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_a_pause_of_the_whole_process_is_nobodys_delay(runner: Callable[[Coroutine[None, None, bytes]], bytes]) -> None:
    """What has arrived when the process goes on is taken, though the time is over."""

    async def scene() -> bytes:
        reader, writer = await asyncio.open_connection(sock=here)
        async with within(0.1):
            there.sendall(b"in time")
            time.sleep(0.3)  # noqa: ASYNC251 - this is the pause
            said = await reader.read(7)
        writer.close()
        return said

    here, there = socket.socketpair()
    with there:
        assert runner(scene()) == b"in time"


def test_silence_is_a_timeout() -> None:
    """It comes after the time that was said."""

    async def scene() -> float:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            async with within(0.1):
                await asyncio.sleep(10)
        return time.monotonic() - began

    assert 0.09 < asyncio.run(scene()) < 5


def test_a_block_that_ends_in_time_leaves_no_timer() -> None:
    """Nothing is cancelled afterwards."""

    async def scene() -> str:
        async with within(0.02):
            pass
        await asyncio.sleep(0.1)
        return "undisturbed"

    assert asyncio.run(scene()) == "undisturbed"
