"""Turns in memory."""

from __future__ import annotations

from strongroom.adapters.memory.state import State
from strongroom.core.turns import Turn


class MemoryTurns:
    """`ports.Turns` on one state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def find(self, job: str) -> Turn | None:
        return self._state.turns.get(job)

    def list(self) -> tuple[Turn, ...]:
        return tuple(sorted(self._state.turns.values(), key=lambda turn: turn.job))

    def save(self, turn: Turn) -> None:
        self._state.changing().turns[turn.job] = turn
