"""What can go wrong with an upstream, in words: each names the host and the cause.

Never a whole URL: it may hold credentials or a signature.
"""

from __future__ import annotations

from strongroom.core.errors import UpstreamFault, UpstreamTimeout

_RETRY = "Try again later; what is kept here is served meanwhile."
_LOOK = "Look at the upstream with a browser, or set another URL for it."


def unreachable(host: str, why: str) -> UpstreamFault:
    """Return the fault of an upstream that no connection reaches, or whose connection broke."""
    return UpstreamFault("upstream-unreachable", f"The upstream {host} cannot be reached: {why}", _RETRY)


def answered(host: str, status: int) -> UpstreamFault:
    """Return the fault of a status that means neither a body nor its absence."""
    if status in (401, 403):
        return UpstreamFault(
            "upstream-credentials",
            f"The upstream {host} answered {status}: it does not accept this server's credentials",
            "Set the upstream's user name and password, or correct them.",
        )
    return UpstreamFault("upstream-status", f"The upstream {host} answered {status}", _RETRY)


def cut(host: str, received_bytes: int, *, announced_bytes: int) -> UpstreamFault:
    """Return the fault of a body whose length is not the announced one."""
    return UpstreamFault(
        "upstream-cut",
        f"The upstream {host} sent {received_bytes} of the {announced_bytes} bytes that it announced",
        _RETRY,
    )


def broken_body(host: str) -> UpstreamFault:
    """Return the fault of a body that broke off, where nobody knows how much was missing."""
    return UpstreamFault("upstream-cut", f"The upstream {host} broke off before the end of its answer", _RETRY)


def untrusted(host: str) -> UpstreamFault:
    """Return the fault of an upstream whose certificate is not trusted."""
    return UpstreamFault(
        "upstream-certificate",
        f"The upstream {host} shows a certificate that this machine does not trust",
        "If the upstream is yours, name the file of its authority in the variable SSL_CERT_FILE.",
    )


def offline() -> UpstreamFault:
    """Return the fault of asking an upstream while the server is offline."""
    return UpstreamFault(
        "offline",
        "This server is offline: no upstream is asked",
        "Take away the setting offline to ask upstreams again.",
    )


def too_large(host: str, limit_bytes: int) -> UpstreamFault:
    """Return the fault of an answer that is over its limit."""
    return UpstreamFault(
        "upstream-too-large", f"The upstream {host} sent more than the {limit_bytes} bytes that are read of it", _LOOK
    )


def malformed(host: str, what: str) -> UpstreamFault:
    """Return the fault of an answer that breaks HTTP or is not what was asked for."""
    return UpstreamFault("upstream-malformed", f"The upstream {host} {what}", _LOOK)


def timed_out(host: str, what: str) -> UpstreamTimeout:
    """Return the fault of an upstream that is too slow."""
    return UpstreamTimeout("upstream-timeout", f"The upstream {host} {what}", _RETRY)
