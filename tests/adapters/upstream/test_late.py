"""The client that a server starts with."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from strongroom.adapters.upstream.late import LateClient
from strongroom.core.errors import UpstreamFault
from strongroom.core.names import ProjectName
from strongroom.ports import Origin
from tests.upstream.listener import Listener, Reply

DEMO = ProjectName("demo")


def test_an_offline_server_asks_nobody() -> None:
    """Each question is a fault that names the setting; nothing is sent."""

    async def main(origin: Origin) -> None:
        client = LateClient(networks=(), seconds=1, is_offline=True)
        for question in (
            lambda: client.get_page(origin, DEMO, etag=None),
            lambda: client.get_small(origin, origin.url, limit_bytes=1),
            lambda: client.get_part(origin, origin.url, start=0, length=1),
            lambda: client.open_file(origin, origin.url).__aenter__(),
            lambda: client.open_list(origin, etag=None).__aenter__(),
        ):
            with pytest.raises(UpstreamFault) as caught:
                await question()
            assert caught.value.code == "offline"
            assert "offline" in caught.value.hint
        await client.close()

    with Listener(lambda request: Reply()) as server:
        asyncio.run(main(Origin(server.root)))
        assert (server.connections, server.requests) == (0, [])


def test_a_start_loads_no_client() -> None:
    """Aiohttp and cryptography take most of a second: the start does without them."""
    program = (
        "import strongroom.bootstrap, sys;"
        "print([name for name in ('aiohttp', 'cryptography', 'pip') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
