"""The followed server in memory."""

from __future__ import annotations

from strongroom.adapters.memory.state import State
from strongroom.core.replica import Followed


class MemoryFollowed:
    """`ports.FollowedServer` on one state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def find(self) -> Followed | None:
        return self._state.followed.get(1)

    def save(self, followed: Followed) -> None:
        self._state.changing().followed[1] = followed

    def remove(self) -> None:
        self._state.changing().followed.clear()
