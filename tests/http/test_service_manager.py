"""What systemd hears, on a socket such as it listens on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from strongroom.http.service_manager import READY, announce, tell_service_manager


@contextmanager
def listening(address: str) -> Iterator[socket.socket]:
    """Listen as a service manager does; nothing waits for more than a second."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(1)
        manager.bind(address)
        yield manager


@pytest.mark.parametrize("form", ["a path", "an abstract name"])
def test_the_manager_hears_that_the_server_serves(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both forms of the address that sd_notify(3) knows are understood, and exactly one datagram is sent."""
    name = str(tmp_path / "notify")
    spoken, bound = (name, name) if form == "a path" else (f"@{name}", f"\0{name}")
    monkeypatch.setenv("NOTIFY_SOCKET", spoken)
    with listening(bound) as manager:
        tell_service_manager(READY)
        assert manager.recv(100) == b"READY=1"
        manager.settimeout(0)
        with pytest.raises(BlockingIOError):
            manager.recv(100)


def test_without_a_manager_nothing_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """On a terminal there is nobody to tell, and no line in the log says so."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    tell_service_manager(READY)
    assert not caplog.records


def test_a_manager_that_is_gone_does_not_fail_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The start goes on, and the log says once why nobody was told."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    tell_service_manager(READY)
    (record,) = caplog.records
    assert "cannot be told" in record.getMessage()


def test_the_manager_is_told_only_when_somebody_can_connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that has begun but does not listen yet is not ready; a moment later it is, and that is said once."""
    name = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    with listening(name) as manager, socket.socket() as server:
        server.bind(("127.0.0.1", 0))

        async def live() -> None:
            announcing = asyncio.create_task(announce("127.0.0.1", server.getsockname()[1]))
            await asyncio.sleep(0.1)
            assert not announcing.done()
            server.listen()
            await asyncio.wait_for(announcing, 5)

        asyncio.run(live())
        assert manager.recv(100) == b"READY=1"


def test_nobody_connects_where_nobody_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a manager the address is not even tried."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    asyncio.run(asyncio.wait_for(announce("127.0.0.1", 9), 1))
