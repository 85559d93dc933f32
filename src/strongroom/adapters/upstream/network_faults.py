"""What aiohttp raises, in this program's words: the host and the cause, never a URL."""

from __future__ import annotations

import os
from dataclasses import dataclass

import aiohttp

from strongroom.adapters.upstream import faults
from strongroom.core.errors import UpstreamFault


@dataclass(frozen=True, slots=True)
class InWords:
    """`with InWords(host):` raises `UpstreamFault` in place of the network's errors.

    Stand only around the network's own calls: a consumer's `OSError` is not the upstream's.
    """

    host: str

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Raise what stands for the error."""
        if isinstance(error, aiohttp.ClientError | OSError | ValueError):
            raise describe(error, self.host) from None


def describe(error: Exception, host: str) -> UpstreamFault:
    """Return the fault that says what the network's error means."""
    match error:
        case TimeoutError():
            return faults.timed_out(host, "sent nothing for too long")
        case aiohttp.ClientSSLError():
            return faults.untrusted(host)
        case aiohttp.ClientConnectorDNSError():
            return faults.unreachable(host, "its name cannot be resolved")
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return faults.unreachable(host, "the proxy in between does not let the connection through")
        case aiohttp.ClientConnectorError():
            return faults.unreachable(host, _cause(error.os_error))
        case aiohttp.ClientPayloadError():
            return faults.broken_body(host)
        case aiohttp.ServerDisconnectedError() | OSError():
            return faults.unreachable(host, "it closed the connection")
        case _:
            return faults.malformed(host, "sent something that is not an HTTP answer")


def _cause(error: OSError) -> str:
    """Return the system's words for its error; one without a number is the guard's refusal (`connector.py`)."""
    return os.strerror(error.errno).lower() if error.errno else "the address that it has now may not be used"
