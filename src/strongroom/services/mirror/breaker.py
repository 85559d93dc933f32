"""A pause for an upstream that does not answer, so that nobody waits for it again and again.

Decides when an upstream may be asked next. Only silence counts, a lost connection or a
deadline that passed: an upstream that answers with an error answers quickly.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from strongroom.core.errors import UpstreamFault, UpstreamTimeout
from strongroom.core.model import Index
from strongroom.core.names import IndexName

PAUSE = timedelta(seconds=10)
_UNREACHABLE = "upstream-unreachable"


class Breakers:
    """One breaker for each index and each address that its upstream has had."""

    def __init__(self) -> None:
        self._paused_until: dict[tuple[IndexName, str], datetime] = {}
        self._slow: set[tuple[IndexName, str]] = set()

    def is_suspect(self, index: Index) -> bool:
        """Return whether the upstream kept somebody waiting, and has not answered since."""
        return _key(index) in self._slow or _key(index) in self._paused_until

    def suspect(self, index: Index) -> None:
        """Note that the upstream keeps somebody waiting."""
        self._slow.add(_key(index))

    def demand(self, index: Index, now: datetime) -> None:
        """Let one request through after a pause, and meanwhile none; raises `UpstreamFault`."""
        key = _key(index)
        until = self._paused_until.get(key)
        if until is None:
            return
        if until - PAUSE <= now < until:  # a clock that was set back does not make a pause longer
            raise UpstreamFault(
                "upstream-paused",
                f"The upstream of the index '{index.name}' did not answer a moment ago, so it is not asked again yet",
                "Try again in ten seconds; what is kept here is served meanwhile.",
            )
        self._paused_until[key] = now + PAUSE

    def note(self, index: Index, fault: UpstreamFault, *, now: datetime) -> None:
        """Begin a pause if the fault was silence."""
        if isinstance(fault, UpstreamTimeout) or fault.code == _UNREACHABLE:
            self._paused_until[_key(index)] = now + PAUSE
        else:
            self.recover(index)

    def recover(self, index: Index) -> None:
        """End the pause, and the suspicion: the upstream has answered."""
        self._paused_until.pop(_key(index), None)
        self._slow.discard(_key(index))


def _key(index: Index) -> tuple[IndexName, str]:
    return index.name, index.upstream.url if index.upstream else ""
