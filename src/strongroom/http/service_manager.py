"""Tells the service manager that the server serves, where there is one: systemd's `Type=notify`.

The protocol is a datagram to the socket that `NOTIFY_SOCKET` names (sd_notify(3)).
Decides nothing, and never fails the server: a manager that does not listen hears nothing.
"""

from __future__ import annotations

import logging
import os
import socket

READY = "READY=1"
_VARIABLE = "NOTIFY_SOCKET"
_log = logging.getLogger(__name__)


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
