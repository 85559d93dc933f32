"""Tells the service manager that the server serves, where there is one: systemd's `Type=notify`.

The protocol is a datagram to the socket that `NOTIFY_SOCKET` names (sd_notify(3)).
A worker's life begins before its socket listens, so that is waited for. Never fails the
server: a manager that does not listen hears nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket

READY = "READY=1"
_VARIABLE = "NOTIFY_SOCKET"
_POLL_SECONDS = 0.02
_log = logging.getLogger(__name__)


async def announce(host: str, port: int) -> None:
    """Say READY=1 as soon as that address takes connections; without a service manager do nothing."""
    if not os.environ.get(_VARIABLE):
        return
    while not await _takes_connections(host, port):  # noqa: ASYNC110  # nothing here hears when granian listens
        await asyncio.sleep(_POLL_SECONDS)
    tell_service_manager(READY)


def tell_service_manager(state: str) -> None:
    """Send one state; without a service manager nothing happens. Raises nothing."""
    address = os.environ.get(_VARIABLE, "")
    if not address:
        return
    if address.startswith("@"):  # a name in Linux's abstract namespace begins with a zero byte
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.settimeout(1)  # a manager that does not read must not hold up the start
            line.sendto(state.encode(), address)
    except OSError as fault:
        _log.warning("the service manager cannot be told", extra={"fields": {"state": state, "reason": str(fault)}})


async def _takes_connections(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True
